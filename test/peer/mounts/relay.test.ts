import { promises as fs } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { mountRelayed, mounts, type Relayed, until } from './relay.ts'
import { output } from './sshfs.ts'

let mounted: Relayed
beforeEach(async () => {
  mounted = await mountRelayed()
})
afterEach(() => mounted?.end())

/** Runs a script in a folder; a script that fails must say why. */
const run = (folder: string, script: string) => output('bash', ['-euc', `cd '${folder}'; ${script}`])

test('what a program does on the mount is whole after many kills of the server', async () => {
  const { mount, root, top } = mounted
  await output('bash', ['-euc', `mkdir '${top}/want'; head -c 16M /dev/urandom > '${top}/want/big'`])
  const unpack = `
    use Fcntl; my $name = shift;
    sysopen(my $file, "tmp", O_WRONLY | O_CREAT | O_EXCL, 0600) or die "open: $!";
    syswrite($file, "$name\n") or die; utime(1e9, 1e9 + length $name, $file) or die "times: $!"; chmod(0640, $file) or die "mode: $!";
    rename("tmp", $name) or die "rename: $!"; close $file or die "close: $!";`
  // A long copy; lines added to an open file, and to one opened for each; git's way of making files: exclusive, read-only,
  // renamed when whole; links; folders made, listed and removed; a file whose attributes are set, and its name, before it is closed.
  const work = `
    exec 7>>log
    cp ../want/big big & copy=$!
    for i in $(seq 60); do
      echo "line $i" >&7
      echo "line $i" >> lines
      mkdir "d$i"
      ( set -C; umask 222; echo "object $i" > "d$i/tmp" )
      mv "d$i/tmp" "object$i"
      ln -s "object$i" "link$i"
      ln "object$i" "hard$i"
      rm "hard$i"
      [ "$(cat "link$i")" = "object $i" ]
      ls "d$i" | wc -l | grep -qx 0
      rmdir "d$i"
      perl -e '${unpack}' "set$i"
      [ $((i % 3)) != 0 ] || rm -f "link$i"
    done
    wait $copy`
  await run(`${top}/want`, work.replaceAll('../want/big', '/dev/null'))
  await fs.rm(`${top}/want/big`)
  await output('bash', ['-euc', `head -c 16M /dev/urandom > '${top}/want/big'`])

  const state = { working: true }
  const worked = run(mount, work).finally(() => {
    state.working = false
  })
  let kills = 0
  while (state.working && kills < 20) {
    await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 150))
    await mounted.killServer()
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 80))
    await mounted.startServer()
    kills++
  }
  await worked
  expect(kills).toBeGreaterThan(5)
  expect(await output('bash', ['-euc', `diff -r '${top}/want' '${root}'`])).toBe('')
  const [set, wanted] = await Promise.all(
    [root, `${top}/want`].map((at) => run(at, "stat -c '%n %a %Y' set*")),
  )
  expect(set).toBe(wanted)
  // A server that comes now has nothing to open: all was closed.
  await mounted.killServer()
  await mounted.startServer()
  expect(await run(mount, 'cat object60')).toBe('object 60\n')
  expect(await fs.readFile(path.join(top, 'journal'), 'utf8')).not.toContain('"object59"')
}, 120_000)

test.each([1, 2, 3])(
  'what is told ahead is never older than what a program did itself (%i)',
  async (seed) => {
    const { mount, top } = mounted
    const mirror = path.join(top, 'mirror')
    await fs.mkdir(mirror)
    const program = path.join(import.meta.dirname, 'same.pl')
    expect(await output('perl', [program, mount, mirror, '400', String(seed)])).toBe('same\n')
  },
)

