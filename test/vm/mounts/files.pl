# Operations on files, as the guest's user: `perl -I . files.pl FOLDER`.
use strict;
use warnings;
use Errno qw(EEXIST ENOENT ENOTEMPTY EPERM EACCES EWOULDBLOCK EAGAIN EINVAL ENAMETOOLONG EOPNOTSUPP ELOOP);
use Fcntl qw(:DEFAULT :flock :seek :mode);
use Check;
use Socket;

chdir $ARGV[0] or die "chdir $ARGV[0]: $!";
umask 022;

check 'create' => sub {
  put('f', 'text', O_WRONLY | O_CREAT, 0666);
  is(get('f'), 'text', 'content');
  is((stat_of('f'))[7], 4, 'size');
  is(mode_of('f'), '0644', 'mode under umask 022');
  umask 0;
  for my $mode (0666, 0640, 0400, 0777, 0) {
    my $name = sprintf 'm%o', $mode;
    put($name, 'x', O_WRONLY | O_CREAT, $mode);
    is(mode_of($name), sprintf('%04o', $mode), 'mode of a new file');
    mkdir "d$name", $mode or die "mkdir: $!\n";
    is(mode_of("d$name"), sprintf('%04o', $mode), 'mode of a new folder');
  }
  umask 022;
};

check 'O_EXCL' => sub {
  put('f', 'first', O_WRONLY | O_CREAT | O_EXCL);
  refused(sysopen(my $again, 'f', O_WRONLY | O_CREAT | O_EXCL), 'a second time', EEXIST);
  symlink 'nowhere', 'l' or die "symlink: $!\n";
  refused(sysopen($again, 'l', O_WRONLY | O_CREAT | O_EXCL), 'over a dangling link', EEXIST);
  refused(mkdir('f'), 'mkdir over a file', EEXIST);
  is(get('f'), 'first', 'content');
};

check 'O_APPEND' => sub {
  put('log', "a\n");
  put('log', "b\n", O_WRONLY | O_APPEND);
  sysopen(my $one, 'log', O_WRONLY | O_APPEND) or die $!;
  sysopen(my $two, 'log', O_WRONLY | O_APPEND) or die $!;
  syswrite $_, "x\n" for $one, $two, $one;
  is(get('log'), "a\nb\nx\nx\nx\n", 'content');
  # Two processes, each with its own descriptor.
  in_child('a writer failed', sub {
    my @pids = map {
      my $name = $_;
      my $pid = fork // die;
      if (!$pid) { put('both', "$name$_\n", O_WRONLY | O_CREAT | O_APPEND) for 1 .. 50; POSIX::_exit(0) }
      $pid;
    } 'p', 'q';
    my $fine = 1;
    for (@pids) { waitpid $_, 0; $fine = 0 if $? }
    return $fine;
  });
  my %seen = map { $_ => 1 } split /\n/, get('both');
  is(scalar(keys %seen), 100, 'whole lines');
};

check 'O_TRUNC and truncate' => sub {
  put('f', '0123456789');
  truncate('f', 4) or die "truncate: $!\n";
  is(get('f'), '0123', 'cut');
  truncate('f', 8) or die "truncate: $!\n";
  is(get('f'), "0123\0\0\0\0", 'grown');
  sysopen(my $file, 'f', O_RDWR) or die $!;
  truncate($file, 2) or die "ftruncate: $!\n";
  is(-s 'f', 2, 'size');
  put('f', 'new');
  is(get('f'), 'new', 'content behind O_TRUNC');
};

check 'sparse files over 4 GiB' => sub {
  sysopen(my $file, 'sp', O_RDWR | O_CREAT) or die $!;
  my $at = 5 * 2**30;
  sysseek($file, $at, SEEK_SET) or die "seek: $!\n";
  syswrite($file, 'x') or die "write: $!\n";
  is(-s 'sp', $at + 1, 'size');
  sysseek($file, $at - 2, SEEK_SET);
  sysread($file, my $tail, 10);
  is($tail, "\0\0x", 'tail');
  sysseek($file, 2**32 - 2, SEEK_SET);
  syswrite($file, 'over') or die "write: $!\n";
  sysseek($file, 2**32 - 3, SEEK_SET);
  sysread($file, my $middle, 6);
  is($middle, "\0over\0", 'bytes around 4 GiB');
};

