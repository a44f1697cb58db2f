import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { table } from '../src/cli/render/table.ts'
import { externalName } from '../src/config/profile.ts'
import { delay } from '../src/host/delay.ts'
import { agentFigures } from './agent-figures.ts'
import { benchMachine, interruption, startMachine } from './machine.ts'
import { endProduct } from './product.ts'
import { qemuPorts } from './qemu-ports.ts'
import { keepResults, median, runsWanted } from './report.ts'

// Ports of the guest as the host reaches them: through QEMU's network, where the rule behind the agent's port is measured alone
// too, and SSH; against `ssh -L` into the same guest.
const quick = process.argv.includes('--quick')
const runs = runsWanted(quick ? 1 : 3)
const megabytes = quick ? 16 : 64
const connections = quick ? 50 : 200
const restMs = quick ? 5000 : 20_000
const settleMs = quick ? 3000 : 30_000
const limitMs = 120_000

const scratch = mkdtempSync(path.join(tmpdir(), 'tcolima-bench-'))
const share = path.join(scratch, 'share')
const machine = benchMachine(scratch)
const signal = interruption()
const children: ChildProcessByStdio<Writable, Readable, null>[] = []

const raw = "QEMU's rule alone"
/** A way to the same server. `ssh -L` and QEMU's rule alone are the baselines. */
const ways = [
  { name: 'published (127.0.0.1)', host: '127.0.0.1', port: 28_000 },
  { name: 'published ([::1])', host: '::1', port: 28_000 },
  { name: 'ssh (loopback listener)', host: '127.0.0.1', port: 28_001 },
  { name: 'ssh -L', host: '127.0.0.1', port: 28_002 },
  // Where it listens is known when something has come over it.
  { name: raw, host: '127.0.0.1', port: 0 },
]

try {
  mkdirSync(share)
  copyFileSync('bench/ports-guest.pl', path.join(share, 'ports-guest.pl'))
  tell('starting the machine: builds its image, which takes a while')
  await startMachine(machine, share, [], signal)
  const rest = [{ forwards: 0, ...(await agentUse()) }]
  const server = await inGuest('serve', '0.0.0.0:28000', '127.0.0.1:28001')
  const alias = externalName(machine.paths.profile)
  const tunnel = ['-F', machine.paths.sshConfig, '-N', '-L', '28002:127.0.0.1:28000', alias]
  const ssh = spawn('ssh', tunnel, { stdio: 'ignore' })
  try {
    const measured = await measureWays()
    report(measured, await latency(), [...rest, await atRest(100), await atRest(1000)])
  } finally {
    ssh.kill()
    server.kill()
  }
} catch (error) {
  if (!signal.aborted) throw error
  process.exitCode = 130
} finally {
  for (const child of children) child.kill()
  await endProduct(machine)
  rmSync(scratch, { recursive: true, force: true })
}

/** Runs the guest's part until it says that all listens; gives the process. */
async function inGuest(...words: string[]): Promise<ChildProcessByStdio<Writable, Readable, null>> {
  const args = [machine.main, 'ssh', 'bench', '--', 'perl', path.join(share, 'ports-guest.pl'), ...words]
  const env = { ...process.env, ...machine.env }
  const child = spawn(process.execPath, args, { env, stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  await lineOf(child, 'ready all')
  return child
}

async function lineOf(child: ChildProcessByStdio<Writable, Readable, null>, wanted: string): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)])
  const lines = createInterface(child.stdout)
  try {
    await new Promise<void>((resolve, reject) => {
      limit.addEventListener('abort', () => reject(limit.reason as Error), { once: true })
      lines.on('line', (line) => line === wanted && resolve())
    })
  } finally {
    lines.close()
  }
}

interface Figures {
  /** MB a second. */
  down: number[]
  up: number[]
  /** Connections a second, one after the other. */
  short: number[]
}

async function measureWays(): Promise<Map<string, Figures>> {
  const measured = new Map<string, Figures>()
  for (let round = 1; round <= runs; round++) {
    for (const { name, host, port: own } of round % 2 === 1 ? ways : ways.toReversed()) {
      await reachable('127.0.0.1', 28_000)
      const port = own || (qemuPorts(machine)[0] ?? 0)
      await reachable(host, port)
      const figures = measured.get(name) ?? { down: [], up: [], short: [] }
      measured.set(name, figures)
      const bytes = megabytes * 2 ** 20
      figures.down.push(await speed(bytes, () => receive(host, port, bytes)))
      figures.up.push(await speed(bytes, () => send(host, port, bytes)))
      const began = performance.now()
      for (let count = 0; count < connections; count++) await greet(host, port)
      figures.short.push((connections * 1000) / (performance.now() - began))
      tell(`run ${round} of ${runs}, ${name}: ${JSON.stringify(last(figures))}`)
    }
  }
  return measured
}

function last({ down, up, short }: Figures): Record<string, number> {
  return { down: rounded(down.at(-1)), up: rounded(up.at(-1)), short: rounded(short.at(-1)) }
}

async function speed(bytes: number, work: () => Promise<void>): Promise<number> {
  const began = performance.now()
  await work()
  return bytes / 1000 / (performance.now() - began)
}

