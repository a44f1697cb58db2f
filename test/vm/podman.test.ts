import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { foreignPlatform, foreignProgram, foreignWords } from './foreign.ts'
import { endProcesses, eventually, podman, tcolima, temporaryFolder, userEnv } from './harness.ts'

const profile = 'pods'
const shared = inject('shared')
const scratch = temporaryFolder()
const settings = path.join(scratch.folder, 'containers.conf')
const folder = path.join(shared.userHome, 'share', 'podman')

const certificates = path.join(shared.userHome, '.docker/certs.d/registry.test:5000')
const proxies = { HTTPS_PROXY: 'http://u:p%40$x"y@127.0.0.1:18090', no_proxy: 'example.org,example.net' }

// Podman's settings of root are the computer's, whatever HOME is.
const env = userEnv(shared, { CONTAINERS_CONF: settings, PODMAN_CONNECTIONS_CONF: `${settings}.json` })
const cli = (...args: string[]) => tcolima(args, { env })
const pod = (args: string[], input?: string) =>
  podman(profile, args, input === undefined ? { env } : { env, stdin: 'pipe', input })
const guest = (...args: string[]) => tcolima(['ssh', profile, '--', ...args], { env })
const engineProxies = async () =>
  String((await guest('sudo', 'sh', '-c', "tr '\\0' '\\n' </proc/$(pgrep -ox podman)/environ")).stdout)
/** The docker client by the active context. */
const docker = (args: string[]) =>
  execa('docker', args, { env, extendEnv: false, reject: false, stdin: 'ignore', timeout: 300_000 })

/** What serves a page in a container, and how it is run. */
const server = ['sh', '-c', 'echo words; echo page >/index.html; httpd -f -p 80 -h /']
const served = (name: string, port: number) => ['run', '-d', '--name', name, '-p', `${port}:80`]
const page = async (port: number) => await (await fetch(`http://127.0.0.1:${port}/index.html`)).text()

beforeAll(async () => {
  writeFileSync(settings, '')
  mkdirSync(folder, { recursive: true })
  const start = ['start', profile, '--template', 'podman', '--memory', '2', '--disk', '10']
  mkdirSync(certificates, { recursive: true })
  const ca = ['-keyout', path.join(scratch.folder, 'ca.key'), '-out', path.join(certificates, 'ca.crt')]
  await execa('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=x',
    ...ca,
  ])
  const started = await tcolima([...start, '--mount', `${shared.userHome}:w`], {
    env: { ...env, ...proxies },
    // It may build an image first (images.ts).
    timeout: 590_000,
  })
  expect(started.exitCode, String(started.stderr)).toBe(0)
  const made = await pod(['import', shared.busyboxTar, 'busybox'])
  expect(made.exitCode, String(made.stderr)).toBe(0)
})

afterAll(async () => {
  await cli('delete', '--force', '--data', profile)
  await endProcesses(shared.home, profile)
  rmSync(path.dirname(certificates), { recursive: true, force: true })
  scratch.remove()
})

