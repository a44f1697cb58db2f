#!/usr/bin/perl
# same.pl MOUNT MIRROR COUNT SEED: does the same random things to files of a mount and of a folder on the disk, and compares after
# each what a look and a read give of every file. Says what differs first.
use strict;
use warnings;
use Fcntl;

my ($mount, $mirror, $count, $seed) = @ARGV;
srand $seed;
my @names = map { my $folder = $_; map { "$folder$_" } qw(a b c d) } '', 'sub/', 'sub2/';
my %open;

sub both { my ($do) = @_; return map { $do->($_) ? 1 : 0 } $mount, $mirror }
sub any { return $names[int rand @names] }
sub slurp { my ($file) = @_; open(my $in, '<', $file) or return "no: " . ($! + 0); local $/; return <$in> // '' }

my %acts = (
  write => sub { my ($name, $text) = (any(), 'x' x int rand 9000); sub { open(my $out, '>', "$_[0]/$name") or return; print $out $text; close $out } },
  # So much, with one call, that it goes another way than small writes do.
  large => sub { my ($name, $at, $text) = (any(), int rand 300_000, "$_[0]." x (20_000 + int rand 80_000)); sub { open(my $out, '+<', "$_[0]/$name") or return; sysseek($out, $at, 0); syswrite($out, $text); close $out } },
  append => sub { my ($name, $text) = (any(), "more $_[0]\n"); sub { open(my $out, '>>', "$_[0]/$name") or return; print $out $text; close $out } },
  remove => sub { my $name = any(); sub { unlink "$_[0]/$name" } },
  rename => sub { my ($from, $to) = (any(), any()); sub { rename "$_[0]/$from", "$_[0]/$to" } },
  chmod => sub { my ($name, $mode) = (any(), 0600 + int rand 0100); sub { chmod $mode, "$_[0]/$name" } },
  truncate => sub { my ($name, $size) = (any(), int rand(rand() < 0.3 ? 300_000 : 9000)); sub { truncate "$_[0]/$name", $size } },
  mkdir => sub { my $name = rand() < 0.5 ? 'sub' : 'sub2'; sub { mkdir "$_[0]/$name" } },
  rmdir => sub { my $name = rand() < 0.5 ? 'sub' : 'sub2'; sub { rmdir "$_[0]/$name" } },
  symlink => sub { my ($target, $name) = (any(), any()); sub { symlink $target, "$_[0]/$name" } },
  folder => sub { sub { -e "$_[0]/sub2" || rename "$_[0]/sub", "$_[0]/sub2" } },
  # Files that stay open while other things are done to their names.
  open => sub { my $name = any(); sub { open(my $file, '+<', "$_[0]/$name") or return; $file->autoflush(1); $open{$_[0]} = $file } },
  late => sub { my $at = int rand 5000; sub { my $file = $open{$_[0]} or return; sysseek($file, $at, 0); syswrite($file, "late") } },
  close => sub { sub { my $file = delete $open{$_[0]} or return; close $file } },
);

# A file is made as `tar x` does it, written and set before it is closed, and looked at after each step. Of its owner and its times
# only what was set is the same on both sides.
my (%saw, $owner, $times);
my %steps = (
  data => sub { my $text = 'y' x (1 + int rand(rand() < 0.3 ? 300_000 : 5000)); sub { $times = 0; syswrite $_[0], $text } },
  cut => sub { my $size = int rand 6000; sub { $times = 0; truncate $_[0], $size } },
  times => sub { my @at = map { 1e9 + int rand 1e8 } 1, 2; sub { $times = 1; utime @at, $_[0] } },
  mode => sub { my $mode = 0400 + int rand 0400; sub { chmod $mode, $_[0] } },
  owner => sub { my @to = $> ? ($>, $) + 0) : map { int rand 3000 } 1, 2; sub { $owner = 1; chown @to, $_[0] } },
  group => sub { my $to = $> ? $) + 0 : int rand 3000; sub { chown -1, $to, $_[0] } },
  other => sub { my $text = 'z' x int rand 9000; sub { $times = 0; open(my $out, '>>', $_[1]) or return; print $out $text; close $out } },
);
my @steps = sort keys %steps;
$acts{unpack} = sub {
  my ($turn, $name, @todo) = (@_, any(), map { my $step = $steps[int rand @steps]; [$step, $steps{$step}->()] } 1 .. 2 + int rand 6);
  sub {
    my $path = "$_[0]/$name";
    unlink $path;
    sysopen(my $file, $path, O_WRONLY | O_CREAT | O_EXCL, 0600) or return;
    ($owner, $times, my @seen) = (0, 0);
    for (@todo) {
      my ($step, $do) = @$_;
      push @seen, $step . ($do->($file, $path) ? '' : ' failed');
      my @stat = rand() < 0.7 ? lstat $path : stat $file;
      push @seen, sprintf('%o %d', @stat[2, 7]), $owner ? "@stat[4, 5]" : (), $times ? "@stat[8, 9]" : $stat[9] < 1.5e9 ? 'old' : 'new';
    }
    $saw{$_[0]} = "@seen";
    close $file;
  }
};
my @acts = sort keys %acts;

require IO::Handle;
for my $turn (1 .. $count) {
  my $act = $acts[int rand @acts];
  my @worked = both($acts{$act}->($turn));
  # One alone would leave the two different for good.
  die "turn $turn, $act: worked here $worked[0], there $worked[1]\n" if $worked[0] != $worked[1];
  my ($saw, $wanted) = map { delete $saw{$_} // '' } $mount, $mirror;
  die "turn $turn, $act: saw $saw\nnot $wanted\n" if $saw ne $wanted;
  for my $name (@names) {
    my ($seen, $true) = map { my @stat = lstat "$_/$name"; @stat ? sprintf('%o %d', @stat[2, 7]) : 'none' } $mount, $mirror;
    die "turn $turn, $act: $name is $seen, not $true\n" if $seen ne $true;
    next if $true eq 'none' || $true =~ /^4/ || rand() < 0.5;
    my ($read, $right) = map { slurp("$_/$name") } $mount, $mirror;
    die "turn $turn, $act: $name has other content: " . length($read) . ' and ' . length($right) . "\n" if $read ne $right;
  }
}
print "same\n";
