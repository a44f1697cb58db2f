#!/bin/bash
# One measurement inside the guest: mounts-guest.sh TEST FOLDER SIZE; prints the milliseconds it took.
# FOLDER is new for each round: no cache has seen it. The tools beside this script lie on the guest's own disk.
set -eu
test=$1 folder=$2 size=$3
tools=$(dirname "$0")
export HOME=$tools LC_ALL=C

# What git compares must not depend on what the file system calls its inodes; nor may one status speed up the next.
export GIT_OPTIONAL_LOCKS=0 GIT_CONFIG_COUNT=3
export GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
export GIT_CONFIG_KEY_1=core.checkStat GIT_CONFIG_VALUE_1=minimal
export GIT_CONFIG_KEY_2=core.trustctime GIT_CONFIG_VALUE_2=false

# A program of the host, with its own libraries: the guest's may be older.
host_program() {
  name=$1
  shift
  "$tools/$name/loader" --library-path "$tools/$name" "$tools/$name/$name" "$@"
}

# SIZE files of 1000 bytes, 100 to a folder.
create_files() {
  perl -e '
    my ($folder, $count) = @ARGV;
    for my $i (0 .. $count - 1) {
      my $sub = "$folder/" . int($i / 100);
      if ($i % 100 == 0) { mkdir $sub or die "$sub: $!" }
      open(my $out, ">", "$sub/$i") or die "$sub/$i: $!";
      print $out "x" x 1000;
      close $out or die "$sub/$i: $!";
    }' "$@"
}

read_files() {
  perl -e '
    for my $sub (glob "$ARGV[0]/*") {
      for my $file (glob "$sub/*") {
        open(my $in, "<", $file) or die "$file: $!";
        local $/;
        length(<$in>) == 1000 or die "$file: not whole";
      }
    }' "$1"
}

# Programs come from the guest's disk: that is not what is measured.
warm_programs() {
  for name in dd ls find rm tar perl; do "$name" --version; done
  case $test in
  git) host_program git --version ;;
  npm) host_program node "$tools/npm/bin/npm-cli.js" ci --help ;;
  esac
}

prepare=
case $test in
write) work=(dd if=/dev/zero "of=$folder/big" bs=1M "count=$size" conv=fsync status=none) ;;
read) work=(dd "if=$folder/big" of=/dev/null bs=1M status=none) ;;
create) prepare=(mkdir "$folder/small") work=(create_files "$folder/small" "$size") ;;
ls) work=(ls -lR "$folder/small") ;;
find) work=(find "$folder/small" -printf '%s %T@ %p\n') ;;
read-small) work=(read_files "$folder/small") ;;
remove) work=(rm -r "$folder/small") ;;
git) work=(host_program git -C "$folder/../repo" status --porcelain) ;;
unpack) prepare=(mkdir "$folder/tree") work=(tar -xf "$tools/tree.tar" -C "$folder/tree") ;;
pack) work=(tar -cf "$tools/packed.tar" -C "$folder" tree) ;;
npm)
  prepare=(cp -r "$tools/project" "$folder/project")
  work=(host_program node "$tools/npm/bin/npm-cli.js" ci --prefix "$folder/project" --offline --ignore-scripts --no-audit --no-fund)
  ;;
esac

[ -z "${prepare[*]}" ] || "${prepare[@]}" >&2
sync
echo 3 | sudo tee /proc/sys/vm/drop_caches >/dev/null
warm_programs >/dev/null 2>&1
began=$EPOCHREALTIME
"${work[@]}" >"$tools/output"
ended=$EPOCHREALTIME
echo "$(((${ended/./} - ${began/./}) / 1000))"
[ "$test" != read ] || rm "$folder/big"
