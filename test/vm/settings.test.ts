import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { instancePaths } from '../../src/instance/paths.ts'
import {
  docker,
  endProcesses,
  eventually,
  processesOf,
  tcolima,
  temporaryFolder,
  userEnv,
} from './harness.ts'

const shared = inject('shared')
const profile = 'settings'
const paths = instancePaths(shared.home, profile)
const scratch = temporaryFolder()
const folder = realpathSync(scratch.folder)
const place = (name: string) => {
  const made = path.join(folder, name)
  mkdirSync(made, { recursive: true })
  writeFileSync(path.join(made, 'file'), `${name}\n`)
  return made
}
const first = place('first')
const second = place('second')

const withoutProxies = Object.fromEntries(
  Object.entries(userEnv(shared)).filter(([name]) => !/_proxy$/i.test(name)),
)
const run = async (...args: string[]) => {
  const { exitCode, stdout, stderr } = await tcolima(args, { env: withoutProxies, timeout: 900_000 })
  return { exitCode, stdout: String(stdout), stderr: String(stderr) }
}
const guest = async (script: string) => (await run('ssh', profile, '--', 'sh', '-c', script)).stdout

/** Plays the user's proxy, which refuses what it is asked for. */
const asked: string[] = []
const proxy = createServer()
proxy.on('connect', (request, socket) => {
  asked.push(request.url ?? '')
  socket.end('HTTP/1.1 502 no\r\n\r\n')
})
beforeAll(async () => {
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
})

afterAll(async () => {
  proxy.close()
  await run('delete', profile, '--force', '--data')
  await endProcesses(shared.home, profile)
  scratch.remove()
})

describe('settings reach the guest', () => {
  it('a template with scripts, variables and a probe', async () => {
    const template = path.join(folder, 'template.yaml')
    writeFileSync(
      template,
      `# from a template
param: {who: world}
cpu: 2
memory: 1
disk: 4
rootDisk: 6
ociRuntime: crun
mounts:
  - location: ${first}
env:
  GREETING: 'hello "{{.Param.who}}" #1 $HOME'
  http_proxy: http://localhost:9
provision:
  - mode: ready
    script: systemctl is-active docker >/tmp/engine
  - mode: user
    script: echo "$GREETING" >/tmp/user; exit 3
  - mode: system
    script: systemctl is-active docker >/tmp/before; id -u >/tmp/system
probes:
  - script: test "$(cat /tmp/engine)" = active
`,
    )
    const certificates = path.join(shared.userHome, '.docker/certs.d/registry.test:5000')
    mkdirSync(certificates, { recursive: true })
    const ca = ['-keyout', path.join(folder, 'ca.key'), '-out', path.join(certificates, 'ca.crt')]
    await execa('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=b44', ...ca])
    const { port } = proxy.address() as AddressInfo
    const HTTPS_PROXY = `http://u:p%40$x@127.0.0.1:${port}`
    const env = { ...withoutProxies, HTTPS_PROXY, no_proxy: 'example.org' }
    const started = await tcolima(['start', profile, '--template', template], { env, timeout: 900_000 })
    rmSync(path.dirname(certificates), { recursive: true })
    expect(started).toMatchObject({ exitCode: 0 })
    expect(started.stderr).toContain('provision[1] (user) failed with status 3')
    expect(readFileSync(paths.config, 'utf8')).toBe(readFileSync(template, 'utf8'))
    expect(await guest('cat /tmp/user /tmp/system; echo "$GREETING"; echo $http_proxy')).toBe(
      'hello "world" #1 $HOME\n0\nhello "world" #1 $HOME\nhttp://10.0.2.2:9',
    )
    expect(await guest('cat /tmp/before')).not.toBe('active')
    const ofEngine = 'sudo cat /proc/$(pidof dockerd)/environ | tr "\\0" "\\n" | grep -c ^GREETING='
    expect(await guest(ofEngine)).toBe('1')
    const serial = await run('logs', profile, '--source', 'serial', '-n', '2000')
    expect(serial.stdout).toContain('provision[1] (user) ended with status 3')
  })

  it("the host's proxies and certificates, and docker's pulls go by them (B44)", async () => {
    const ofEngine = 'sudo cat /proc/$(pidof dockerd)/environ | tr "\\0" "\\n" | grep -i _proxy= | sort'
    const { port } = proxy.address() as AddressInfo
    const variables = await guest(ofEngine)
    expect(variables).toContain(`HTTPS_PROXY=http://u:p%40$x@10.0.2.2:${port}\n`)
    expect(variables).toMatch(/^no_proxy=example\.org,localhost,.*10\.0\.2\.2/m)
    const pulled = await docker(profile, ['pull', 'registry.test/none'])
    expect(pulled.exitCode).not.toBe(0)
    expect(asked).toContain('registry.test:443')
    const ca = '/etc/docker/certs.d/registry.test:5000/ca.crt'
    expect(await guest(`openssl verify -CApath /etc/ssl/certs ${ca}`)).toBe(`${ca}: OK`)
  })

  it('the OCI runtime that starts containers', async () => {
    expect((await docker(profile, ['info', '--format', '{{.DefaultRuntime}}'])).stdout).toBe('crun')
    await docker(profile, ['import', shared.busyboxTar, 'busybox'])
    const kept = ['run', '-d', '--name', 'kept', '--restart', 'always', 'busybox', 'sleep', '100000']
    const { stdout, stderr } = await docker(profile, kept)
    expect(stdout, String(stderr)).toMatch(/^[0-9a-f]{64}$/)
    // What crun keeps of a container; runc has a file state.json there.
    expect(await guest(`sudo find /run -path '*${String(stdout)}/status'`)).not.toBe('')
  })

  it('the OpenSSH client finds it by the user\u2019s own file', async () => {
    const { stdout } = await execa(
      'ssh',
      ['-F', path.join(shared.userHome, '.ssh/config'), `tcolima-${profile}`, 'echo "$GREETING"'],
      { env: userEnv(shared), extendEnv: false },
    )
    expect(stdout).toBe('hello "world" #1 $HOME')
  })
})