describe('podman', () => {
  it('has a socket for its user only, a connection and a docker context, all with the same images', async () => {
    expect(statSync(path.join(shared.home, profile, 'podman.sock')).mode & 0o777).toBe(0o600)
    const listed = await execa('podman', ['--remote', 'images', '--format', '{{.Repository}}'], {
      env,
      extendEnv: false,
    })
    expect(listed.stdout).toContain('busybox')
    const known = await docker(['images', '--format', '{{.Repository}}'])
    expect(known.stdout, known.stderr).toContain('busybox')
  })

  it("has the host's proxies and certificates, in the guest and in the engine", async () => {
    const proxy = 'HTTPS_PROXY=http://u:p%40$x"y@10.0.2.2:18090'
    const variables = (await guest('env')).stdout
    expect(variables).toContain(proxy)
    expect(variables).toMatch(/^no_proxy=example\.org,example\.net,localhost,.*10\.0\.2\.2/m)
    expect(await engineProxies()).toContain(proxy)
    const ca = '/etc/docker/certs.d/registry.test:5000/ca.crt'
    const trusted = await guest('openssl', 'verify', '-CApath', '/etc/ssl/certs', ca)
    expect(trusted.stdout, String(trusted.stderr)).toBe(`${ca}: OK`)
  })

  it('runs a container of the docker client, with a folder of the host', async () => {
    writeFileSync(path.join(folder, 'from-host'), 'host\n')
    const script = 'cat /x/from-host; echo guest >/x/from-guest; echo err >&2; exit 7'
    const result = await docker(['run', '--rm', '-v', `${folder}:/x`, 'busybox', 'sh', '-c', script])
    expect([result.exitCode, result.stdout, result.stderr]).toEqual([7, 'host', 'err'])
    expect(readFileSync(path.join(folder, 'from-guest'), 'utf8')).toBe('guest\n')
  })

  it('builds an image for another processor, and runs it with crun', async () => {
    const context = path.join(scratch.folder, 'context')
    mkdirSync(context)
    writeFileSync(path.join(context, 'hello'), foreignProgram(), { mode: 0o755 })
    writeFileSync(
      path.join(context, 'Containerfile'),
      'FROM scratch\nCOPY hello /hello\nRUN ["/hello"]\nCMD ["/hello"]\n',
    )
    const built = await pod(['build', '--platform', foreignPlatform, '-t', 'foreign', context])
    expect(`${String(built.stdout)}\n`, String(built.stderr)).toContain(foreignWords)
    const ran = await pod(['run', '--name', 'other', '--platform', foreignPlatform, 'foreign'])
    expect(`${String(ran.stdout)}\n`, String(ran.stderr)).toBe(foreignWords)
    expect((await pod(['inspect', '--format', '{{.OCIRuntime}}', 'other'])).stdout).toBe('crun')
    await pod(['rm', 'other'])
  })

  it('publishes a port that is there when `podman run` returns', async () => {
    const started = await pod([...served('web', 18181), '--restart', 'always', 'busybox', ...server])
    expect(started.exitCode, String(started.stderr)).toBe(0)
    expect(await page(18181)).toBe('page\n')
    expect((await pod(['logs', 'web'])).stdout).toBe('words')
    expect((await pod(['exec', '-i', 'web', 'cat'], 'typed\n')).stdout).toBe('typed')
    expect((await cli('ports', profile)).stdout).toMatch(/18181 .* web /)
  })

  it("runs as the guest's user after a restart that says so, with images and containers of its own", async () => {
    const changed = await cli('restart', profile, '--rootless')
    expect(changed.exitCode, String(changed.stderr)).toBe(0)
    expect((await pod(['info', '--format', '{{.Host.Security.Rootless}}'])).stdout).toBe('true')
    expect((await pod(['ps', '-aq'])).stdout).toBe('')
    expect((await docker(['import', shared.busyboxTar, 'busybox'])).exitCode).toBe(0)

    // Root inside is the guest's user, to whom the folder belongs; limits are real.
    const script =
      'cat /x/from-host; echo rootless >/x/from-guest; cat /sys/fs/cgroup/memory.max /proc/self/uid_map'
    const limited = ['run', '--rm', '--memory', '64m', '-v', `${folder}:/x`, 'busybox', 'sh', '-c', script]
    const result = await docker(limited)
    expect(result.stdout, result.stderr).toMatch(/^host\n67108864\n\s+0\s+[1-9]\d*\s+1\n/)
    expect(readFileSync(path.join(folder, 'from-guest'), 'utf8')).toBe('rootless\n')

    // Two kinds of networks: pasta's with podman, netavark's with docker.
    for (const [name, port, client] of [
      ['mine', 18182, pod],
      ['ours', 18183, docker],
    ] as const) {
      const started = await client([...served(name, port), 'busybox', ...server])
      expect(started.exitCode, String(started.stderr)).toBe(0)
      expect(await page(port)).toBe('page\n')
      expect((await cli('ports', profile)).stdout).toMatch(new RegExp(`${port} .* ${name} `))
    }
    expect((await docker(['logs', 'ours'])).stdout).toBe('words')
    expect((await pod(['exec', '-i', 'mine', 'cat'], 'typed\n')).stdout).toBe('typed')
  })

  it("keeps all over a stop, root's and the user's", async () => {
    expect((await cli('stop', profile)).exitCode).toBe(0)
    const left = await execa('podman', ['system', 'connection', 'list', '--format', 'json'], {
      env,
      extendEnv: false,
    })
    expect(JSON.parse(left.stdout)).toEqual([])
    expect((await docker(['context', 'inspect', '--format', '{{.Name}}'])).stdout).not.toBe('tcolima-pods')

    const without = Object.fromEntries(Object.entries(env).filter(([name]) => !/_proxy$/i.test(name)))
    const again = await tcolima(['start', profile, '--rootless=false'], { env: without })
    expect(again.exitCode, String(again.stderr)).toBe(0)
    expect((await pod(['images', '--format', '{{.Repository}}'])).stdout).toContain('busybox')
    expect((await pod(['ps', '-a', '--format', '{{.Names}}'])).stdout).toBe('web')
    expect(await engineProxies()).not.toMatch(/proxy/i)
    expect((await guest('env')).stdout).not.toMatch(/proxy/i)
    // It starts by itself, after the engine answers.
    expect(await eventually(async () => await page(18181).catch(() => undefined), 120_000)).toBe('page\n')
    const storage = '/mnt/tcolima-data/containers-rootless/storage/overlay-containers/containers.json'
    expect((await guest('sudo', 'cat', storage)).stdout).toMatch(/"mine".*"ours"/)
  })

  it('does not become another engine', async () => {
    const refused = await cli('start', profile, '--runtime', 'docker')
    expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('made with podman')])
    expect((await pod(['version', '--format', '{{.Server.Version}}'])).exitCode).toBe(0)
  })
})