check 'rename over a file' => sub {
  put('a', 'a');
  put('b', 'b');
  rename('a', 'b') or die "rename: $!\n";
  is(get('b'), 'a', 'content');
  is(join(' ', names_in('.')), 'b', 'names');
  rename('b', 'b') or die "rename onto itself: $!\n";
  sysopen(my $held, 'b', O_RDONLY) or die $!;
  put('c', 'c');
  rename('c', 'b') or die "rename over an open file: $!\n";
  sysread($held, my $text, 10);
  is($text, 'a', 'the open file');
  refused(rename('none', 'b'), 'rename of nothing', ENOENT);
};

check 'rename of folders' => sub {
  mkdir $_ or die $! for 'd', 'd/e', 'empty', 'full';
  put('d/e/f', 'deep');
  put('full/x', 'x');
  rename('d', 'moved') or die "rename: $!\n";
  is(get('moved/e/f'), 'deep', 'content');
  rename('moved', 'empty') or die "over an empty folder: $!\n";
  is(get('empty/e/f'), 'deep', 'content');
  refused(rename('empty', 'full'), 'over a full folder', ENOTEMPTY, EEXIST, EPERM);
  refused(rename('empty', 'empty/e/in'), 'into itself', EINVAL);
  is(get('empty/e/f') . get('full/x'), 'deepx', 'content');
  chdir 'empty/e' or die $!;
  rename('../../empty', '../../again') or die "of the working folder: $!\n";
  is(get('f'), 'deep', 'content from inside');
};

check 'hard links' => sub {
  put('a', 'one');
  link('a', 'b') or die "link: $!\n";
  put('b', 'two', O_WRONLY);
  refused(link('a', 'b'), 'over a name', EEXIST);
  # Names have pages of their own in the guest: the other one follows within the documented limit.
  select undef, undef, undef, 2;
  is(get('a'), 'two', 'content by the other name');
  unlink 'a' or die $!;
  is(get('b'), 'two', 'content when one name is gone');
};

check 'symbolic links' => sub {
  put('f', 'text');
  mkdir 'd' or die $!;
  my %target = (relative => 'f', up => '../symbolic-links/f', absolute => '/etc/hostname', dangling => '/nowhere/x', self => 'self', dot => '.', odd => "a b\n\xff\"'", long => 'x' x 4000);
  for my $name (sort keys %target) { symlink $target{$name}, $name or die "symlink $name: $!\n" }
  for my $name (sort keys %target) { is(readlink $name, $target{$name}, "target of $name") }
  is(get('relative') . get('up'), 'texttext', 'content');
  # One that points outside of the share means the guest's own file.
  is(get('absolute'), get('/etc/hostname'), 'content of an absolute one');
  refused(open(my $in, '<', 'self'), 'a loop', ELOOP);
  refused(open($in, '<', 'dangling'), 'a dangling one', ENOENT);
  refused(symlink('x', 'f'), 'over a file', EEXIST);
  mkdir 'n' or die $!;
  is(system('mkdir -p n/.bin n/p && echo run >n/p/b && ln -s ../p/b n/.bin/b && test "$(cat n/.bin/b)" = run'), 0, 'node_modules/.bin');
  is(S_ISLNK((stat_of('dangling'))[2]), 1, 'kind');
  unlink keys %target;
  is(join(' ', names_in('.')), 'd f n', 'names');
};

check 'unlink of an open file' => sub {
  sysopen(my $file, 'f', O_RDWR | O_CREAT) or die $!;
  syswrite $file, 'before';
  unlink 'f' or die "unlink: $!\n";
  refused(scalar(stat 'f'), 'the name', ENOENT);
  syswrite $file, ' after';
  sysseek $file, 0, SEEK_SET;
  sysread $file, my $text, 100;
  is($text, 'before after', 'content');
  put('f', 'another');
  close $file;
  is(get('f'), 'another', 'a new file of that name');
  # What hid the file while it was open goes with its last close, which nobody waits for.
  for (1 .. 50) { last if names_in('.') == 1; select undef, undef, undef, 0.1 }
  is(join(' ', names_in('.')), 'f', 'names');
};

