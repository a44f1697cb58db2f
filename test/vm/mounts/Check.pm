package Check;

# What the checks inside the guest have in common. perl-base alone: what every guest has.
use strict;
use warnings;
use Exporter 'import';
use Fcntl qw(:DEFAULT :mode :seek);
use POSIX ();
our @EXPORT = qw(check put get is refused mode_of owner_of stat_of names_in in_child sys);

$| = 1;

# Runs one check in a folder of its own and says how it went; a check that hangs is one that failed.
sub check {
  my ($name, $code) = @_;
  (my $folder = $name) =~ s/[^A-Za-z0-9]+/-/g;
  my $start = POSIX::getcwd();
  my $done = eval {
    local $SIG{ALRM} = sub { die "hangs\n" };
    alarm 240;
    mkdir $folder or die "mkdir: $!\n";
    chdir $folder or die "chdir: $!\n";
    $code->();
    1;
  };
  my $wrong = $@;
  alarm 0;
  chdir $start or die "chdir: $!";
  $wrong =~ s/\s*\n\s*/ /g;
  print $done ? "ok $name\n" : "not ok $name: $wrong\n";
}

sub put {
  my ($file, $text, $flags, $mode) = @_;
  sysopen(my $out, $file, $flags // (O_WRONLY | O_CREAT | O_TRUNC), $mode // 0666) or die "open $file: $!\n";
  syswrite($out, $text) == length $text or die "write $file: $!\n";
  close $out or die "close $file: $!\n";
}

sub get {
  my ($file) = @_;
  open(my $in, '<', $file) or die "open $file: $!\n";
  local $/;
  return scalar(<$in>) // '';
}

sub is {
  my ($got, $wanted, $what) = @_;
  die sprintf("%s: %s, not %s\n", $what, map { defined $_ ? "'$_'" : 'undef' } $got, $wanted)
    unless defined $got && $got eq $wanted;
}

# The result of a call that must fail, with one of these errors.
sub refused {
  my ($result, $what, @errors) = @_;
  my $error = $! + 0;
  die "$what: was not refused\n" if $result;
  return unless @errors;
  die sprintf("%s: %s\n", $what, POSIX::strerror($error)) unless grep { $_ == $error } @errors;
}

sub stat_of { my @s = lstat $_[0]; die "lstat $_[0]: $!\n" unless @s; return @s }
sub mode_of { return sprintf '%04o', (stat_of($_[0]))[2] & 07777 }
sub owner_of { return join ':', (stat_of($_[0]))[4, 5] }

sub names_in {
  my ($folder) = @_;
  opendir(my $dir, $folder) or die "opendir $folder: $!\n";
  my @names = sort grep { $_ ne '.' && $_ ne '..' } readdir $dir;
  return @names;
}

# Runs code in another process; dies unless it gives true.
sub in_child {
  my ($what, $code) = @_;
  my $pid = fork // die "fork: $!\n";
  if (!$pid) {
    my $fine = eval { $code->() };
    print STDERR $@ if $@;
    POSIX::_exit($fine ? 0 : 1);
  }
  waitpid $pid, 0;
  die "$what\n" if $?;
}

# System calls that perl-base has no name for: x86-64 and arm64 number them differently.
my %number = (POSIX::uname())[4] eq 'x86_64'
  ? (read => 0, write => 1, mmap => 9, munmap => 11, msync => 26, fsync => 74, fdatasync => 75, setxattr => 188, getxattr => 191, listxattr => 194)
  : (read => 63, write => 64, mmap => 222, munmap => 215, msync => 227, fsync => 82, fdatasync => 83, setxattr => 5, getxattr => 8, listxattr => 11);

sub sys {
  my ($name, @arguments) = @_;
  return syscall($number{$name} // die("no call $name\n"), @arguments);
}

1;
