import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { shellQuote } from '../../../src/guest/quote.ts'
import { type Seed, seedDisk } from '../../../src/guest/seed.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'tcolima-seed-'))
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

function seed(over: Partial<Seed> = {}): Seed {
  return {
    user: { name: 'ann', uid: 1000 },
    hostname: 'tcolima',
    names: { search: [], fallback: true },
    hostKey: '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n',
    authorizedKeys: ['ssh-ed25519 AAAA one'],
    mounts: [],
    env: {},
    param: {},
    provision: [],
    files: {},
    ...over,
  }
}

/** Unpacks a disk as the guest does. */
async function unpack(disk: Buffer): Promise<(name: string) => Promise<string>> {
  const file = path.join(dir, 'seed.tar')
  await writeFile(file, disk)
  execFileSync('tar', ['-xf', file, '-C', dir])
  return async (name) => await readFile(path.join(dir, name), 'utf8')
}

/** A variable of the settings, read by a shell as the guest's boot script does. */
function setting(name: string): string {
  const script = `set -eu; . "$1/settings"; printf %s "$${name}"`
  return execFileSync('sh', ['-c', script, 'sh', dir], { encoding: 'utf8' })
}

describe('the disk', () => {
  test('tar reads everything back, nobody else may', async () => {
    const read = await unpack(
      await seedDisk(
        seed({
          authorizedKeys: ['ssh-ed25519 A one\n', ' ssh-ed25519 B two '],
          files: { 'daemon.json': '{}\n' },
        }),
      ),
    )
    expect((await readdir(dir)).sort()).toEqual([
      'authorized_keys',
      'daemon.json',
      'env.pam',
      'env.shell',
      'env.sshd',
      'env.units',
      'mounts',
      'seed.tar',
      'settings',
      'ssh_host_ed25519_key',
    ])
    expect(await read('ssh_host_ed25519_key')).toBe(seed().hostKey)
    expect(await read('authorized_keys')).toBe('ssh-ed25519 A one\nssh-ed25519 B two\n')
    expect(await read('daemon.json')).toBe('{}\n')
    expect(await read('mounts')).toBe('')
    for (const name of ['settings', 'authorized_keys', 'ssh_host_ed25519_key', 'daemon.json']) {
      expect((await stat(path.join(dir, name))).mode & 0o777).toBe(0o600)
    }
  })

  test('has whole sectors, and is the same for the same seed', async () => {
    for (const length of [0, 1, 511, 512, 513, 20_000]) {
      const disk = await seedDisk(seed({ files: { x: 'x'.repeat(length) } }))
      expect(disk.length % 512).toBe(0)
    }
    expect(await seedDisk(seed())).toEqual(await seedDisk(seed()))
  })

  test('a mount of any path: its line is cut at tabs and its path written in hexadecimal', async () => {
    const mountPoint = '/home/jané doe/a\tb\\c\'"$x'
    const read = await unpack(
      await seedDisk(
        seed({
          mounts: [
            { index: 0, type: '9p', mountPoint: '/w', options: ['ro', 'uid=1000'] },
            { index: 1, type: 'sshfs', mountPoint, options: [] },
          ],
        }),
      ),
    )
    const lines = (await read('mounts')).trimEnd().split('\n')
    expect(lines).toHaveLength(2)
    expect(lines[0]).toBe(`0\t9p\t${Buffer.from('/w').toString('hex')}\tro,uid=1000`)
    const [index, type, hex] = lines[1]!.split('\t')
    expect([index, type]).toEqual(['1', 'sshfs'])
    expect(execFileSync('perl', ['-e', 'print pack("H*", $ARGV[0])', hex!], { encoding: 'utf8' })).toBe(
      mountPoint,
    )
  })
})

describe('the settings, read by a shell', () => {
  test.each([
    'plain',
    "o'brien",
    '$(touch owned) `touch owned` ${HOME}',
    'a"b\\c',
    ' spaces  ',
    'two\nlines',
    "'",
    "''''",
    '-n',
    '*',
    'jané ☃',
    '',
  ])('%j', async (value) => {
    await unpack(await seedDisk(seed({ user: { name: value, uid: 421_654_122 }, hostname: `h${value}` })))
    expect(setting('USER_NAME')).toBe(value)
    expect(setting('HOST_NAME')).toBe(`h${value}`)
    expect(setting('USER_UID')).toBe('421654122')
    expect(await readdir(dir)).not.toContain('owned')
  })
})

test('shellQuote: any words arrive as they are', () => {
  const word = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'))
  fc.assert(
    fc.property(fc.array(word, { maxLength: 40 }), (words) => {
      const script = `printf '%s\\0' start ${words.map(shellQuote).join(' ')}`
      const said = execFileSync('sh', ['-c', script], { encoding: 'utf8' })
      expect(said).toBe(['start', ...words].map((each) => `${each}\0`).join(''))
    }),
    { numRuns: 15 },
  )
})
