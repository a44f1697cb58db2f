import { mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, describe, expect, inject, it } from 'vitest'
import { findHostProgram } from '../../src/host/programs.ts'
import { isAlive, type ProcessId, terminate } from '../../src/host/processes.ts'
import { readJson } from '../../src/host/files.ts'
import { instancePaths } from '../../src/instance/paths.ts'
import { endProcesses, eventually, processesOf, tcolima, temporaryFolder } from './harness.ts'

const { home } = inject('shared')
const profile = 'types'
const scratch = temporaryFolder()
const fixed = path.join(realpathSync(scratch.folder), 'read only')
// B10: a writable share within a read-only one.
const shared = path.join(fixed, 'writable')
mkdirSync(shared, { recursive: true })
writeFileSync(path.join(shared, 'from host'), 'host\n')
writeFileSync(path.join(fixed, 'file'), 'kept\n')

afterEach(() => endProcesses(home, profile))
afterAll(async () => {
  await tcolima(['delete', profile, '--force', '--data'])
  scratch.remove()
})

// The kernel with 9p is in an image of its own, which may be built here (images.ts).
const limitMs = 900_000

const start = (type: string) =>
  tcolima(
    [
      'start',
      profile,
      // No engine: nothing here needs one, and such a machine has a test then.
      ...['--template', 'debian-13', '--cpus', '2', '--memory', '1', '--disk', '10', '--mount-type', type],
      // The inner one first: the order of the flags must not matter.
      ...['--mount', `${shared}:w`, '--mount', fixed],
    ],
    { timeout: limitMs },
  )

/** A command as root of the guest, who is not held back by what the guest's own mount says. */
const asRoot = async (script: string) => {
  const { exitCode, stdout } = await tcolima(['ssh', profile, '--', 'sudo', 'sh', '-c', script])
  return { exitCode, stdout: String(stdout) }
}

async function readsAndWrites(): Promise<void> {
  expect(await asRoot(`cat '${shared}/from host'`)).toEqual({ exitCode: 0, stdout: 'host' })
  const written = await asRoot(
    `cd '${shared}' && echo guest >new && mkdir d && mv new d/new && cat d/new && df .`,
  )
  expect(written.exitCode).toBe(0)
  expect(readFileSync(path.join(shared, 'd/new'), 'utf8')).toBe('guest\n')
  writeFileSync(path.join(shared, 'later'), 'edited\n')
  expect((await asRoot(`cat '${shared}/later'`)).stdout).toBe('edited')
  for (const name of ['d', 'later']) rmSync(path.join(shared, name), { recursive: true })
}

/** What the guest's root tries on a share that is read-only; each must fail on the host's side. */
async function keepsReadOnly(): Promise<void> {
  const tries = [
    'touch x',
    'echo x >file',
    'rm file',
    'chmod 777 file',
    'mkdir d',
    'ln -s a b',
    'mknod n c 1 3',
  ]
  expect((await asRoot(`mount -o remount,rw '${fixed}'; cat '${fixed}/file'`)).exitCode).toBe(0)
  for (const each of tries) {
    expect((await asRoot(`cd '${fixed}' && ${each}`)).exitCode, each).not.toBe(0)
  }
  expect(readdirSync(fixed).sort()).toEqual(['file', 'writable'])
  expect(readFileSync(path.join(fixed, 'file'), 'utf8')).toBe('kept\n')
}

describe('9p', () => {
  it(
    'is read and written, holds read-only shares, and nests; another type takes over at the next start',
    async () => {
      const started = await start('9p')
      expect(started.exitCode, String(started.stderr)).toBe(0)
      const mounts = await asRoot('grep tcolima.mount /proc/mounts')
      expect(mounts.stdout.split('\n').map((line) => line.split(' ')[2])).toEqual(['9p', '9p'])
      const status = await tcolima(['status', profile, '--json'])
      expect(JSON.parse(String(status.stdout))).toMatchObject({ mount_type: '9p' })
      await readsAndWrites()
      await keepsReadOnly()

      expect((await tcolima(['stop', profile])).exitCode).toBe(0)
      const over = await start('sshfs')
      expect(over.exitCode, String(over.stderr)).toBe(0)
      expect((await asRoot('grep fuse.sshfs /proc/mounts | grep -vc tcolima/mounts')).stdout).toBe('2')
      await readsAndWrites()
      await keepsReadOnly()
      expect((await tcolima(['delete', profile, '--force', '--data'])).exitCode).toBe(0)
    },
    limitMs,
  )
})

const virtiofsd = findHostProgram('virtiofsd', process.env.PATH, 'linux')

// QEMU's package has it on Debian 12; elsewhere it is a package of its own that tcolima needs for nothing else.
describe.skipIf(process.platform !== 'linux' || virtiofsd === undefined)('virtiofs', () => {
  it('is read and written, holds read-only shares, outlives the agent and ends with the machine', async () => {
    const started = await start('virtiofs')
    expect(started.exitCode, String(started.stderr)).toBe(0)
    await readsAndWrites()
    await keepsReadOnly()

    const { daemons: record } = instancePaths(home, profile)
    const daemons = readJson(record) as ProcessId[]
    expect(daemons.map((id) => isAlive(id))).toEqual([true, true])
    const { agent } = processesOf(home, profile)
    if (!agent) throw new Error('no agent')
    await terminate(agent, { graceMs: 0 })
    expect((await tcolima(['start', profile])).exitCode).toBe(0)
    expect((await asRoot(`cat '${fixed}/file'`)).stdout).toBe('kept')

    expect((await tcolima(['stop', profile])).exitCode).toBe(0)
    await eventually(() => (daemons.some((id) => isAlive(id)) ? undefined : true), 5000)
    expect(readJson(record)).toBeUndefined()
  })
})
