import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ensurePackages, type EnsureOptions } from '../../../src/host/ensure-packages.ts'
import { type Machine, machine } from './machine.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'tcolima-ensure-'))
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

const keys = { '/usr/share/keyrings/debian-archive-keyring.gpg': '' }
const debian = { ...keys, '/etc/os-release': 'ID=debian\nVERSION_ID="12"\n' }
const tools = ['qemu-system-x86_64', 'qemu-img', 'tar', 'ssh', 'mmdebstrap', 'mke2fs', 'newuidmap']

function options(made: Machine, more: Partial<EnsureOptions> = {}): EnsureOptions {
  return {
    host: { platform: 'linux', arch: 'x86_64', uid: 1000, env: {} },
    yes: true,
    interactive: false,
    ask: async () => {
      throw new Error('asked')
    },
    report: () => {},
    logFile: path.join(dir, 'logs', 'packages.log'),
    system: made.system,
    ...more,
  }
}

const apt =
  'sudo -n env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -o DPkg::Lock::Timeout=120'
const install = `${apt} install -y --no-install-recommends`

test('nothing missing: runs nothing, writes nothing', async () => {
  const made = machine([...tools, 'apt-get', 'docker'], debian)
  expect(await ensurePackages(options(made))).toEqual({ installed: [], warnings: [] })
  expect(made.ran).toEqual([])
  expect(existsSync(path.join(dir, 'logs'))).toBe(false)
})

describe('may not install', () => {
  const without = () =>
    machine(['tar', 'apt-get', 'sudo', 'mmdebstrap', 'mke2fs', 'newuidmap', 'docker'], debian)
  const hint =
    'Install with: sudo apt-get install -y --no-install-recommends qemu-system-x86 qemu-utils openssh-client'

  test('not asked: the exact command', async () => {
    await expect(ensurePackages(options(without(), { yes: false }))).rejects.toMatchObject({
      code: 'host',
      message: 'missing on this machine: qemu-system-x86_64, qemu-img, ssh',
      hint,
    })
  })
  test('declined', async () => {
    const ask = vi.fn(async () => false)
    const made = without()
    await expect(ensurePackages(options(made, { yes: false, interactive: true, ask }))).rejects.toMatchObject(
      { hint },
    )
    expect(ask).toHaveBeenCalledOnce()
    expect(made.ran).toEqual([])
  })
  test('no sudo', async () => {
    const made = without()
    made.programs.delete('sudo')
    await expect(ensurePackages(options(made))).rejects.toMatchObject({
      code: 'host',
      hint: expect.stringContaining('have root run: apt-get install'),
    })
  })
  test('no package manager', async () => {
    const made = machine([])
    const darwin = { platform: 'darwin', arch: 'aarch64', uid: 501, env: {} } as const
    await expect(ensurePackages(options(made, { host: darwin }))).rejects.toMatchObject({
      hint: expect.stringContaining('Homebrew'),
    })
    await expect(ensurePackages(options(made))).rejects.toMatchObject({
      code: 'host',
      hint: expect.stringContaining('package manager of this system'),
    })
  })
  test('only the docker program is missing: a warning with the command, no question', async () => {
    const made = machine([...tools, 'apt-get', 'sudo'], debian)
    const result = await ensurePackages(options(made, { yes: false, interactive: true }))
    expect(result.warnings).toEqual([expect.stringMatching(/docker\.io\): .*DOCKER_HOST/)])
    expect(made.ran).toEqual([])
  })
})

