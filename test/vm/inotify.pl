#!/usr/bin/perl
# Watches folders with inotify and prints each event as "KINDS name"; perl-base only.
use strict; use warnings;
# inotify_init1 and inotify_add_watch of the two architectures (Linux, arch/x86/entry/syscalls and asm-generic/unistd.h).
my ($INIT, $ADD) = (`uname -m` =~ /x86_64/) ? (294, 254) : (26, 27);
my %bit = (1=>'ACCESS',2=>'MODIFY',4=>'ATTRIB',8=>'CLOSE_WRITE',0x10=>'CLOSE_NOWRITE',0x20=>'OPEN',0x40=>'MOVED_FROM',0x80=>'MOVED_TO',0x100=>'CREATE',0x200=>'DELETE',0x400=>'DELETE_SELF',0x800=>'MOVE_SELF',0x40000000=>'ISDIR');
my $fd = syscall($INIT, 0); open(my $in, '<&=', $fd) or die; $| = 1;
my %name;
for my $folder (@ARGV) { my $wd = syscall($ADD, $fd, $folder, 0x2 | 0x4 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400); die "$folder: $!" if $wd < 0; $name{$wd} = $folder; }
print "ready\n";
while (sysread($in, my $data, 65536)) {
  while (length $data) {
    my ($wd, $mask, $cookie, $len) = unpack 'lLLL', $data;
    my $file = unpack 'Z*', substr($data, 16, $len);
    substr($data, 0, 16 + $len, '');
    my $kinds = join ',', map { $bit{$_} } grep { $mask & $_ } sort { $a <=> $b } keys %bit;
    print "$kinds $name{$wd}" . (length $file ? "/$file" : '') . "\n";
  }
}
