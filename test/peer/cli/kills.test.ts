import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa, type ResultPromise } from 'execa'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { unfinishedClones } from '../../../src/instance/clone.ts'
import { listInstances } from '../../../src/instance/view.ts'
import { qcow2Size } from '../../../src/vm/disks.ts'

const main = path.resolve(import.meta.dirname, '../../../dist/main.cjs')
const killAt = path.resolve(import.meta.dirname, 'kill-at.cjs')
const settings = '# mine\ncpu: 3 # three\ndisk: 1\nmounts: null\n'
const limitMs = 240_000

let folder: string
let home: string

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-kills-'))
  const bin = path.join(folder, 'bin')
  const one = path.join(folder, 'as-made', 'one')
  mkdirSync(bin)
  mkdirSync(one, { recursive: true })
  for (const name of ['docker', 'systemctl']) {
    writeFileSync(path.join(bin, name), '#!/bin/sh\necho default\n', { mode: 0o755 })
  }
  const record = {
    version: 1,
    arch: 'x86_64',
    runtime: 'docker',
    imageDigest: 'none',
    user: { name: 'u', uid: 1 },
    mac: '52:54:00:00:00:01',
    hostKey: 'ssh-ed25519 old',
  }
  const files = {
    'tcolima.yaml': settings,
    'instance.json': JSON.stringify(record),
    owners: 'who',
    'agent.log': 'said',
    ssh_host_ed25519_key: 'old key',
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(one, name), text)
  const base = path.join(folder, 'base.img')
  writeFileSync(base, Buffer.alloc(1 << 20, 1))
  await execa('qemu-img', ['create', '-q', '-f', 'qcow2', path.join(one, 'data.qcow2'), '1G'])
  await execa('qemu-io', ['-f', 'qcow2', '-c', 'write -P 7 0 64k', path.join(one, 'data.qcow2')])
  await execa('qemu-img', [
    ...['create', '-q', '-f', 'qcow2', '-b', base, '-F', 'raw'],
    ...[path.join(one, 'root.qcow2'), '1G'],
  ])
})

beforeEach(() => {
  home = path.join(folder, 'home')
  freshHome()
})

afterEach(() => rmSync(home, { recursive: true, force: true }))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** One stopped machine that starts by itself. */
function freshHome(): void {
  rmSync(home, { recursive: true, force: true })
  rmSync(path.join(folder, '.config'), { recursive: true, force: true })
  cpSync(path.join(folder, 'as-made'), home, { recursive: true })
  mkdirSync(path.dirname(service('one')), { recursive: true })
  writeFileSync(service('one'), 'a service')
}

const env = (more: Record<string, string> = {}) => ({
  PATH: `${path.join(folder, 'bin')}:${process.env.PATH ?? ''}`,
  HOME: folder,
  TCOLIMA_HOME: home,
  ...more,
})

async function tcolima(...args: string[]) {
  const options = { reject: false, stdin: 'ignore', timeout: 30_000, env: env(), extendEnv: false } as const
  return await execa(process.execPath, [main, ...args], options)
}

/** Runs a command that is killed at one of its steps; gives whether it came that far. */
async function killed(step: number, args: string[]): Promise<boolean> {
  const { signal, exitCode, stderr } = await execa(process.execPath, ['--require', killAt, main, ...args], {
    reject: false,
    stdin: 'ignore',
    timeout: 30_000,
    env: env({ KILL_AT: String(step) }),
    extendEnv: false,
  })
  if (signal === undefined) expect(exitCode, stderr).toBe(0)
  return signal === 'SIGKILL'
}

/** For each step of a command: a machine, the command killed there, and what must be true then. */
async function atEachStep(args: string[], check: (step: number) => Promise<void>): Promise<void> {
  let steps = 0
  for (; await killed(steps + 1, args); freshHome()) await check(++steps)
  // It was killed at all, from its first change to its last.
  expect(steps).toBeGreaterThan(8)
}

const inside = (profile: string, name: string) => path.join(home, profile, name)
const service = (profile: string) => path.join(folder, '.config/systemd/user', `tcolima-${profile}.service`)
const names = () => listInstances(home).map(({ name }) => name)
const made = (name: string) => readFileSync(path.join(folder, 'as-made', 'one', name))
const isAsMade = (profile: string, name: string) =>
  existsSync(inside(profile, name)) && readFileSync(inside(profile, name)).equals(made(name))

function expectWhole(profile: string, step: number): void {
  for (const name of ['tcolima.yaml', 'data.qcow2', 'root.qcow2', 'owners']) {
    expect(isAsMade(profile, name), `${profile}/${name} after step ${step}`).toBe(true)
  }
}