describe('a start of a running machine', () => {
  it('brings it to other mounts, and into the file', async () => {
    const { qemu } = processesOf(shared.home, profile)
    expect(await run('start', profile, '--mount', `${second}:w`)).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining('changed: mounts') as string,
    })
    expect(await guest(`cat ${second}/file; echo new >${second}/made; ls ${first}`)).toBe('second')
    expect(readFileSync(path.join(second, 'made'), 'utf8')).toBe('new\n')
    expect(readFileSync(paths.config, 'utf8')).toContain(
      `mounts:\n  - location: ${second}\n    writable: true\n`,
    )
    expect(processesOf(shared.home, profile).qemu).toEqual(qemu)
  })

  it('with one folder in use all are as before, and so is the file', async () => {
    const before = readFileSync(paths.config, 'utf8')
    await guest(`cd ${second} && (sleep 300 </dev/null >/dev/null 2>&1 & echo $! >/tmp/pid)`)
    const { exitCode, stderr } = await run('start', profile, '--mount', first)
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('cannot be unmounted')])
    expect(await guest(`cat ${second}/file; kill $(cat /tmp/pid)`)).toBe('second')
    expect(readFileSync(paths.config, 'utf8')).toBe(before)
  })

  it.each([
    [['start', '--cpus', '1'], 'change only at a start: cpus'],
    [['start', '--disk', '2'], 'disk: the data disk has 4GiB and cannot shrink to 2GiB'],
    [['restart', '--root-disk', '5'], 'rootDisk: the system disk has 6GiB'],
    [['restart', '--runtime', 'podman'], 'runtime: this instance was made with docker'],
  ])('%j is refused; it runs on, and the file stays', async ([command = '', ...flags], message) => {
    const before = readFileSync(paths.config, 'utf8')
    const { qemu } = processesOf(shared.home, profile)
    const { exitCode, stderr } = await run(command, profile, ...flags)
    expect(exitCode).not.toBe(0)
    expect(stderr).toContain(message)
    expect(processesOf(shared.home, profile).qemu).toEqual(qemu)
    expect(readFileSync(paths.config, 'utf8')).toBe(before)
  })
})

describe('the next start', () => {
  it('has what a hand-edited file says: larger disks, another environment; data stays', async () => {
    await guest('echo keep | sudo tee /var/lib/docker/mark')
    const text = readFileSync(paths.config, 'utf8')
      .replace('disk: 4\n', 'disk: 5\n')
      .replace('rootDisk: 6\n', 'rootDisk: 7\n')
      .replace('{who: world}', '{who: again}')
    writeFileSync(paths.config, text)
    expect(await run('restart', profile)).toMatchObject({ exitCode: 0 })
    const sizes = 'df -BG --output=size / /var/lib/docker | tail -n 2 | tr -d " "'
    expect(
      await guest(
        `cat /var/lib/docker/mark 2>/dev/null || sudo cat /var/lib/docker/mark; echo $GREETING; ${sizes}`,
      ),
    ).toBe('keep\nhello "again" #1 $HOME\n7G\n5G')
    expect(readFileSync(paths.config, 'utf8')).toBe(text)
    const up = async () => (await docker(profile, ['ps', '--format', '{{.Names}}'])).stdout || undefined
    expect(await eventually(up, 60_000)).toBe('kept')
    // The shell of this start has no proxy; the settings have one.
    expect(await guest('env | grep -ci "^https_proxy"; ls /etc/docker/certs.d')).toBe('0')
  })

  it('delete takes it out of the user\u2019s ssh_config', async () => {
    expect(await run('delete', profile, '--force', '--data')).toMatchObject({ exitCode: 0 })
    expect(existsSync(path.join(shared.home, '_ssh', `tcolima-${profile}`))).toBe(false)
  })
})