test('B27: 1,500 files open at once; beyond the limit one open fails, as it does on a disk, and closing helps', async () => {
  const { mount } = mounted
  const script = `
    use Errno; use strict; my ($many, @open) = (1500);
    for (1 .. $many) { open(my $f, '+>', "f$_") or die "$_: $!\\n"; print $f $_; push @open, $f }
    close $_ or die for splice @open;
    for (1 .. 4200) { open(my $f, '<', "f1") or last; push @open, $f }
    print scalar(@open), " ", $!{EMFILE} ? 'too many' : "$!"; pop @open;
    open(my $again, '<', 'f2') or die; print " then ", <$again>; @open = (); close $again;
    for (1 .. 3000) { open(my $f, '<', "f1") or die "leaked: $_\\n" }
    my @names = glob 'f*'; print " of ", scalar @names;`
  expect(await run(mount, `ulimit -n 6000; perl -e '${script.replaceAll("'", `'\\''`)}'`)).toBe(
    '4096 too many then 2 of 1500',
  )
})

test.skipIf(process.getuid?.() !== 0)('a full disk of the host is one for programs too', async () => {
  const { mount, root } = mounted
  await output('mount', ['-t', 'tmpfs', '-o', 'size=1M,nr_inodes=10', 'tmpfs', root])
  try {
    const script = `
      open(my $f, '>', 'small') or die; syswrite($f, 'x' x 50_000) for 1 .. 40; close $f or print "$!, "; unlink 'small';
      open($f, '>', 'large') or die; for (1 .. 20) { syswrite($f, 'x' x 100_000) or print "$!, " and last } close $f; truncate 'large', 100;
      mkdir "d$_" or print "$!, " and last for 1 .. 20;
      for (1 .. 20) { open(my $new, '>', "f$_") or print "$!" and last }`
    expect(await run(mount, `perl -e '${script.replaceAll("'", `'\\''`)}'`)).toBe(
      Array(4).fill('No space left on device').join(', '),
    )
  } finally {
    await output('umount', ['-l', root])
  }
})

test('a file stays open while the server is away, also one that was renamed meanwhile', async () => {
  const { mount, root } = mounted
  const script = `
    exec 5<>f; echo one >&5; mv f g; echo ready > ready
    until [ -e go ]; do sleep 0.05; done
    echo two >&5; exec 6<g; cat <&6; exec 5>&- 6<&-`
  const seen = run(mount, script)
  await until(async () => (await fs.readdir(root)).includes('ready'))
  await mounted.killServer()
  await fs.writeFile(path.join(root, 'go'), '')
  await mounted.startServer()
  expect(await seen).toBe('one\ntwo\n')
  expect(await fs.readdir(root)).toEqual(['g', 'go', 'ready'])
})

test('a request that came while the server was away is not taken for one that it did', async () => {
  const { mount, root } = mounted
  await fs.mkdir(path.join(root, 'lock'))
  await mounted.killServer()
  const locked = run(mount, 'mkdir lock').then(
    () => 'made',
    (error: Error) => error.message,
  )
  await new Promise((resolve) => setTimeout(resolve, 200))
  await mounted.startServer()
  expect(await locked).toMatch(/File exists/)
})

test('large reads are whole whatever happens to the server meanwhile', async () => {
  const { mount, root, top, relay } = mounted
  for (const name of ['one', 'two'])
    await output('bash', [
      '-euc',
      `head -c 12M /dev/urandom > '${top}/${name}'; cp '${top}/${name}' '${root}'`,
    ])
  const state = { working: 2 }
  const read = (name: string) =>
    run(mount, `for i in $(seq 30); do cmp ${name} ../${name}; done`).finally(() => {
      state.working--
    })
  const reads = Promise.all([read('one'), read('two')])
  for (let turn = 0; state.working > 0 && turn < 40; turn++) {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 60))
    if (turn % 2 === 0) {
      relay.kill('SIGUSR1')
    } else {
      await mounted.killServer()
      await mounted.startServer()
    }
  }
  await reads
  expect(mounted.said()).toBe('')
})

