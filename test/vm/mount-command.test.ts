import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { terminate } from '../../src/host/processes.ts'
import { instancePaths } from '../../src/instance/paths.ts'
import { docker, eventually, processesOf, tcolima, temporaryFolder } from './harness.ts'

const shared = inject('shared')
const profile = 'shared'
const scratch = temporaryFolder()
const folder = realpathSync(scratch.folder)
const place = (name: string, content?: string) => {
  const made = path.join(folder, name)
  mkdirSync(made, { recursive: true })
  if (content !== undefined) writeFileSync(path.join(made, 'file'), content)
  return made
}

const mount = async (...args: string[]) => {
  const { exitCode, stdout, stderr } = await tcolima(['mount', ...args, '-p', profile])
  return { exitCode, stdout: String(stdout), stderr: String(stderr) }
}
const guest = async (script: string) => {
  const { exitCode, stdout } = await tcolima(['ssh', profile, '--', 'sh', '-c', script])
  return { exitCode, stdout: String(stdout) }
}
const listed = async () =>
  (await mount('list', '--json')).stdout
    .split('\n')
    .map((line) => JSON.parse(line) as { mountPoint: string; state: string })

const places = async () => (await listed()).map(({ mountPoint }) => mountPoint)

// Those of the machine that all tests share.
let first: string[]
beforeAll(async () => {
  first = await places()
})
afterAll(async () => {
  for (const mountPoint of (await places()).toReversed()) {
    if (!first.includes(mountPoint)) await mount('remove', mountPoint, '--force')
  }
  scratch.remove()
})

describe('a mount while the machine runs', () => {
  it('is written through, nests, and goes again; one in use stays and says who uses it', async () => {
    const outer = place('out er', 'outer\n')
    mkdirSync(path.join(outer, 'in'))
    const inner = place('inner', 'inner\n')
    expect(await mount('add', `${outer}:/mnt/new`)).toMatchObject({ exitCode: 0 })
    expect(await mount('add', `${inner}:/mnt/new/in:w`)).toMatchObject({ exitCode: 0 })
    expect(await guest('cat /mnt/new/file /mnt/new/in/file')).toEqual({ exitCode: 0, stdout: 'outer\ninner' })
    expect((await guest('echo guest >/mnt/new/in/made && ! touch /mnt/new/made')).exitCode).toBe(0)
    expect(readFileSync(path.join(inner, 'made'), 'utf8')).toBe('guest\n')

    // What would be hidden, or is there, is refused.
    expect(await mount('add', `${outer}:/mnt/new/in`)).toMatchObject({ exitCode: 2 })
    expect(await mount('remove', '/mnt/new')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('/mnt/new/in is mounted within it'),
    })

    const user = await docker(profile, [
      'run',
      '-d',
      '--name',
      'holder',
      '-v',
      '/mnt/new/in:/d',
      'busybox',
      'sleep',
      '1000',
    ])
    expect(user.exitCode, String(user.stderr)).toBe(0)
    expect(await mount('remove', inner)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('in use by sleep'),
    })
    expect((await docker(profile, ['exec', 'holder', 'cat', '/d/file'])).stdout).toBe('inner')
    await docker(profile, ['rm', '-f', 'holder'])
    expect(await mount('remove', inner)).toMatchObject({ exitCode: 0 })
    expect(await mount('remove', '/mnt/new')).toMatchObject({ exitCode: 0 })
    expect((await guest('ls /mnt/new')).stdout).toBe('')
  })

  // B11
  it('finds its place wherever the guest needs nothing itself', async () => {
    const source = place('anywhere', 'here\n')
    const targets = ['/opt/deep/er', '/Users/jane/x', '/Volumes/Data/x', '/workspace', '/srv/a b']
    for (const target of targets)
      expect(await mount('add', `${source}:${target}`)).toMatchObject({ exitCode: 0 })
    const read = await guest(
      `for t in ${targets.map((each) => `'${each}'`).join(' ')}; do sudo -u nobody cat "$t/file"; done`,
    )
    expect(read.stdout.split('\n')).toEqual(targets.map(() => 'here'))
    for (const target of targets) expect(await mount('remove', target)).toMatchObject({ exitCode: 0 })
    expect(await places()).toEqual(first)
  })

  // B11
  it('that the guest cannot make is an error with its reason, and leaves nothing', async () => {
    const moved = await guest('sudo mv /usr/bin/sshfs /usr/bin/sshfs.off')
    expect(moved.exitCode).toBe(0)
    try {
      expect(await mount('add', `${place('helpless')}:/srv/helpless`)).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining('sshfs cannot be run: No such file'),
      })
      expect(await places()).toEqual(first)
    } finally {
      await guest('sudo mv /usr/bin/sshfs.off /usr/bin/sshfs')
    }
  })

  it('outlives the agent, is saved with the comments of the file, and is no reason for a restart then', async () => {
    const { config } = instancePaths(shared.home, profile)
    const before = readFileSync(config, 'utf8')
    const source = place('kept', 'kept\n')
    const last = first.at(-1) ?? ''
    writeFileSync(
      config,
      before
        .replace(/^mounts:$/m, 'mounts: # ours\n  # the home')
        .replace(`- location: ${last}\n`, `- location: ${last} # all\n`),
    )
    const commented = readFileSync(config, 'utf8')
    try {
      expect(await mount('add', `${source}:/srv/kept`, '--save')).toMatchObject({ exitCode: 0 })
      expect(readFileSync(config, 'utf8')).toBe(
        commented.replace(
          '# all\n    writable: true\n',
          `# all\n    writable: true\n  - location: ${source}\n    mountPoint: /srv/kept\n    writable: false\n`,
        ),
      )
      const { agent } = processesOf(shared.home, profile)
      if (!agent) throw new Error('no agent')
      await terminate(agent, { graceMs: 0 })
      const again = await tcolima(['start', profile])
      expect(again.exitCode, String(again.stderr)).toBe(0)
      await eventually(
        async () => ((await listed()).every(({ state }) => state === 'mounted') ? true : undefined),
        60_000,
      )
      expect((await guest('cat /srv/kept/file')).stdout).toBe('kept')
      expect(await mount('remove', '/srv/kept', '--save')).toMatchObject({ exitCode: 0 })
      expect(readFileSync(config, 'utf8')).toBe(commented)
    } finally {
      writeFileSync(config, before)
    }
  })
})
