# Owners, as the guest's root: `perl -I . owners.pl FOLDER`.
use strict;
use warnings;
use Errno qw(EACCES EPERM);
use Fcntl qw(:DEFAULT :mode :seek);
use Check;

chdir $ARGV[0] or die "chdir $ARGV[0]: $!";
umask 022;
my $user = owner_of('.');

# Runs code as another user of the guest.
sub as {
  my ($id, $what, $code) = @_;
  in_child($what, sub { $( = $id; $) = "$id $id"; $< = $> = $id; die "not $id" if $< != $id || $> != $id; $code->() });
}

check 'everything is the guest user’s' => sub {
  die "the share is root's\n" if $user eq '0:0';
  is(owner_of('.'), $user, 'owner of a new folder');
  put('f', 'x');
  is(owner_of('f'), $user, 'owner of a new file');
  as((split /:/, $user)[0], 'the guest user may not write', sub { put('f', 'y'); put('g', 'z'); 1 });
};

check 'chown' => sub {
  put('f', 'x');
  mkdir 'd' or die $!;
  symlink 'f', 'l' or die $!;
  link 'f', 'again' or die $!;
  chown 999, 998, 'f', 'd' or die "chown: $!\n";
  is(owner_of($_), '999:998', "owner of $_") for 'f', 'd';
  is(owner_of('l'), $user, 'owner of a link to it');
  is(system('chown', '-h', '7:7', 'l'), 0, 'chown -h');
  is(owner_of('l'), '7:7', 'owner of a link');
  chown 5, -1, 'f';
  is(owner_of('f'), '5:998', 'half a chown');
  rename 'f', 'moved' or die $!;
  is(owner_of('moved'), '5:998', 'owner when renamed');
  # Names have attributes of their own in the guest, for half a second.
  select undef, undef, undef, 2;
  is(owner_of('again'), '5:998', 'owner by another name');
  as(1000, 'somebody may give files away', sub { refused(chown(1000, 1000, 'moved'), 'chown', EPERM); 1 });
  chown split(/:/, $user), 'moved' or die $!;
  is(owner_of('moved'), $user, 'owner given back');
  is(system('chown -R 999:999 . && test "$(find . ! -user 999)" = ""'), 0, 'chown -R');
};

check 'a database adopts its folder' => sub {
  mkdir 'pg' or die $!;
  put('pg/left', '');
  is(system('chown -R 999:999 pg && chmod 0700 pg'), 0, 'what the entry script does');
  is(owner_of('pg') . ' ' . mode_of('pg'), '999:999 0700', 'the folder');
  my $sync = sub { sysopen(my $file, $_[0], O_RDONLY) or die $!; sys('fsync', fileno $file) == 0 or die "fsync $_[0]: $!\n" };
  as(999, 'initdb', sub {
    umask 077;
    mkdir "pg/$_" or die "mkdir: $!\n" for 'base', 'base/1', 'pg_wal';
    put('pg/PG_VERSION', "16\n");
    put("pg/base/1/$_", 'x' x 8192) for 1 .. 20;
    put('pg/postgresql.conf.tmp', 'max_connections = 100');
    $sync->("pg/base/1/$_") for 1 .. 20;
    $sync->('pg/base/1');
    rename 'pg/postgresql.conf.tmp', 'pg/postgresql.conf' or die $!;
    unlink 'pg/left' or die $!;
  });
  for my $name ('base/1', 'base/1/20', 'PG_VERSION', 'postgresql.conf') { is(owner_of("pg/$name"), '999:999', "owner of $name") }
  is(mode_of('pg/base/1/20'), '0600', 'mode of a table');
  as(999, 'a second start', sub {
    put('pg/postmaster.pid', $$, O_WRONLY | O_CREAT | O_EXCL, 0600);
    sysopen(my $table, 'pg/base/1/7', O_RDWR) or die "open: $!\n";
    sysseek $table, 8192, SEEK_SET;
    syswrite $table, 'y' x 8192;
    $sync->('pg/base/1/7');
    is(-s 'pg/base/1/7', 16384, 'size');
    unlink 'pg/postmaster.pid';
  });
  as(1000, 'others may look', sub { refused(sysopen(my $file, 'pg/PG_VERSION', O_RDONLY), 'open', EACCES); 1 });
};

check 'root writes what its owner locked' => sub {
  put('f', 'old', O_WRONLY | O_CREAT, 0444);
  put('f', 'new');
  truncate('f', 2) or die "truncate: $!\n";
  is(get('f') . mode_of('f'), 'ne0444', 'content and mode');
  mkdir 'd', 0555 or die $!;
  put('d/x', 'x');
  unlink 'd/x' or die "unlink: $!\n";
  is(mode_of('d'), '0555', 'mode of a locked folder');
};

check 'set-id bits mean nothing on a mount' => sub {
  put('id', "#!/bin/sh\n");
  is(system('cp', '/usr/bin/id', 'id'), 0, 'cp');
  chown 0, 0, 'id' or die $!;
  chmod 06755, 'id' or die $!;
  is(mode_of('id'), '6755', 'mode');
  as(1000, 'became root', sub { `./id -u` eq "1000\n" });
};