describe('installs', () => {
  test('fresh machine: lists first, then what is required, then the docker program apt knows', async () => {
    const made = machine(
      ['tar', 'ssh', 'apt-get', 'sudo', 'mke2fs'],
      { '/etc/os-release': debian['/etc/os-release'] },
      (command) => {
        if (command.includes('mmdebstrap')) {
          for (const each of tools) made.programs.add(each)
          Object.assign(files, keys)
        }
        if (command === 'apt-cache policy docker-cli')
          return 'docker-cli:\n  Installed: (none)\n  Candidate: (none)\n'
        if (command === 'apt-cache policy docker.io') return 'docker.io:\n  Candidate: 20.10\n'
        return ''
      },
    )
    const files: Record<string, string> = {}
    made.system.newestIn = () => undefined
    made.system.exists = (file) => file in files
    const result = await ensurePackages(options(made))
    expect(made.ran).toEqual([
      `${apt} update`,
      `${install} qemu-system-x86 qemu-utils mmdebstrap debian-archive-keyring gpg uidmap`,
      'apt-cache policy docker-cli',
      'apt-cache policy docker.io',
      `${install} docker.io`,
    ])
    expect(result.installed).toContain('docker.io')
    expect(result.warnings).toEqual([expect.stringContaining('Docker daemon')])
    expect(await readFile(path.join(dir, 'logs', 'packages.log'), 'utf8')).toContain('install -y')
  })

  test('docker.io on a machine with systemd: its daemon never starts, also when installing fails', async () => {
    const made = machine(
      [...tools, 'apt-get', 'sudo'],
      { ...debian, '/run/systemd/system': '' },
      (command) => {
        if (command.startsWith('apt-cache')) return command.endsWith('docker.io') ? '  Candidate: 1\n' : ''
        return command.includes('install') ? new Error('E: broken') : ''
      },
    )
    const result = await ensurePackages(options(made))
    expect(made.ran.filter((each) => each.includes('systemctl')).map((each) => each.split(' ')[3])).toEqual([
      'mask',
      'unmask',
      'disable',
    ])
    expect(result.installed).toEqual([])
    expect(result.warnings).toEqual([expect.stringContaining('DOCKER_HOST')])
  })

  test('asks at a terminal and lets sudo ask there', async () => {
    const terminals: unknown[] = []
    const made = machine(
      [...tools.slice(1), 'dnf', 'sudo', 'docker'],
      { '/etc/os-release': 'ID=fedora' },
      (_, how) => {
        terminals.push(how.terminal)
        made.programs.add('qemu-system-x86_64')
        return ''
      },
    )
    const ask = vi.fn(async () => true)
    const result = await ensurePackages(options(made, { yes: false, interactive: true, ask }))
    expect(ask).toHaveBeenCalledWith(
      'Missing on this machine: qemu-system-x86_64. Install qemu-system-x86-core with dnf?',
    )
    expect(made.ran).toEqual(['sudo dnf install -y --setopt=install_weak_deps=False qemu-system-x86-core'])
    expect(terminals).toEqual([true])
    expect(result.installed).toEqual(['qemu-system-x86-core'])
  })

  test('dnf: the second name when the first is not known', async () => {
    const made = machine([...tools, 'dnf', 'sudo'], { '/etc/os-release': 'ID=fedora' }, (command) =>
      command.includes('docker-cli') ? new Error('No match for argument: docker-cli') : '',
    )
    expect(await ensurePackages(options(made))).toEqual({ installed: ['moby-cli'], warnings: [] })
  })

  test('brew: as the user, each package once', async () => {
    const made = machine(['tar', 'ssh', 'brew', 'docker'], {}, () => {
      made.programs.add('qemu-system-aarch64').add('qemu-img')
      return ''
    })
    const host = { platform: 'darwin', arch: 'aarch64', uid: 501, env: {} } as const
    await ensurePackages(options(made, { host }))
    expect(made.ran).toEqual(['brew install qemu'])
  })

  test('old lists that name a version no longer there: fetches them and tries once more', async () => {
    let tries = 0
    const made = machine([...tools.slice(1), 'apt-get', 'sudo', 'docker'], debian, (command) => {
      if (!command.includes('install') || ++tries > 1) {
        if (tries > 1) made.programs.add('qemu-system-x86_64')
        return ''
      }
      return new Error('E: Failed to fetch: 404')
    })
    await ensurePackages(options(made))
    expect(made.ran).toEqual([`${install} qemu-system-x86`, `${apt} update`, `${install} qemu-system-x86`])
  })

  test('waits while another apt holds the lock of the lists', async () => {
    let tries = 0
    const made = machine([...tools.slice(1), 'apt-get', 'sudo', 'docker'], debian, () => {
      if (++tries < 3)
        return new Error('E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7')
      made.programs.add('qemu-system-x86_64')
      return ''
    })
    await ensurePackages(options(made))
    expect(tries).toBe(3)
  })

  test('a failure carries the log; a password nobody can type says so', async () => {
    const failing = (message: string) =>
      machine([...tools.slice(1), 'apt-get', 'sudo', 'docker'], debian, () => new Error(message))
    await expect(ensurePackages(options(failing('E: no\nE: way')))).rejects.toMatchObject({
      code: 'failed',
      log: {
        path: path.join(dir, 'logs', 'packages.log'),
        lines: expect.arrayContaining(['E: no', 'E: way']),
      },
    })
    await expect(ensurePackages(options(failing('sudo: a password is required')))).rejects.toMatchObject({
      code: 'host',
      hint: expect.stringContaining('password'),
    })
  })

  test('installed and still not there', async () => {
    const made = machine([...tools.slice(1), 'apt-get', 'sudo', 'docker'], debian)
    await expect(ensurePackages(options(made))).rejects.toMatchObject({
      message: 'qemu-system-x86_64 still missing after installing qemu-system-x86_64',
    })
  })
})
