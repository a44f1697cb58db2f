import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { foreignPlatform, foreignRoot, foreignWords } from './foreign.ts'
import { docker, tcolima, temporaryFolder, userEnv } from './harness.ts'

const profile = 'shared'
const shared = inject('shared')
const scratch = temporaryFolder()

const run = (...args: string[]) => docker(profile, args)

beforeAll(async () => {
  const started = await run('run', '-d', '--name', 'sleeper', 'busybox', 'sleep', '100000')
  expect(started.exitCode, String(started.stderr)).toBe(0)
})

afterAll(async () => {
  await run('rm', '-f', 'sleeper', 'talker', 'attached')
  scratch.remove()
})

describe('the docker socket on the host', () => {
  it('is for its user only', () => {
    const socket = path.join(shared.home, profile, 'docker.sock')
    expect(statSync(socket).mode & 0o777).toBe(0o600)
  })

  it('is what the active docker context points at', async () => {
    const env = userEnv(shared)
    const shown = await execa('docker', ['context', 'inspect', '--format', '{{.Name}}'], {
      env,
      extendEnv: false,
    })
    expect(shown.stdout).toBe('tcolima-shared')
    const version = await execa('docker', ['version', '-f', '{{.Server.Version}}'], { env, extendEnv: false })
    expect(version.stdout).toMatch(/^\d+\./)
  })
})

describe('containers behave as on a local engine', () => {
  it('exec -i passes input on to its end', async () => {
    const small = await docker(profile, ['exec', '-i', 'sleeper', 'cat'], { stdin: 'pipe', input: 'hi\n' })
    expect([small.exitCode, small.stdout]).toEqual([0, 'hi'])
    const data = randomBytes(20_000_000)
    const large = await docker(profile, ['exec', '-i', 'sleeper', 'sha256sum'], {
      stdin: 'pipe',
      input: data,
    })
    expect(large.stdout).toContain(createHash('sha256').update(data).digest('hex'))
  })

  it("the guest daemon's socket can be given to a container", async () => {
    const socket = '/var/run/docker.sock'
    const listed = await run('run', '--rm', '-v', `${socket}:${socket}`, 'busybox', 'ls', '-l', socket)
    expect(listed.stdout).toMatch(/^srw/)
  })

  it('run -i ends when its input ends', async () => {
    const counted = await docker(profile, ['run', '-i', '--rm', 'busybox', 'wc', '-c'], {
      stdin: 'pipe',
      input: 'abc',
    })
    expect([counted.exitCode, String(counted.stdout).trim()]).toEqual([0, '3'])
  })

  it('keeps both output streams and the exit status apart', async () => {
    const result = await run('exec', 'sleeper', 'sh', '-c', 'echo out; echo err >&2; exit 7')
    expect([result.exitCode, result.stdout, result.stderr]).toEqual([7, 'out', 'err'])
  })

  it('run -it gives a terminal', async () => {
    // script(1) is the terminal of the docker client.
    const command = `docker run --rm -it busybox sh -c 'test -t 0 && test -t 1 && echo terminal'`
    const env = {
      ...userEnv(shared),
      DOCKER_HOST: `unix://${path.join(shared.home, profile, 'docker.sock')}`,
    }
    const result = await execa('script', ['-qec', command, '/dev/null'], {
      env,
      extendEnv: false,
      stdin: 'ignore',
      timeout: 120_000,
    })
    expect(result.stdout).toContain('terminal')
  })

  it('attach sees output and passes input', async () => {
    const created = await run(
      'run',
      '-d',
      '-i',
      '--name',
      'attached',
      'busybox',
      'sh',
      '-c',
      'read line; echo "got $line"',
    )
    expect(created.exitCode, String(created.stderr)).toBe(0)
    // The engine closes the output when the input ends first, so the input stays open.
    const client = docker(profile, ['attach', 'attached'], { stdin: 'pipe' })
    client.stdin?.write('word\n')
    const attached = await client
    expect([attached.exitCode, attached.stdout]).toEqual([0, 'got word'])
  })

  it('logs -f loses no line and ends with the container', async () => {
    // dockerd waits 2 s for what a container that ended had still in its pipe (moby, daemon/monitor.go), then drops the rest.
    const talk = 'seq 1 60000; sleep 10'
    await run('run', '-d', '--name', 'talker', 'busybox', 'sh', '-c', talk)
    const logs = await run('logs', '-f', 'talker')
    const lines = String(logs.stdout).split('\n')
    expect([logs.exitCode, lines.length, lines.at(-1)]).toEqual([0, 60_000, '60000'])
  })

  it('build sends a large context whole', async () => {
    const folder = path.join(scratch.folder, 'context')
    mkdirSync(folder)
    const data = randomBytes(20_000_000)
    writeFileSync(path.join(folder, 'data'), data)
    writeFileSync(
      path.join(folder, 'Dockerfile'),
      'FROM busybox\nCOPY data /data\nRUN ["sha256sum", "/data"]\n',
    )
    const built = await docker(profile, ['build', '-t', 'big', folder], { env: { DOCKER_BUILDKIT: '0' } })
    expect(built.exitCode, String(built.stderr)).toBe(0)
    expect(String(built.stdout)).toContain(createHash('sha256').update(data).digest('hex'))
    await run('rmi', '-f', 'big')
  })
})

describe('a container for another processor', () => {
  it('runs', async () => {
    const { tar } = await foreignRoot(scratch.folder)
    await run('import', '--platform', foreignPlatform, tar, 'foreign')
    const result = await run('run', '--rm', '--platform', foreignPlatform, 'foreign', '/hello')
    expect([result.exitCode, `${String(result.stdout)}\n`], String(result.stderr)).toEqual([0, foreignWords])
  })
})

describe('the mounted home', () => {
  it('is at the same path, in both directions, also in containers', async () => {
    const folder = path.join(shared.userHome, 'share')
    writeFileSync(path.join(folder, 'from-host'), 'host\n')
    const result = await run(
      'run',
      '--rm',
      '-v',
      `${folder}:/x`,
      'busybox',
      'sh',
      '-c',
      'cat /x/from-host; echo guest >/x/from-guest',
    )
    expect([result.exitCode, result.stdout]).toEqual([0, 'host'])
    expect(readFileSync(path.join(folder, 'from-guest'), 'utf8')).toBe('guest\n')
  })

  it('belongs to the guest user, who can write', async () => {
    const folder = path.join(shared.userHome, 'share')
    const result = await tcolima([
      'ssh',
      profile,
      '--',
      'sh',
      '-c',
      `echo mine >'${folder}/mine' && stat -c %u '${folder}/mine' && id -u`,
    ])
    const [owner, user] = String(result.stdout).split('\n')
    expect([result.exitCode, owner]).toEqual([0, user])
    expect(existsSync(path.join(folder, 'mine'))).toBe(true)
  })
})
