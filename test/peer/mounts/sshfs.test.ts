import { promises as fs } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Mounted, mountFresh, output } from './sshfs.ts'

describe('a folder mounted by sshfs', () => {
  let mounted: Mounted
  const onHost = (name: string) => path.join(mounted.root, name)
  beforeAll(async () => {
    mounted = await mountFresh()
  })
  afterAll(() => mounted?.unmount())

  test('appends, renames over a file, truncates', async () => {
    await mounted.sh(
      'echo a > t; echo b >> t; echo new > u; mv u t2; echo old > t3; mv t t3; truncate -s 2 t3',
    )
    expect(await fs.readFile(onHost('t3'), 'utf8')).toBe('a\n')
    expect(await mounted.sh('cat t2; : > t2; stat -c %s t2')).toBe('new\n0\n')
  })

  test('makes symbolic and hard links, also absolute ones', async () => {
    const seen = await mounted.sh(
      'echo x > a; ln -s ../nowhere s; ln -s /etc/hostname abs; ln a b; readlink s abs; cat b',
    )
    expect(seen).toBe('../nowhere\n/etc/hostname\nx\n')
    // SFTP has no link counts, so the mount itself always shows 1.
    expect((await fs.stat(onHost('a'))).ino).toBe((await fs.stat(onHost('b'))).ino)
    expect(await fs.readlink(onHost('s'))).toBe('../nowhere')
  })

  test('keeps names that are not UTF-8', async () => {
    await mounted.sh(`mkdir bytes; echo n > "bytes/$(printf 'caf\\xe9\\xff')"`)
    const names = await fs.readdir(onHost('bytes'), { encoding: 'buffer' })
    expect(names[0]?.toString('latin1')).toBe('caf\xe9\xff')
    expect(await mounted.sh('cd bytes; cat *; ls | od -An -c')).toContain('351 377')
  })

  test('sets modes and times', async () => {
    await mounted.sh(
      'echo x > m; chmod 640 m; touch -d @1000000000 m; ln -s m ml; touch -h -d @1100000000 ml',
    )
    const stats = await fs.stat(onHost('m'))
    expect([stats.mode & 0o777, stats.mtimeMs]).toEqual([0o640, 1_000_000_000_000])
    expect((await fs.lstat(onHost('ml'))).mtimeMs).toBe(1_100_000_000_000)
  })

  test('gives the figures of the file system', async () => {
    const seen = (await mounted.sh('stat -f -c "%b %S" .')).trim().split(' ').map(Number)
    const { blocks, bsize } = await fs.statfs(mounted.root)
    expect(seen).toEqual([blocks, bsize])
  })

  test('keeps 300 files open at once and closes them', async () => {
    await mounted.sh(
      'mkdir many; for i in $(seq 300); do eval "exec $((i + 20))>many/$i"; echo $i >&$((i + 20)); done; ls many | wc -l',
    )
    expect(await fs.readFile(onHost('many/300'), 'utf8')).toBe('300\n')
    await expect.poll(() => mounted.session.stats().openHandles).toBe(0)
  })

  test('lists 500 files', async () => {
    await fs.mkdir(onHost('list'))
    await Promise.all(Array.from({ length: 500 }, (_, n) => fs.writeFile(onHost(`list/file-${n}`), `${n}`)))
    expect((await mounted.sh('ls -la list | wc -l')).trim()).toBe('503')
  })

  test('loses no line of two that append', async () => {
    const host = output('bash', ['-ec', `for i in $(seq 200); do echo host $i >> log; done`], mounted.root)
    await Promise.all([host, mounted.sh('for i in $(seq 200); do echo mount $i >> log; done')])
    const lines = (await fs.readFile(onHost('log'), 'utf8')).trim().split('\n')
    expect(lines.filter((line) => /^(host|mount) \d+$/.test(line))).toHaveLength(400)
    expect(lines).toHaveLength(400)
  })

  test('shows the host’s edits within about a second', async () => {
    await fs.writeFile(onHost('edit'), 'one')
    expect(await mounted.sh('cat edit')).toBe('one')
    await fs.writeFile(onHost('edit'), 'three')
    await new Promise((resolve) => setTimeout(resolve, 1600))
    expect(await mounted.sh('cat edit; stat -c %s edit')).toBe('three5\n')
  })

  test('works for git', async () => {
    const seen = await mounted.sh(
      'mkdir repo; cd repo; git init -q .; echo x > f; git add f; git -c user.name=t -c user.email=t@example.org commit -qm one; git status --short; git fsck; git log --oneline | wc -l; cd ..; git clone -q repo clone; cd clone; git log --oneline | wc -l',
    )
    expect(seen).toBe('1\n1\n')
  })

  test('carries 64 MB both ways', async () => {
    const sum = (
      await output('bash', ['-ec', 'head -c 64M /dev/urandom | tee down | sha256sum'], mounted.root)
    ).trim()
    expect((await mounted.sh('sha256sum < down')).trim()).toBe(sum)
    await mounted.sh('cat down > up')
    expect((await output('bash', ['-ec', 'sha256sum < up'], mounted.root)).trim()).toBe(sum)
  })

  test('refuses to remove a folder that is not empty, and says a name is not there', async () => {
    await mounted.sh('mkdir full; touch full/x')
    await expect(mounted.sh('rmdir full')).rejects.toThrow(/not empty/i)
    await expect(mounted.sh('cat none')).rejects.toThrow(/No such file/)
    await mounted.sh('rm -r full; test ! -e full')
  })

  test('refuses a FIFO without waiting', async () => {
    await output('mkfifo', [onHost('fifo')])
    // The guest's kernel opens FIFOs itself; what counts is that nothing stops the listing.
    expect(await mounted.sh('stat -c %F fifo')).toBe('fifo\n')
  })
})

test('a read-only mount refuses every change', async () => {
  const mounted = await mountFresh(false)
  try {
    await fs.writeFile(path.join(mounted.root, 'f'), 'x')
    expect(await mounted.sh('cat f')).toBe('x')
    await expect(mounted.sh('echo y > g')).rejects.toThrow(/Permission denied/)
  } finally {
    await mounted.unmount()
  }
})
