import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { execa } from 'execa'
import { afterAll, describe, expect, inject, it } from 'vitest'
import { instancePaths } from '../../src/instance/paths.ts'
import { endProcesses, processesOf, tcolima, temporaryFolder, userEnv } from './harness.ts'

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

const run = async (...args: string[]) => {
  const { exitCode, stdout, stderr } = await tcolima(args, { timeout: 900_000 })
  return { exitCode, stdout: String(stdout), stderr: String(stderr) }
}
const guest = async (script: string) => (await run('ssh', profile, '--', 'sh', '-c', script)).stdout

afterAll(async () => {
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
cpu: 1
memory: 1
disk: 4
rootDisk: 6
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
    const started = await run('start', profile, '--template', template)
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
    [['start', '--cpus', '2'], 'change only at a start: cpus'],
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
  })

  it('delete takes it out of the user\u2019s ssh_config', async () => {
    expect(await run('delete', profile, '--force', '--data')).toMatchObject({ exitCode: 0 })
    expect(existsSync(path.join(shared.home, '_ssh', `tcolima-${profile}`))).toBe(false)
  })
})
