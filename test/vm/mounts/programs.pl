# Programs that ask much of a file system, as the guest's user; `git` and `sqlite3` are in PATH: `perl -I . programs.pl FOLDER`.
use strict;
use warnings;
use Check;

chdir $ARGV[0] or die "chdir $ARGV[0]: $!";

# What a shell script prints, without the last line's end; dies when it fails.
sub sh {
  my ($script) = @_;
  my $out = `exec 2>&1; set -e; $script`;
  die "$script: status $?: $out\n" if $?;
  $out =~ s/\n\z//;
  return $out;
}

check 'git' => sub {
  $ENV{HOME} = POSIX::getcwd();
  # The carried git has no templates with it.
  $ENV{GIT_TEMPLATE_DIR} = '';
  sh('git init -q r; cd r; git config user.email a@example.org; git config user.name a;
    for i in $(seq 20); do echo $i >f$i; done; chmod +x f1; ln -s f2 l; git add .; git commit -qm one;
    git mv f3 h3; git commit -qm two; git gc -q; git fsck');
  is(sh('cd r; git status --porcelain | wc -l; find .git -name "*.lock" | wc -l'), "0\n0", 'changes and locks');
  sh('git clone -q -u "git upload-pack" r c; cd c; test -x f1; test "$(readlink l)" = f2; git checkout -q HEAD~1; test -e f3');
};

sub writers {
  my ($db, $journal, $rows) = @_;
  sh("sqlite3 $db 'pragma journal_mode=$journal; create table t(n);'");
  sh("w() { for i in \$(seq $rows); do echo 'insert into t values('\$1');'; done | sqlite3 -cmd '.timeout 60000' $db; }; w 1 & one=\$!; w 2 & wait \$one; wait \$!");
  return sh("sqlite3 $db 'select n, count(*) from t group by n; pragma integrity_check'");
}

check 'sqlite with two writers' => sub {
  is(writers('db', 'delete', 20), "1|20\n2|20\nok", 'rows');
};

check 'sqlite with a write-ahead log' => sub {
  is(writers('db', 'wal', 20), "1|20\n2|20\nok", 'rows');
};
