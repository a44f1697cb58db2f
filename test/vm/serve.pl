# Servers for the tests of ports: `perl serve.pl KIND:ADDRESS:PORT|unix:PATH ...`. KIND: count (answers `OK bytes` a second
# after the end of what comes), echo (gives back what comes), udp (gives back each datagram), name and nameudp (the same, and
# first a line `ADDRESS PORT`), and with a 6 for IPv6, of which name6 and nameudp6 take IPv4 as well. A unix socket echoes.
# hostN leads to port N of the host's loopback. Says `ready` once all listen.
use strict;
use warnings;
use Socket qw(:DEFAULT inet_pton pack_sockaddr_in6 IPPROTO_IPV6 IPV6_V6ONLY);

$SIG{CHLD} = 'IGNORE';
$| = 1;
my @sockets;
for my $spec (@ARGV) {
  my ($kind, $address, $port) = $spec =~ /^unix:(.*)$/ ? ('unix', $1, 0) : $spec =~ /^(\w+):(.*):(\d+)$/;
  my $six = $kind =~ s/6$//;
  my $head = $kind =~ s/^name// ? "$address $port\n" : '';
  $kind ||= 'echo';
  my $family = $kind eq 'unix' ? AF_UNIX : $six ? AF_INET6 : AF_INET;
  socket(my $socket, $family, $kind eq 'udp' ? SOCK_DGRAM : SOCK_STREAM, 0) or die "socket: $!";
  setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, 1) unless $kind eq 'udp';
  # Beside others on that port.
  setsockopt($socket, SOL_SOCKET, SO_REUSEPORT, 1) if $head;
  setsockopt($socket, IPPROTO_IPV6, IPV6_V6ONLY, $head ? 0 : 1) if $six;
  unlink $address if $kind eq 'unix';
  my $where = $kind eq 'unix' ? pack_sockaddr_un($address) : $six ? pack_sockaddr_in6($port, inet_pton(AF_INET6, $address)) : pack_sockaddr_in($port, inet_aton($address));
  bind($socket, $where) or die "$spec: $!";
  $kind eq 'udp' || listen($socket, 100) or die "$spec: $!";
  push @sockets, { kind => $kind, socket => $socket, head => $head };
}
print "ready\n";

sub serve {
  my ($kind, $peer, $head) = @_;
  syswrite($peer, $head);
  my $all = 0;
  while (my $n = sysread($peer, my $data, 65536)) {
    $all += $n;
    next if $kind eq 'count';
    while (length $data) { my $w = syswrite($peer, $data) // exit; substr($data, 0, $w, ''); }
  }
  if ($kind eq 'count') { sleep 1; syswrite($peer, "OK $all"); }
  exit;
}

# Joins a peer with a port of the host, which QEMU's gateway leads to.
sub lead {
  my ($peer, $port) = @_;
  socket(my $host, AF_INET, SOCK_STREAM, 0);
  connect($host, pack_sockaddr_in($port, inet_aton('10.0.2.2'))) or exit;
  my ($from, $to) = fork ? ($peer, $host) : ($host, $peer);
  while (sysread($from, my $data, 65536)) {
    while (length $data) { my $w = syswrite($to, $data) // exit; substr($data, 0, $w, ''); }
  }
  shutdown($to, 1);
  exit;
}

while (1) {
  my $bits = '';
  vec($bits, fileno $_->{socket}, 1) = 1 for @sockets;
  select($bits, undef, undef, undef) > 0 or next;
  for my $each (grep { vec($bits, fileno $_->{socket}, 1) } @sockets) {
    if ($each->{kind} eq 'udp') {
      my $from = recv($each->{socket}, my $data, 65536, 0) // next;
      send($each->{socket}, $each->{head} . $data, 0, $from);
      next;
    }
    accept(my $peer, $each->{socket}) or next;
    my $pid = fork;
    if (defined $pid && !$pid) { $each->{kind} =~ /^host(\d+)$/ ? lead($peer, $1) : serve($each->{kind}, $peer, $each->{head}); }
    close $peer;
  }
}
