import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { execa } from 'execa'
import { afterAll, afterEach, describe, expect, inject, it } from 'vitest'
import { terminate } from '../../src/host/processes.ts'
import { homePaths, instancePaths } from '../../src/instance/paths.ts'
import { readState } from '../../src/instance/state.ts'
import { docker, endProcesses, eventually, processesOf, tcolima, userEnv } from './harness.ts'

const shared = inject('shared')
const profile = 'life'
const { home } = shared
const small = ['--cpus', '2', '--memory', '1.5', '--disk', '10']

const start = (...more: string[]) => tcolima(['start', profile, ...small, ...more])

afterEach(async () => {
  for (const name of [profile, 'one']) await endProcesses(home, name)
})

afterAll(async () => {
  for (const name of [profile, 'one']) await tcolima(['delete', name, '--force', '--data'])
})

describe('an instance through its life', () => {
  it('has the size asked for, survives stop and start with its images, and can be killed in every way', async () => {
    const repo = path.join(shared.userHome, 'repo')
    mkdirSync(repo, { recursive: true })
    writeFileSync(path.join(repo, 'file'), 'of the repository\n')
    // Only its size is more than this computer may have.
    const template = ['--template', 'big-repo', '--param', `repo=${repo}`]
    const sizes = ['--cpu', '6', '--memory', '1.5', '--disk', '10']
    const first = await tcolima(['start', profile, ...template, ...sizes])
    expect(first.exitCode, String(first.stderr)).toBe(0)
    const look = `nproc; grep MemTotal /proc/meminfo; cat '${repo}/file'`
    const size = await tcolima(['ssh', profile, '--', 'sh', '-c', look])
    const [cpus, memory, file] = String(size.stdout).split('\n')
    expect([cpus, file]).toEqual(['6', 'of the repository'])
    expect(Number(/\d+/.exec(memory ?? '')?.[0]) / 1024).toBeGreaterThan(1400)

    await docker(profile, ['import', shared.busyboxTar, 'busybox'])
    await docker(profile, ['volume', 'create', 'kept'])
    const wrote = await docker(profile, [
      'run',
      '--rm',
      '-v',
      'kept:/v',
      'busybox',
      'sh',
      '-c',
      'echo keep >/v/f; sync',
    ])
    expect(wrote.exitCode, String(wrote.stderr)).toBe(0)

    // The agent dies: QEMU goes on, and the next command finds it.
    const before = processesOf(home, profile)
    if (!before.agent || !before.qemu) throw new Error('no processes')
    await terminate(before.agent, { graceMs: 0 })
    const again = await tcolima(['start', profile])
    expect(again.exitCode, String(again.stderr)).toBe(0)
    expect(processesOf(home, profile).qemu).toEqual(before.qemu)
    const after = await docker(profile, ['run', '--rm', '-v', 'kept:/v', 'busybox', 'cat', '/v/f'])
    expect(after.stdout).toBe('keep')

    // QEMU dies: status says so, and the next start works.
    await terminate(before.qemu, { graceMs: 0 })
    await eventually(
      async () => ((await tcolima(['status', profile])).exitCode === 3 ? true : undefined),
      10_000,
    )
    const listed = await tcolima(['list', '--json'])
    const life = String(listed.stdout)
      .split('\n')
      .map((line) => JSON.parse(line) as { name: string; status: string })
      .find(({ name }) => name === profile)
    expect(life?.status).toBe('Stopped')
    const revived = await start()
    expect(revived.exitCode, String(revived.stderr)).toBe(0)
    const kept = await docker(profile, ['run', '--rm', '-v', 'kept:/v', 'busybox', 'cat', '/v/f'])
    expect(kept.stdout).toBe('keep')

    // Both die at once, as in a power failure; a forced stop puts it right.
    const both = processesOf(home, profile)
    if (both.agent) await terminate(both.agent, { graceMs: 0 })
    if (both.qemu) await terminate(both.qemu, { graceMs: 0 })
    expect((await tcolima(['stop', profile, '--force'])).exitCode).toBe(0)

    // One more of it, for a test below: a copy, under another name.
    for (const [command, ...names] of [
      ['clone', profile, 'before'],
      ['rename', 'before', 'one'],
    ]) {
      const copied = await tcolima([command ?? '', ...names])
      expect(copied.exitCode, String(copied.stderr)).toBe(0)
    }

    const gone = await tcolima(['delete', profile, '--force'])
    expect(gone.exitCode, String(gone.stderr)).toBe(0)
    expect(readdirSync(path.join(home, profile))).toEqual(['data.qcow2'])
    const contexts = await execa('docker', ['context', 'ls', '-q'], {
      env: userEnv(shared),
      extendEnv: false,
    })
    expect(contexts.stdout.split('\n')).not.toContain(`tcolima-${profile}`)
  })

  it('an interrupted start leaves nothing running, and the next one works; a guest that powers itself off is stopped', async () => {
    const signals = ['SIGINT', 'SIGKILL'] as const
    for (const signal of signals) {
      const child = tcolima(['start', profile, ...small])
      await eventually(() => (processesOf(home, profile).qemu ? true : undefined), 60_000)
      child.kill(signal)
      const interrupted = await child
      expect(interrupted.exitCode).not.toBe(0)
      await eventually(() => (processesOf(home, profile).qemu ? undefined : true), 20_000)
    }
    // Two at once: one machine, and both commands end well.
    const [a, b] = await Promise.all([start(), start()])
    expect([a.exitCode, b.exitCode], `${String(a.stderr)}\n${String(b.stderr)}`).toEqual([0, 0])

    // The guest itself is a way to end it.
    await tcolima(['ssh', profile, '--', 'sudo', 'poweroff'])
    await eventually(() => (processesOf(home, profile).qemu ? undefined : true), 60_000)
    await eventually(() => (existsSync(path.join(home, profile, 'docker.sock')) ? undefined : true), 10_000)
    const status = await tcolima(['status', profile])
    expect([status.exitCode, status.stderr]).toEqual([3, expect.stringContaining('powered itself off')])
  })
})