check 'mmap shared' => sub {
  sysopen(my $file, 'mm', O_RDWR | O_CREAT) or die $!;
  truncate($file, 8192) or die $!;
  my $map = sys('mmap', 0, 8192, 3, 1, fileno $file, 0);
  die "mmap: $!\n" if $map == -1;
  pipe(my $from, my $to) or die $!;
  syswrite $to, 'hello';
  sys('read', fileno $from, $map + 5000, 5) == 5 or die "read into the map: $!\n";
  sys('msync', $map, 8192, 4) == 0 or die "msync: $!\n";
  is(substr(get('mm'), 4999, 7), "\0hello\0", 'file');
  # The other way round: what another process writes is in the map.
  in_child('write', sub {
    sysopen(my $other, 'mm', O_WRONLY) or die $!;
    sysseek $other, 100, SEEK_SET;
    syswrite $other, 'other';
  });
  sys('write', fileno $to, $map + 100, 5) == 5 or die "write from the map: $!\n";
  sysread $from, my $seen, 5;
  is($seen, 'other', 'map');
  sys('munmap', $map, 8192);
  truncate('mm', 6000) or die $!;
  is(-s 'mm', 6000, 'size');
};

check 'fsync' => sub {
  sysopen(my $file, 'f', O_RDWR | O_CREAT) or die $!;
  syswrite $file, 'x' x 100_000;
  sys('fsync', fileno $file) == 0 or die "fsync: $!\n";
  syswrite $file, 'y';
  sys('fdatasync', fileno $file) == 0 or die "fdatasync: $!\n";
  sysopen(my $folder, '.', O_RDONLY | O_DIRECTORY) or die $!;
  sys('fsync', fileno $folder) == 0 or die "fsync of a folder: $!\n";
};

check 'flock and fcntl locks' => sub {
  sysopen(my $file, 'lk', O_RDWR | O_CREAT) or die $!;
  my $try = sub { sysopen(my $other, 'lk', O_RDWR) or die $!; flock($other, LOCK_EX | LOCK_NB) };
  flock($file, LOCK_EX) or die "flock: $!\n";
  in_child('a second flock was given', sub { !$try->() && $! == EWOULDBLOCK });
  flock($file, LOCK_UN);
  in_child('flock was not given', $try);
  # struct flock of 64 bit Linux: type, whence, start, length, pid.
  my $lock = sub { my ($handle, $type, $start) = @_; my $l = pack 's s x4 q q l x4', $type, SEEK_SET, $start, 10, 0; fcntl($handle, F_SETLK, $l) };
  $lock->($file, F_WRLCK, 0) or die "fcntl: $!\n";
  in_child('a second fcntl lock was given', sub { sysopen(my $other, 'lk', O_RDWR) or die $!; !$lock->($other, F_WRLCK, 5) && ($! == EAGAIN || $! == EACCES) });
  in_child('a lock beside it was not given', sub { sysopen(my $other, 'lk', O_RDWR) or die $!; $lock->($other, F_WRLCK, 10) });
  $lock->($file, F_UNLCK, 0);
  in_child('fcntl was not given', sub { sysopen(my $other, 'lk', O_RDWR) or die $!; $lock->($other, F_WRLCK, 0) });
};

check 'times' => sub {
  my $about_now = sub { my $is = (stat_of($_[0]))[9]; die "$_[0] is of $is\n" if abs($is - time) > 5 };
  put('n', '');
  mkdir 'd' or die $!;
  $about_now->($_) for 'n', 'd';
  utime 981173106, 981173106, 'n' or die $!;
  is((stat_of('n'))[9], 981173106, 'time set');
  utime 100, 4102444800, 'd' or die $!;
  is(join(' ', (stat_of('d'))[8, 9]), '100 4102444800', 'times of a folder');
  utime undef, undef, 'n' or die $!;
  $about_now->('n');
  is(system('touch -d "2001-02-03 04:05:06Z" s && cp -p s p && ln -s s l && touch -h -d "2002-02-03 04:05:06Z" l && mkdir u && tar cf a.tar s && tar xf a.tar -C u'), 0, 'touch, cp -p, tar');
  is((stat_of($_))[9], 981173106, "time of $_") for 's', 'p', 'u/s';
  is((stat_of('l'))[9], 1012709106, 'time of a link');
  put('s', 'written');
  $about_now->('s');
};

