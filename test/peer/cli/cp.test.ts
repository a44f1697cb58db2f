import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa } from 'execa'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runInGuest } from '../../../src/cli/guest-run.ts'
import { currentHost } from '../../../src/host/platform.ts'
import { type FakeGuest, fakeGuest } from './fake-guest.ts'

const main = path.resolve(import.meta.dirname, '../../../dist/main.cjs')

let folder: string
let here: string
let guest: FakeGuest

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-cp-'))
  here = path.join(folder, 'here')
  mkdirSync(here)
  guest = await fakeGuest(folder, 'default')
})

afterEach(() => {
  guest.server.close()
  rmSync(folder, { recursive: true, force: true })
})

async function cp(...words: string[]) {
  return await execa(process.execPath, [main, 'cp', ...words], {
    reject: false,
    stdin: 'ignore',
    cwd: here,
    timeout: 30_000,
    env: { PATH: process.env.PATH, HOME: folder, TCOLIMA_HOME: folder },
    extendEnv: false,
  })
}

const time = new Date('2001-02-03T04:05:06.789Z')

/** A tree with all that a copy must keep. */
function tree(base: string): void {
  mkdirSync(path.join(base, 'in side'), { recursive: true })
  const file = path.join(base, 'in side', '-odd\nname')
  writeFileSync(file, randomBytes(3_000_000))
  chmodSync(file, 0o751)
  utimesSync(file, time, time)
  writeFileSync(path.join(base, 'empty'), '')
  chmodSync(path.join(base, 'empty'), 0o666)
  symlinkSync('in side/gone', path.join(base, 'link'))
}

function same(from: string, to: string): void {
  const file = path.join('in side', '-odd\nname')
  expect(readFileSync(path.join(to, file)).equals(readFileSync(path.join(from, file)))).toBe(true)
  const info = statSync(path.join(to, file))
  expect([info.mode & 0o777, info.mtimeMs]).toEqual([0o751, time.getTime()])
  expect(statSync(path.join(to, 'empty')).mode & 0o777).toBe(0o666)
  expect(readlinkSync(path.join(to, 'link'))).toBe('in side/gone')
}

describe.each([
  ['in', (name: string) => [name, 'guest:'] as const, () => here, () => guest.home],
  ['out', (name: string) => [`guest:${name}`, '.'] as const, () => guest.home, () => here],
])('%s', (way, args, from, to) => {
  it('a folder into a folder, with modes, times and links', async () => {
    tree(path.join(from(), 'tree'))
    expect(await cp(...args('tree'))).toMatchObject({ exitCode: 0, stdout: '', stderr: '' })
    same(path.join(from(), 'tree'), path.join(to(), 'tree'))
  })

  it('a folder under another name, and its content into that', async () => {
    tree(path.join(from(), 'tree'))
    const [source, target] = args('tree/')
    const at = (name: string) => (target === '.' ? name : `${target}${name}`)
    expect((await cp(source, at('new'))).exitCode).toBe(0)
    same(path.join(from(), 'tree'), path.join(to(), 'new'))
    expect((await cp(args('tree/.')[0], at('more'))).exitCode).toBe(0)
    same(path.join(from(), 'tree'), path.join(to(), 'more'))
    // Nothing else is left.
    expect(readdirSync(to()).sort()).toEqual(['more', 'new'])
  })

  it('a file in the place of another, and beside others', async () => {
    writeFileSync(path.join(from(), '-a'), 'one')
    writeFileSync(path.join(from(), 'b'), 'two')
    writeFileSync(path.join(to(), 'c'), 'old')
    const side = (name: string) => (way === 'in' ? `guest:${name}` : `./${name}`)
    const [a] = args('./-a')
    const [b] = args('b')
    expect((await cp(b, side('c'))).exitCode).toBe(0)
    expect(readFileSync(path.join(to(), 'c'), 'utf8')).toBe('two')
    expect((await cp(a, b, side('.'))).exitCode).toBe(0)
    expect(readdirSync(to()).sort()).toEqual(['-a', 'b', 'c'])
  })

  it.each([
    ['a source that is not there', 'nosuch', '', 3, 'there is no nosuch'],
    ['a target below nothing', 'file', 'no/such', 2, 'lies in a folder that does not exist'],
    ['a file for a folder', 'file', 'other/', 2, 'is no folder'],
  ])('%s', async (_what, source, target, code, message) => {
    writeFileSync(path.join(from(), 'file'), 'x')
    const side = way === 'in' ? `guest:${target}` : `./${target}`
    const result = await cp(args(source)[0], side)
    expect([result.exitCode, result.stderr]).toEqual([code, expect.stringContaining(message)])
    expect(readdirSync(to())).toEqual([])
  })
})

it('leaves nothing half when the source ends in the middle', async () => {
  guest.program('tar', 'head -c 100000 /dev/zero; exit 7')
  writeFileSync(path.join(guest.home, 'file'), 'x')
  expect((await cp('guest:file', './file2')).exitCode).toBe(1)
  expect(readdirSync(here)).toEqual([])
})

it('says what the guest says, and leaves what was there', async () => {
  guest.program('tar', 'echo "tar: no space left" >&2; exit 2')
  writeFileSync(path.join(here, 'big'), randomBytes(5_000_000))
  const result = await cp('big', 'guest:big2')
  expect([result.exitCode, result.stderr]).toEqual([1, expect.stringContaining('no space left')])
  expect(existsSync(path.join(guest.home, 'big2'))).toBe(false)
  expect(readdirSync(guest.home)).toEqual([])
})

it('what gives the input of a command that has ended is let go, however late it comes', async () => {
  let go = () => {}
  const ended = new Promise<void>((resolve) => {
    go = resolve
  })
  const released = new Promise<void>((resolve) => {
    async function* late() {
      try {
        await ended
        yield Buffer.alloc(100_000)
        yield Buffer.alloc(100_000)
      } finally {
        resolve()
      }
    }
    void runInGuest({ home: folder, profile: 'default', host: currentHost() }, ['sh', '-c', 'exit 3'], {
      input: Readable.from(late()),
    })
      // The connection's close is told one turn of the loop later.
      .then(() => setImmediate(() => setImmediate(go)))
  })
  await released
})

it('writes through no link that the guest sends', async () => {
  // A link named as what comes next: "d" leads out, then "d/file" would land there.
  const out = path.join(folder, 'out')
  mkdirSync(out)
  guest.program(
    'tar',
    `t=$(mktemp -d); cd "$t"; mkdir d; ln -s '${out}' d/l; /bin/tar -cf a.tar d; rm d/l; mkdir d/l; echo x >d/l/f
    /bin/tar -rf a.tar d/l/f; cat a.tar`,
  )
  mkdirSync(path.join(guest.home, 'd'))
  await cp('guest:d', '.')
  expect(readdirSync(out)).toEqual([])
})

it('needs a running machine', async () => {
  const result = await cp('x', 'nosuch:')
  expect([result.exitCode, result.stderr]).toEqual([3, expect.stringContaining('no machine nosuch')])
  expect(lstatSync(here).isDirectory()).toBe(true)
})
