import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { defaults } from '../src/config/defaults.ts'
import type { Config } from '../src/config/schema.ts'
import { configTemplate } from '../src/config/template.ts'
import { currentHost } from '../src/host/platform.ts'
import { instancePaths } from '../src/instance/paths.ts'
import { writeRecord } from '../src/instance/record.ts'
import { writeState } from '../src/instance/state.ts'

/** Makes the files of `count` profiles as machines leave them that ran and were stopped; gives their names. */
export async function makeStoppedProfiles(home: string, count: number): Promise<string[]> {
  mkdirSync(home)
  // The pid of a process that is gone, as QEMU of a stopped machine is.
  const { pid } = spawnSync('true')
  const names = Array.from({ length: count }, (_, index) => `machine-${index + 1}`)
  for (const name of names) await makeStoppedProfile(home, name, pid)
  return names
}

async function makeStoppedProfile(home: string, profile: string, pid: number): Promise<void> {
  const { arch, user, uid, home: userHome } = currentHost()
  const paths = instancePaths(home, profile)
  mkdirSync(paths.folder)
  writeFileSync(paths.config, configTemplate())
  await writeRecord(paths.record, {
    version: 1,
    arch,
    runtime: 'docker',
    imageDigest: '0'.repeat(64),
    imageSha256: '0'.repeat(64),
    user: { name: user, uid },
    mac: '52:54:00:00:00:01',
    hostKey: `ssh-ed25519 ${'A'.repeat(68)} tcolima guest ${profile}`,
    created: '2025-01-01T00:00:00.000Z',
  })
  const mount = { location: userHome, mountPoint: userHome, writable: true }
  const config: Config = { ...defaults, arch, mounts: [mount] }
  await writeState(paths.state, {
    version: 1,
    config,
    accelerator: 'tcg',
    qemu: { pid, started: 'before' },
    sshPort: 40_022,
    mounts: [],
    sockets: { qmp: `${paths.folder}/qmp.sock`, guestLink: `${paths.folder}/guest.sock`, mounts: [] },
    ready: false,
  })
}