check 'chmod with all bits' => sub {
  put('f', '');
  mkdir 'd' or die $!;
  for my $mode ((map { 1 << $_ } 0 .. 11), 0, 07777, 0755, 0644, 04755, 02755, 01777, 0555, 0444) {
    for my $name ('f', 'd') {
      chmod $mode, $name or die sprintf("chmod %o %s: %s\n", $mode, $name, $!);
      is(mode_of($name), sprintf('%04o', $mode), "mode of $name");
    }
  }
  chmod 0, 'f' or die $!;
  refused(open(my $in, '<', 'f'), 'reading a file of mode 0', EACCES);
  chmod 0555, 'd' or die $!;
  refused(mkdir('d/x'), 'mkdir in a folder of mode 555', EACCES);
  chmod 0755, 'd' or die $!;
};

check 'extended attributes' => sub {
  put('f', '');
  for my $space ('user.x', 'security.x') {
    my ($file, $name, $value) = ('f', $space, 'v');
    refused(sys('setxattr', $file, $name, $value, 1, 0) == 0, "setxattr $space", EOPNOTSUPP, EPERM);
    refused(sys('getxattr', $file, $name, $value, 1) >= 0, "getxattr $space", EOPNOTSUPP);
  }
  is(system('cp -a f g && cmp f g'), 0, 'cp -a all the same');
};

check 'fifos and sockets' => sub {
  my $began = time;
  refused(POSIX::mkfifo('p', 0600), 'mkfifo', EPERM, EOPNOTSUPP);
  socket(my $socket, PF_UNIX, SOCK_STREAM, 0) or die $!;
  refused(bind($socket, sockaddr_un('s')), 'bind', EPERM, EOPNOTSUPP);
  die "not at once\n" if time - $began > 5;
  is(join(' ', names_in('.')), '', 'names');
};

check 'names' => sub {
  my @names = (
    'n' x 255, "caf\xe9\xff", ' lead', 'trail ', 'a  b', "new\nline", "'\"`\$(x)", '-rf', '--', '\\back\\slash', '*?[x]', '~', '#', 'a:b',
    "\xe6\x97\xa5\xe6\x9c\xac", "\xc3\xa9", "e\xcc\x81", "\xf0\x9f\x90\x8b", "\x01\x7f", '...', 'Case', 'case', '.fuse_hidden1',
  );
  put($_, "of $_") for @names;
  is(join('|', names_in('.')), join('|', sort @names), 'names listed');
  is(get($_), "of $_", 'content') for @names;
  refused(sysopen(my $file, 'n' x 256, O_WRONLY | O_CREAT), '256 bytes', ENAMETOOLONG, EPERM);
  refused(mkdir('n' x 256), '256 bytes', ENAMETOOLONG, EPERM);
  rename $names[1], "\xff\xfe" or die "rename: $!\n";
  is(get("\xff\xfe"), "of $names[1]", 'content');
  rename "\xff\xfe", $names[1] or die $!;
};

check 'paths near PATH_MAX' => sub {
  my $start = POSIX::getcwd();
  my $path = $start;
  # 4,096 bytes with the NUL are what a call takes: one more name than fits is refused, none before.
  while (length($path) + 201 < 4096) { $path .= '/' . 'p' x 200; mkdir $path or die length($path), ": $!\n" }
  my $name = 'f' x (4095 - length($path) - 1);
  put("$path/$name", 'deep') if length $name;
  is(get("$path/$name"), 'deep', 'content') if length $name;
  refused(mkdir($path . '/' . 'x' x 250), 'longer', ENAMETOOLONG, EPERM);
  is(system('rm', '-r', 'p' x 200), 0, 'rm -r');
  is(join(' ', names_in('.')), '', 'names');
};

check '600 files open at once' => sub {
  my @files;
  for (0 .. 599) { sysopen(my $file, $_, O_RDWR | O_CREAT) or die "file $_: $!\n"; push @files, $file }
  syswrite $files[$_], '1' for 0, 300, 599;
  close $_ or die "close: $!\n" for @files;
  is(scalar(names_in('.')), 600, 'files');
};

check 'trees made and removed' => sub {
  for (1 .. 5) { is(system('mkdir', '-p', "t/$_/a/b"), 0, 'mkdir -p'); put("t/$_/a/b/f", 'x') }
  is(system('cp', '-a', 't', 'u'), 0, 'cp -a');
  is(get('u/5/a/b/f'), 'x', 'content');
  is(system('rm', '-rf', 't', 'u'), 0, 'rm -rf');
  is(join(' ', names_in('.')), '', 'names');
};