async function open(host: string, port: number): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true })
  await once(socket, 'connect', { signal: AbortSignal.any([signal, AbortSignal.timeout(limitMs)]) })
  return socket
}

async function receive(host: string, port: number, bytes: number): Promise<void> {
  const socket = await open(host, port)
  socket.write(`D ${bytes}\n`)
  let count = 0
  for await (const chunk of socket) count += (chunk as Buffer).length
  if (count !== bytes) throw new Error(`${count} bytes came, not ${bytes}`)
}

async function send(host: string, port: number, bytes: number): Promise<void> {
  const socket = await open(host, port)
  socket.write('U\n')
  const block = Buffer.alloc(65_536, 120)
  for (let sent = 0; sent < bytes; sent += block.length) {
    if (!socket.write(block)) await once(socket, 'drain', { signal })
  }
  socket.end()
  let answer = ''
  for await (const chunk of socket) answer += String(chunk)
  if (Number(answer) !== bytes) throw new Error(`the guest got ${answer.trim()} bytes, not ${bytes}`)
}

async function greet(host: string, port: number): Promise<void> {
  const socket = await open(host, port)
  socket.write('E\n')
  let answer = ''
  for await (const chunk of socket) answer += String(chunk)
  if (answer !== 'E\n') throw new Error(`no greeting: ${JSON.stringify(answer)}`)
}

async function reachable(host: string, port: number): Promise<void> {
  const until = performance.now() + limitMs
  for (;;) {
    try {
      return await greet(host, port)
    } catch (error) {
      if (signal.aborted || performance.now() > until) throw error
      await delay(5, signal)
    }
  }
}

/** From the guest's word that a port listens until the host's first connection, in milliseconds. */
async function latency(): Promise<number[]> {
  const child = await inGuest('listen', '0.0.0.0', '28100', '0')
  const times: number[] = []
  for (let port = 28_100; port < 28_100 + (quick ? 5 : 20); port++) {
    child.stdin.write(`${port}\n`)
    await lineOf(child, `ready ${port}`)
    const began = performance.now()
    await connected(port)
    times.push(performance.now() - began)
  }
  child.kill()
  return times
}

async function connected(port: number): Promise<void> {
  const until = performance.now() + limitMs
  for (;;) {
    try {
      const socket = await open('127.0.0.1', port)
      socket.destroy()
      return
    } catch (error) {
      if (signal.aborted || performance.now() > until) throw error
      await delay(2, signal)
    }
  }
}

async function atRest(forwards: number): Promise<{ forwards: number; cpu: number; memory: number }> {
  const child = await inGuest('listen', '0.0.0.0', '30000', String(forwards))
  await connected(30_000 + forwards - 1)
  // What came with them is over, collecting what they left in the agent's memory too.
  await delay(settleMs, signal)
  const use = await agentUse()
  child.kill()
  await once(child, 'exit')
  return { forwards, ...use }
}

/** The agent's CPU in milliseconds a second, and its memory in MiB. */
async function agentUse(): Promise<{ cpu: number; memory: number }> {
  const before = agentFigures(machine)
  await delay(restMs, signal)
  const { cpuMs, memory } = agentFigures(machine)
  return { cpu: ((cpuMs - before.cpuMs) * 1000) / restMs, memory }
}

function report(
  measured: Map<string, Figures>,
  times: number[],
  rest: { forwards: number; cpu: number; memory: number }[],
): void {
  const base = measured.get('ssh -L')
  const rows = [...measured].map(([way, figures]) => {
    const [down, up, short] = [figures.down, figures.up, figures.short].map((each) => rounded(median(each)))
    const over = (own: number | undefined, its: number[] | undefined) =>
      rounded((own ?? 0) / median(its ?? []))
    const ratios = (its: Figures | undefined) => [
      over(down, its?.down),
      over(up, its?.up),
      over(short, its?.short),
    ]
    return { way, down, up, short, overSsh: ratios(base), overRule: ratios(measured.get(raw)) }
  })
  const heads = ['WAY', 'FROM GUEST MB/s', 'TO GUEST MB/s', 'CONNECTIONS/s', 'OVER ssh -L', 'OVER THE RULE']
  process.stdout.write(
    table([
      heads,
      ...rows.map((row) =>
        [row.way, row.down, row.up, row.short, row.overSsh.join(' '), row.overRule.join(' ')].map(String),
      ),
    ]),
  )
  const listen = { medianMs: rounded(median(times)), maxMs: rounded(Math.max(...times)) }
  process.stdout.write(`\nlisten to reachable: median ${listen.medianMs} ms, longest ${listen.maxMs} ms\n\n`)
  const use = rest.map(({ forwards, cpu, memory }) => [forwards, rounded(cpu), rounded(memory)].map(String))
  process.stdout.write(table([['LISTENERS', "AGENT'S CPU ms/s", 'MEMORY MiB'], ...use]))
  keepResults('ports', { rows, listen, rest })
}

function rounded(number: number | undefined): number {
  return Math.round((number ?? 0) * 10) / 10
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`)
}