test('a signal makes the relay speak to a server anew, with requests under way', async () => {
  const { mount, root, top, relay } = mounted
  await output('bash', ['-euc', `head -c 32M /dev/urandom > '${top}/want'`])
  const copied = run(mount, 'cat ../want > big; cmp big ../want; wc -c < big')
  for (let turn = 0; turn < 20; turn++) {
    relay.kill('SIGUSR1')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  expect(Number(await copied)).toBe(32 << 20)
  expect(await output('cmp', [path.join(root, 'big'), path.join(top, 'want')])).toBe('')
})

test('large data goes through the window, whole, whoever reads and writes at once', async () => {
  const { mount, root, top } = mounted
  const work = (seed: number) => `
    perl -e '
      srand ${seed}; my $name = "f${seed}"; my $right = "";
      for my $i (1..40) {
        my ($at, $text) = (int rand 3_000_000, pack("N", $i * 7 + ${seed}) x (30_000 + int rand 300_000));
        open my $out, -e $name ? "+<" : "+>", $name or die $!; sysseek $out, $at, 0;
        my $done = 0; while ($done < length $text) { $done += syswrite($out, $text, 1_000_000, $done) // die $! } close $out or die $!;
        $right .= chr(0) x ($at - length $right) if $at > length $right;
        substr($right, $at, length $text) = $text;
        open my $in, "<", $name or die $!; local $/; my $read = <$in>; $read eq $right or die "$name: not whole";
      }'`
  await Promise.all(Array.from({ length: 6 }, (_, seed) => run(mount, work(seed))))
  expect(await fs.readdir(root)).toHaveLength(6)
  const window = await fs.readFile(path.join(top, 'window'))
  expect(window.equals(Buffer.alloc(window.length))).toBe(false)
  expect(mounted.said()).toBe('')
})

// Whose turn it is to read replies changes with each pause: threads that wait, and the one that reads when none does.
test('programs that work side by side, with pauses, all get their replies', async () => {
  const { mount } = mounted
  const work = (seed: number) => `
    perl -e '
      srand ${seed}; mkdir "${seed}" or die;
      for my $i (1..250) {
        my $file = "${seed}/" . ($i % 20);
        open my $out, ">", $file or die "$file: $!"; print $out $i x 3000; close $out or die $!;
        open my $in, "<", $file or die "$file: $!"; local $/; <$in> eq $i x 3000 or die "$file: not whole";
        -e "${seed}/none$i" and die; stat "$file"; rename $file, "$file-" or die $!;
        $i % 7 or unlink "$file-" or die $!;
        select undef, undef, undef, rand() < 0.3 ? rand 0.025 : 0;
      }'`
  await Promise.all(Array.from({ length: 6 }, (_, seed) => run(mount, work(seed))))
  expect(mounted.said()).toBe('')
})

test('a killed sshfs leaves nothing behind, and one whose mount is taken away ends well', async () => {
  const { mount, relay } = mounted
  relay.kill('SIGKILL')
  await until(() => relay.signalCode !== null)
  await output('umount', ['-l', mount])
  expect(await mounts()).not.toContain(` ${mount} `)
  await mounted.end()

  mounted = await mountRelayed()
  await output('umount', [mounted.mount])
  await until(() => mounted.relay.exitCode !== null)
  expect(mounted.relay.exitCode).toBe(0)
})

test('a server that goes as soon as it has come is not waited for', async () => {
  await mounted.end()
  // Every second connection is one whose other end is closed before the relay looks.
  mounted = await mountRelayed(`
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <sys/socket.h>
    int connect(int fd, const struct sockaddr *address, socklen_t length) {
      static int times;
      int (*next)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
      int result = next(fd, address, length);
      if (times++ % 2 == 0) shutdown(fd, SHUT_RDWR);
      return result;
    }`)
  await run(mounted.mount, 'echo before > file')
  await mounted.killServer()
  await mounted.startServer()
  await run(mounted.mount, 'echo after >> file')
  expect(await fs.readFile(path.join(mounted.root, 'file'), 'utf8')).toBe('before\nafter\n')
})
