import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { terminate } from '../../src/host/processes.ts'
import { docker, endProcesses, eventually, processesOf, tcolima } from './harness.ts'

const shared = inject('shared')
const { home } = shared
const profile = 'survive'
const folder = path.join(shared.userHome, 'survive')
const at = (name: string) => path.join(folder, name)
const guest = (script: string) => tcolima(['ssh', profile, '--', 'sh', '-c', script])
/** Whole lines of a file that may not be there yet. */
const linesOf = (name: string) =>
  existsSync(at(name)) ? readFileSync(at(name), 'utf8').split('\n').slice(0, -1) : []
const numbers = (count: number) => Array.from({ length: count }, (_, n) => String(n + 1))

/** Adds lines to one open file, forever; says each number once its line is written. */
const appender = (file: string) =>
  `open my $f, '>>', '${file}' or die; $| = 1; for ($n = 1;; $n++) {
    syswrite($f, "$n\\n") == length("$n\\n") or die "write: $!"; print "$n\\n"; select undef, undef, undef, 0.01 }`

const start = () =>
  tcolima(['start', profile, '--cpus', '2', '--memory', '2', '--disk', '10', '--mount', `${folder}:w`])

async function killAgent(): Promise<void> {
  const { agent } = processesOf(home, profile)
  if (!agent) throw new Error('no agent')
  await terminate(agent, { graceMs: 0 })
}

async function takenUp(): Promise<void> {
  const again = await tcolima(['start', profile])
  expect(again.exitCode, String(again.stderr)).toBe(0)
}

beforeAll(async () => {
  mkdirSync(folder, { recursive: true })
  const started = await start()
  expect(started.exitCode, String(started.stderr)).toBe(0)
  await docker(profile, ['import', shared.busyboxTar, 'busybox'])
})

afterAll(async () => {
  await endProcesses(home, profile)
  await tcolima(['delete', profile, '--force', '--data'])
})

it('open files, a copy and a container’s bind go on when the agent is killed, again and again', async () => {
  const container = `exec 3>>/m/container; i=0; while [ $i -lt 1500 ]; do i=$((i + 1)); echo $i >&3; done; sleep 600`
  const ran = await docker(profile, [
    'run',
    '-d',
    '--name',
    'keeper',
    '-v',
    `${folder}:/m`,
    'busybox',
    'sh',
    '-c',
    container,
  ])
  expect(ran.exitCode, String(ran.stderr)).toBe(0)
  const program = `exec 3>>lines; for n in $(seq 2000); do echo $n >&3; done`
  await guest(`cd ${folder}; head -c 20M /dev/urandom >/tmp/big
    (${program}; touch lines-done) >lines-errors 2>&1 &
    (dd if=/tmp/big of=copy bs=64k; touch copy-done) >copy-errors 2>&1 &`)
  for (let turn = 0; turn < 3; turn++) {
    await killAgent()
    await takenUp()
  }
  await guest(`until [ -e ${at('lines-done')} ] && [ -e ${at('copy-done')} ]; do sleep 0.2; done`)
  expect(readFileSync(at('lines-errors'), 'utf8')).toBe('')
  expect(linesOf('lines')).toEqual(numbers(2000))
  expect((await guest(`cmp /tmp/big ${at('copy')}`)).exitCode).toBe(0)
  await eventually(() => (linesOf('container').length >= 1500 ? true : undefined), 120_000)
  expect(linesOf('container')).toEqual(numbers(1500))
  writeFileSync(at('from-host'), 'seen\n')
  expect((await docker(profile, ['exec', 'keeper', 'cat', '/m/from-host'])).stdout).toBe('seen')
  await docker(profile, ['rm', '-f', 'keeper'])
})

it('open files go on when the guest could not see that the agent was away', async () => {
  const writing = await guest(
    `cd ${folder}; perl -e '${appender('gap').replaceAll("'", '"')}' >/dev/null 2>gap-errors &`,
  )
  expect(writing.exitCode).toBe(0)
  await eventually(() => (linesOf('gap').length > 20 ? true : undefined), 60_000)
  const { qemu } = processesOf(home, profile)
  if (!qemu) throw new Error('no QEMU')
  process.kill(qemu.pid, 'SIGSTOP')
  await killAgent()
  const again = takenUp()
  await new Promise((resolve) => setTimeout(resolve, 3000))
  process.kill(qemu.pid, 'SIGCONT')
  await again
  const before = linesOf('gap').length
  await eventually(() => (linesOf('gap').length > before + 20 ? true : undefined), 60_000)
  const lines = linesOf('gap')
  expect(lines).toEqual(numbers(lines.length))
  expect(readFileSync(at('gap-errors'), 'utf8')).toBe('')
  await guest("pkill -f '^perl -e'")
})

it('a killed sshfs is mounted anew, once', async () => {
  await guest('sudo pkill -9 sshfs')
  writeFileSync(at('after'), 'seen')
  await eventually(async () => {
    const { stdout } = await guest(`timeout 5 cat ${at('after')}; grep -c ' ${folder} ' /proc/mounts`)
    return stdout === 'seen1' ? true : undefined
  }, 60_000)
})

it('a killed guest script leaves the mount and its open files alone', async () => {
  const seen =
    await guest(`cd ${folder}; exec 3>open; before=$(pgrep sshfs); sudo pkill -9 -f '^/usr/bin/perl /usr/lib/tcolima/guest'
    sleep 2; echo kept >&3; pgrep -f '^/usr/bin/perl /usr/lib/tcolima/guest' >/dev/null && [ "$before" = "$(pgrep sshfs)" ] && cat open`)
  expect([seen.stdout, seen.stderr]).toEqual(['kept', ''])
})

it('B47: a clock that is wrong is right again within a minute', async () => {
  for (const [by, said] of [
    ['+600', 'ahead'],
    ['-180', 'behind'],
  ]) {
    await guest(`sudo date -s '${by} sec'`)
    await eventually(async () => {
      const wrong = Math.abs(Number((await guest('date +%s')).stdout) - Date.now() / 1000)
      return wrong < 2.5 ? true : undefined
    }, 60_000)
    expect((await tcolima(['logs', profile])).stdout).toMatch(
      new RegExp(`the clock was .* s ${said}, and is set`),
    )
  }
})

it('a stop loses no byte that a program has written', async () => {
  const writing = tcolima(['ssh', profile, '--', 'perl', '-e', appender(at('stopped'))])
  await eventually(() => (linesOf('stopped').length > 50 ? true : undefined), 60_000)
  const stopped = await tcolima(['stop', profile])
  expect(stopped.exitCode, String(stopped.stderr)).toBe(0)
  expect(String(stopped.stderr)).not.toContain('QEMU was ended')
  const said = String((await writing).stdout).split('\n')
  const lines = linesOf('stopped')
  expect(lines).toEqual(numbers(lines.length))
  expect(lines.length).toBeGreaterThanOrEqual(Number(said.findLast((line) => /^\d+$/.test(line))))
})