describe('killed at each of its steps', () => {
  it(
    'rename leaves the old name or the new one, and nothing starts by itself that is not there',
    async () => {
      await atEachStep(['rename', 'one', 'two'], async (step) => {
        const [name = '', ...more] = names()
        expect([['one', 'two'].includes(name), more], `step ${step}`).toEqual([true, []])
        expectWhole(name, step)
        const other = name === 'one' ? 'two' : 'one'
        expect(existsSync(service(other)), `the service of ${other} after step ${step}`).toBe(false)
        // By turns: any command for the machine, or the same once more.
        if (step % 2 === 0) {
          await tcolima('status', name)
          expect(existsSync(service(name)), `the service of ${name} after step ${step}`).toBe(true)
          return
        }
        if (name === 'one') expect((await tcolima('rename', 'one', 'two')).exitCode).toBe(0)
        else await tcolima('status', 'two')
        expect([names(), existsSync(service('one')), existsSync(service('two'))]).toEqual([
          ['two'],
          false,
          true,
        ])
        // The lock of a process that is gone is nobody's.
        const found = readdirSync(path.join(home, 'two')).filter((each) => !/^lock\b/.test(each))
        expect(found.sort()).toEqual(readdirSync(path.join(folder, 'as-made/one')).sort())
      })
    },
    limitMs,
  )

  it(
    'clone leaves one machine or two whole ones, and the next removes what is left',
    async () => {
      await atEachStep(['clone', 'one', 'two'], async (step) => {
        expectWhole('one', step)
        const found = names()
        if (found.length === 2) expectWhole('two', step)
        else {
          expect(found, `step ${step}`).toEqual(['one'])
          // By turns: what a clone finds, and what prune does.
          if (step % 4 === 0) expect((await tcolima('prune', '--force')).exitCode).toBe(0)
          if (step % 4 === 0) expect(unfinishedClones(home)).toEqual([])
          expect((await tcolima('clone', 'one', 'two')).exitCode).toBe(0)
        }
        expect(names()).toEqual(['one', 'two'])
        expectWhole('two', step)
        expect(unfinishedClones(home)).toEqual([])
      })
    },
    limitMs,
  )

  it.each([[[]], [['--data']]])(
    'delete %j leaves a whole machine or none',
    async (flags) => {
      const again = ['delete', 'one', '--force', ...flags]
      await atEachStep(again, async (step) => {
        const found = names()
        if (found.length > 0) expectWhole('one', step)
        else {
          expect(existsSync(service('one')), `the service after step ${step}`).toBe(false)
          if (flags.length === 0) expect(isAsMade('one', 'data.qcow2'), `data after step ${step}`).toBe(true)
        }
        // By turns: another command, or the same once more.
        const { exitCode } = await tcolima(...(step % 2 === 0 ? ['status', 'one'] : again))
        if (step % 2 === 0) {
          expect(exitCode).toBe(3)
          if (found.length > 0)
            expect(existsSync(service('one')), `the service after step ${step}`).toBe(true)
          if (found.length > 0) return
        }
        const left = existsSync(path.join(home, 'one')) ? readdirSync(path.join(home, 'one')).sort() : []
        // A lock whose owner is gone is nobody's.
        expect(left.filter((name) => !/^lock\b/.test(name))).toEqual(
          flags.length === 0 ? ['data.qcow2', 'owners'] : [],
        )
        if (flags.length > 0 && step % 4 < 2) {
          cpSync(path.join(folder, 'as-made/one'), inside('three', ''), { recursive: true })
          expect((await tcolima('rename', 'three', 'one')).exitCode, `step ${step}`).toBe(0)
        }
      })
    },
    limitMs,
  )

  it(
    'disk resize leaves the old size, the new one, or a setting that the next start brings to it',
    async () => {
      await atEachStep(['disk', 'resize', '3', '-p', 'one'], async (step) => {
        const text = readFileSync(inside('one', 'tcolima.yaml'), 'utf8')
        expect([settings, settings.replace('disk: 1', 'disk: 3')], `step ${step}`).toContain(text)
        const size = Number(qcow2Size(inside('one', 'data.qcow2'))) / 2 ** 30
        expect(text === settings ? [1] : [1, 3], `step ${step}`).toContain(size)
        expect((await tcolima('disk', 'resize', '3', '-p', 'one')).exitCode).toBe(0)
        expect(Number(qcow2Size(inside('one', 'data.qcow2'))) / 2 ** 30).toBe(3)
      })
    },
    limitMs,
  )
})

describe('disk compact that is killed', () => {
  let child: ResultPromise | undefined
  let pid: number | undefined

  afterEach(() => {
    child?.kill('SIGKILL')
    if (pid !== undefined && isThere(pid)) process.kill(pid, 'SIGKILL')
  })

  it('ends the program that writes the disk, leaves the disk as it was, and is done anew', async () => {
    const bin = path.join(folder, 'slow')
    mkdirSync(bin)
    const writer = path.join(folder, 'writer')
    // Writes a part, says that it is at it, and would go on for long.
    writeFileSync(
      path.join(bin, 'qemu-img'),
      `#!/bin/sh\n[ "$1" = convert ] || exec ${await which('qemu-img')} "$@"\n` +
        `for file; do :; done; echo part >"$file"; echo $$ >'${writer}.new'; mv '${writer}.new' '${writer}'\nexec sleep 600\n`,
      { mode: 0o755 },
    )
    const PATH = `${bin}:${env().PATH}`
    const options = { reject: false, stdin: 'ignore', env: { ...env(), PATH }, extendEnv: false } as const
    child = execa(process.execPath, [main, 'disk', 'compact', 'one'], options)
    await until(() => existsSync(writer))
    const writing = Number(readFileSync(writer, 'utf8'))
    pid = writing
    child.kill('SIGKILL')
    await child
    await until(() => !isThere(writing))
    expectWhole('one', 0)
    expect((await tcolima('disk', 'compact', 'one')).exitCode).toBe(0)
    await execa('qemu-img', [
      'compare',
      inside('one', 'data.qcow2'),
      path.join(folder, 'as-made/one/data.qcow2'),
    ])
    expect(readdirSync(path.join(home, 'one')).filter((name) => name.endsWith('.new'))).toEqual([])
  })
})

async function which(program: string): Promise<string> {
  return (await execa('sh', ['-c', `command -v ${program}`])).stdout
}

function isThere(pid: number): boolean {
  try {
    // A process that ended and that nobody has asked about is none.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

async function until(check: () => boolean): Promise<void> {
  const end = performance.now() + 10_000
  while (!check()) {
    if (performance.now() > end) throw new Error('not within 10 s')
    await new Promise((resolve) => {
      setTimeout(resolve, 20)
    })
  }
}
