import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { platform, tmpdir } from 'node:os'
import path from 'node:path'
import { run } from '../src/host/run.ts'
import { messageOf } from '../src/host/errors.ts'
import { instancePaths } from '../src/instance/paths.ts'
import { inGuest, startMachine } from './machine.ts'
import { type MountMeasure, reportMounts } from './mounts-report.ts'
import { memoryWhileFlowing } from './mounts-memory.ts'
import { fillShare, type Sizes } from './mounts-share.ts'
import { endProduct, type Product } from './product.ts'
import { numberWanted, runsWanted } from './report.ts'
import { mountOverSsh, type SshMount } from './ssh-mount.ts'

// The product's mount, against SSHFS over OpenSSH, 9p, and the guest's own disk; in turn, test by test.
const quick = process.argv.includes('--quick')
const runs = runsWanted(quick ? 1 : 3)
const sizes: Sizes = quick
  ? { megabytes: 32, smallFiles: 200, repositoryFiles: 500, treeFiles: 100 }
  : { megabytes: 256, smallFiles: 2000, repositoryFiles: 5000, treeFiles: 500 }
const flowing = numberWanted('--flow', quick ? 256 : 10_240)
// For tuning: `--only write,read`. Some tests need what the ones before them made.
const at = process.argv.indexOf('--only')
const only = at < 0 ? undefined : process.argv[at + 1]?.split(',')

const sequential = { sshfs: 4, '9p': 1 }
const small = { sshfs: 2, '9p': 1 }
// In this order, since one needs what another made.
const tests: { name: string; what: string; wanted: Record<string, number>; size?: number }[] = [
  { name: 'write', what: `write ${sizes.megabytes} MiB`, wanted: sequential, size: sizes.megabytes },
  { name: 'read', what: `read ${sizes.megabytes} MiB`, wanted: sequential },
  { name: 'create', what: `create ${sizes.smallFiles} files`, wanted: small, size: sizes.smallFiles },
  { name: 'ls', what: 'ls -lR of them', wanted: small },
  { name: 'find', what: 'find -printf of them', wanted: small },
  { name: 'read-small', what: 'read them', wanted: small },
  { name: 'remove', what: 'rm -r of them', wanted: small },
  { name: 'git', what: `git status, ${sizes.repositoryFiles} files`, wanted: small },
  { name: 'unpack', what: `tar x of ${sizes.treeFiles} files`, wanted: small },
  { name: 'pack', what: 'tar c of them', wanted: small },
  { name: 'npm', what: 'npm ci', wanted: small },
]

/** A folder in a guest that is measured; on each, the same is done. */
interface Target {
  name: string
  machine: Product
  folder: string
}

const scratch = mkdtempSync(path.join(tmpdir(), 'tcolima-bench-'))
const share = path.join(scratch, 'share')
const home = path.join(scratch, 'home')
const machine = machineNamed('bench')
const other = machineNamed('bench-9p')
const tools = '/var/tmp/tcolima-bench'
const abort = new AbortController()
const { signal } = abort
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => abort.abort(new Error('interrupted')))
}
let overSsh: SshMount | undefined

try {
  if (platform() !== 'linux') throw new Error('the guest gets programs of the host: this needs a Linux host')
  mkdirSync(path.join(scratch, 'docker'))
  mkdirSync(share)
  await fillShare(share, sizes)
  tell('starting the machine: builds its image, which takes a while')
  await startMachine(machine, share, [], signal)
  await putTools(machine)
  overSsh = await mountOverSsh(machine, share, scratch, signal)
  const targets: Target[] = [
    { name: 'mount', machine, folder: `${share}/mount` },
    { name: 'sshfs', machine, folder: `${overSsh.path}/sshfs` },
    ...(await nineP()),
    { name: 'disk', machine, folder: `${tools}/disk` },
  ]
  const measures = await measureAll(targets)
  overSsh.close()
  tell(`letting ${flowing} MiB flow`)
  const memory = await memoryWhileFlowing(machine, share, flowing, signal)
  const others = targets.slice(1).map(({ name }) => name)
  reportMounts(measures, others, memory)
} catch (error) {
  if (!signal.aborted) throw error
  process.exitCode = 130
} finally {
  if (signal.aborted) tell('interrupted: cleaning up')
  overSsh?.close()
  await endProduct(machine)
  await endProduct(other)
  rmSync(scratch, { recursive: true, force: true })
}

/** With 9p the files of a host's root are those of the guest's: so all is measured as root. */
function asRoot(product: Product, words: string[]): Promise<string> {
  return inGuest(product, ['sudo', ...words], signal)
}

async function measureAll(targets: Target[]): Promise<MountMeasure[]> {
  const chosen = tests.filter(({ name }) => only === undefined || only.includes(name))
  const measures = chosen.map(({ what, wanted }) => ({ what, wanted, times: {} as Record<string, number[]> }))
  for (const target of targets) {
    await asRoot(target.machine, ['mkdir', '-p', target.folder])
    if (target.name === 'disk')
      await asRoot(machine, ['tar', '-xf', `${tools}/repo.tar`, '-C', target.folder])
    // The shares show folders of the host, so that it can fill them.
    else await run('cp', ['-a', `${share}/repo`, path.join(share, target.name)], { signal })
  }
  for (let round = 1; round <= runs; round++) {
    for (const target of targets) await asRoot(target.machine, ['mkdir', `${target.folder}/${round}`])
    // Who comes first changes: what the one leaves behind then burdens neither more than the other.
    const order = round % 2 === 1 ? targets : targets.toReversed()
    for (const [index, test] of chosen.entries()) {
      const told: string[] = []
      for (const target of order) {
        const words = [test.name, `${target.folder}/${round}`, String(test.size ?? 0)]
        const ms = Number(await asRoot(target.machine, ['bash', `${tools}/mounts-guest.sh`, ...words]))
        const times = measures[index]?.times ?? {}
        times[target.name] = [...(times[target.name] ?? []), ms]
        told.push(`${target.name} ${ms}`)
      }
      tell(`run ${round} of ${runs}, ${test.what}: ${told.join(', ')} ms`)
    }
  }
  return measures
}

/** A second machine with 9p for its mount, where this can be. */
async function nineP(): Promise<Target[]> {
  const help = await run(process.execPath, [machine.main, 'start', '--help'], { env: machine.env, signal })
  if (!help.stdout.includes('--mount-type')) return without9p('this version has no --mount-type')
  try {
    await startMachine(other, share, ['--mount-type', '9p'], signal)
  } catch (error) {
    if (signal.aborted) throw error
    return without9p(messageOf(error))
  }
  await putTools(other)
  return [{ name: '9p', machine: other, folder: `${share}/9p` }]
}

function without9p(reason: string): [] {
  tell(`no 9p: ${reason}`)
  return []
}

async function putTools(product: Product): Promise<void> {
  await inGuest(product, ['mkdir', tools], signal)
  await inGuest(product, ['tar', '-xf', `${share}/tools.tar`, '-C', tools], signal)
}

function machineNamed(profile: string): Product {
  return {
    main: path.resolve('dist/main.cjs'),
    // Nothing of the developer's own machines and docker settings.
    env: {
      HOME: scratch,
      TCOLIMA_HOME: home,
      TCOLIMA_PROFILE: undefined,
      DOCKER_CONFIG: path.join(scratch, 'docker'),
      DOCKER_HOST: undefined,
      DOCKER_CONTEXT: undefined,
    },
    paths: instancePaths(home, profile),
  }
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`)
}
