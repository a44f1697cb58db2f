#!/usr/bin/perl
# Servers in the guest for `npm run bench -- ports`.
# serve ADDRESS:PORT...: a client says `D BYTES` and gets so many, or `U` and then sends until it ends, and gets their count, or
# `E` and gets one line. listen ADDRESS FIRST COUNT: listens on so many ports until its input ends; a line `PORT` there
# opens one more. Says `ready PORT` for what listens.
use strict;
use warnings;
use Socket;

$| = 1;
$SIG{CHLD} = 'IGNORE';
my ($act, @rest) = @ARGV;
my @sockets;

sub open_port {
  my ($address, $port) = @_;
  socket(my $socket, AF_INET, SOCK_STREAM, 0) or die "socket: $!";
  setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, 1);
  bind($socket, pack_sockaddr_in($port, inet_aton($address))) && listen($socket, 200) or die "$address:$port: $!";
  push @sockets, $socket;
  print "ready $port\n";
}

if ($act eq 'listen') {
  my ($address, $first, $count) = @rest;
  open_port($address, $_) for $first .. $first + $count - 1;
  print "ready all\n";
  while (my $line = <STDIN>) { open_port($address, $1) if $line =~ /^(\d+)$/ }
  exit;
}

open_port(split /:/) for @rest;
print "ready all\n";
my $block = 'x' x 65536;
while (1) {
  my $bits = '';
  vec($bits, fileno $_, 1) = 1 for @sockets;
  select(my $ready = $bits, undef, undef, undef);
  for my $socket (grep { vec($ready, fileno $_, 1) } @sockets) {
    accept(my $peer, $socket) or next;
    my $line = <$peer> // '';
    if ($line =~ /^E/) { syswrite($peer, "E\n"); close $peer; next }
    my $pid = fork;
    if ($pid) { close $peer; next }
    if ($line =~ /^D (\d+)/) {
      for (my $left = $1; $left > 0;) { my $n = syswrite($peer, $block, $left < 65536 ? $left : 65536) // last; $left -= $n }
    }
    else {
      my $all = 0;
      while ((my $n = read($peer, my $data, 65536)) > 0) { $all += $n }
      syswrite($peer, "$all\n");
    }
    close $peer;
    exit;
  }
}