describe('another command', () => {
  it('ends a start under way in order', async () => {
    const underWay = () => eventually(() => (processesOf(home, profile).qemu ? true : undefined), 60_000)
    const first = start()
    await underWay()
    expect((await tcolima(['stop', profile])).exitCode).toBe(0)
    expect((await first).exitCode).not.toBe(0)
    expect(processesOf(home, profile)).toEqual({})

    const second = start()
    await underWay()
    expect((await tcolima(['delete', profile, '--force'])).exitCode).toBe(0)
    expect((await second).exitCode).not.toBe(0)
    expect(readdirSync(path.join(home, profile))).toEqual(['data.qcow2'])
  })
})

describe('two profiles at once, of which one is a renamed clone', () => {
  it('run side by side, each with its own name, port and socket, and the clone with what its machine had', async () => {
    const one = await tcolima(['start', 'one', ...small])
    expect(one.exitCode, String(one.stderr)).toBe(0)
    for (const name of ['one', 'shared']) {
      const host = await tcolima(['ssh', name, '--', 'hostname'])
      expect(host.stdout).toBe(`tcolima-${name}`)
      const engine = await docker(name, ['info', '-f', '{{.Name}}'])
      expect(engine.stdout).toBe(`tcolima-${name}`)
    }
    const kept = await docker('one', ['run', '--rm', '-v', 'kept:/v', 'busybox', 'cat', '/v/f'])
    expect(kept.stdout, String(kept.stderr)).toBe('keep')
    // Not by the socket's path: by what a user's client goes by.
    const context = ['--context', 'tcolima-one', 'info', '--format', '{{.Name}}']
    const info = await execa('docker', context, { env: userEnv(shared), extendEnv: false, reject: false })
    expect(info.stdout, info.stderr).toBe('tcolima-one')
    expect(readFileSync(path.join(home, 'one', 'ssh_config'), 'utf8')).not.toBe(
      readFileSync(path.join(home, 'shared', 'ssh_config'), 'utf8'),
    )
    expect((await tcolima(['stop', 'one', '--force'])).exitCode).toBe(0)
  })
})

describe('odd homes', () => {
  // The image of Debian 12 may be built here (images.ts).
  const limitMs = 900_000

  it(
    'a long TCOLIMA_HOME and a HOME with a space work, for Debian 12 in the foreground, until Ctrl-C',
    async () => {
      const long = path.join(shared.userHome, 'x'.repeat(90))
      const odd = path.join(shared.userHome, "a user's home")
      mkdirSync(odd, { recursive: true })
      mkdirSync(long, { recursive: true })
      symlinkSync(homePaths(home).images, homePaths(long).images)
      writeFileSync(path.join(odd, 'file'), 'seen\n')
      const env = userEnv(shared, { HOME: odd, TCOLIMA_HOME: long })
      try {
        const distro = ['--distro', 'debian-12']
        const words = ['start', profile, '--template', 'small', ...distro, '--foreground']
        const foreground = tcolima(words, { env, timeout: limitMs })
        const isReady = () => readState(instancePaths(long, profile).state)?.ready || undefined
        await Promise.race([
          eventually(isReady, limitMs),
          foreground.then(({ stderr }) => {
            throw new Error(String(stderr))
          }),
        ])
        const version = ['sh', '-c', '. /etc/os-release; echo "$VERSION_ID"']
        const release = await tcolima(['ssh', profile, '--', ...version], { env })
        expect(release.stdout).toBe('12')
        const seen = await tcolima(['ssh', profile, '--', 'cat', path.join(odd, 'file')], { env })
        expect(seen.stdout).toBe('seen')
        const status = await tcolima(['status', profile, '--json'], { env })
        const { docker_socket: socket } = JSON.parse(String(status.stdout)) as { docker_socket: string }
        const engine = (...args: string[]) =>
          execa('docker', args, { env: { ...env, DOCKER_HOST: `unix://${socket}` }, extendEnv: false })
        await engine('import', shared.busyboxTar, 'busybox')
        const inside = await engine('run', '--rm', '-v', `${odd}:/odd`, 'busybox', 'cat', '/odd/file')
        expect(inside.stdout).toBe('seen')
        const other = await tcolima(['start', profile, '--distro', 'debian-13'], { env })
        expect([other.exitCode, other.stderr]).toEqual([
          2,
          expect.stringContaining('made with debian-12 and cannot become debian-13'),
        ])
        foreground.kill('SIGINT')
        const { exitCode, stderr } = await foreground
        expect([exitCode, stderr]).toEqual([0, expect.stringContaining('stays in the foreground')])
        expect(processesOf(long, profile)).toEqual({})
        expect((await tcolima(['delete', profile, '--force', '--data'], { env })).exitCode).toBe(0)
      } finally {
        await endProcesses(long, profile)
      }
    },
    limitMs,
  )
})
