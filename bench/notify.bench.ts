import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { table } from '../src/cli/render/table.ts'
import { delay } from '../src/host/delay.ts'
import { run } from '../src/host/run.ts'
import { agentFigures } from './agent-figures.ts'
import { benchMachine, interruption, startMachine } from './machine.ts'
import { endProduct } from './product.ts'
import { keepResults, median, numberWanted } from './report.ts'

// From an edit on the host to what a watcher in the guest sees of it, against the same way without an edit.
const quick = process.argv.includes('--quick')
const edits = numberWanted('--runs', quick ? 20 : 200)
const burst = quick ? 300 : 5000
const watchedFiles = quick ? 1000 : 20_000
const restMs = quick ? 5000 : 30_000
const limitMs = 180_000

const scratch = mkdtempSync(path.join(tmpdir(), 'tcolima-bench-'))
const share = path.join(scratch, 'share')
const machine = benchMachine(scratch)
const signal = interruption()

/** A watcher in the guest: its lines, each with when it came. */
class Watcher {
  readonly lines: { text: string; at: number }[] = []
  readonly #child: ChildProcessByStdio<null, Readable, null>

  constructor(folder: string) {
    const args = [machine.main, 'ssh', 'bench', '--', 'perl', path.join(share, 'notify-guest.pl'), folder]
    this.#child = spawn(process.execPath, args, {
      env: { ...process.env, ...machine.env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    createInterface(this.#child.stdout).on('line', (text) => this.lines.push({ text, at: performance.now() }))
  }

  /** Waits for a line that fits, from the one numbered `from` on; gives when it came. */
  async time(fits: (text: string) => boolean, from = 0): Promise<number> {
    const until = performance.now() + limitMs
    for (let next = from; ; ) {
      for (; next < this.lines.length; next++) {
        const line = this.lines[next]
        if (line && fits(line.text)) return line.at
      }
      if (performance.now() > until) throw new Error(`not seen in the guest: ${String(fits)}`)
      await delay(2, signal)
    }
  }

  end(): void {
    this.#child.kill()
  }
}

try {
  mkdirSync(share)
  copyFileSync('bench/notify-guest.pl', path.join(share, 'notify-guest.pl'))
  tell('starting the machine: builds its image, which takes a while')
  await startMachine(machine, share, [], signal)
  const results = { ...(await single()), ...(await many()), ...(await checkout()), ...(await rest()) }
  const rows = Object.entries(results).map(([what, value]) => [what, String(value)])
  process.stdout.write(table([['WHAT', 'RESULT'], ...rows]))
  keepResults('notify', results)
} catch (error) {
  if (!signal.aborted) throw error
  process.exitCode = 130
} finally {
  await endProduct(machine)
  rmSync(scratch, { recursive: true, force: true })
}

/** Edits one after the other, each when the one before has been seen. */
async function single(): Promise<Record<string, number>> {
  const folder = path.join(share, 'single')
  mkdirSync(folder)
  const watcher = await watching(folder)
  const event: number[] = []
  const content: number[] = []
  const command: number[] = []
  for (let n = 1; n <= edits; n++) {
    const from = watcher.lines.length
    const began = performance.now()
    writeFileSync(path.join(folder, `edit${n % 7}`), `text ${n}\n`)
    event.push((await watcher.time((text) => text.endsWith(`/edit${n % 7}`), from)) - began)
    content.push((await watcher.time((text) => text === `content text ${n}`, from)) - began)
    if (n % 20 !== 0) continue
    const start = performance.now()
    await run(process.execPath, [machine.main, 'ssh', 'bench', '--', 'true'], {
      env: { ...process.env, ...machine.env },
      signal,
    })
    command.push(performance.now() - start)
  }
  watcher.end()
  return {
    'edits one by one': edits,
    'edit to event, p50 ms': Math.round(median(event)),
    'edit to event, p99 ms': Math.round(percentile(event, 0.99)),
    'edit to new content read, p50 ms': Math.round(median(content)),
    'edit to new content read, p99 ms': Math.round(percentile(content, 0.99)),
    'baseline, a command in the guest, p50 ms': Math.round(median(command)),
  }
}

/** Many files made at once. */
async function many(): Promise<Record<string, number>> {
  const folder = path.join(share, 'many')
  mkdirSync(folder)
  const watcher = await watching(folder)
  const began = performance.now()
  for (let n = 0; n < burst; n++) writeFileSync(path.join(folder, `file${n}`), `${n}\n`)
  const told = () => distinct(watcher, /\/file\d+$/)
  const until = performance.now() + limitMs
  while (told() < burst && performance.now() < until) await delay(50, signal)
  const ms = performance.now() - began
  const lost = burst - told()
  watcher.end()
  return { 'files made at once': burst, 'until the last event, ms': Math.round(ms), 'events lost': lost }
}

/** A branch with other content in half of its files. */
async function checkout(): Promise<Record<string, number>> {
  const folder = path.join(share, 'repository')
  const files = burst / 5
  const git = (...words: string[]) =>
    run('git', ['-c', 'user.name=bench', '-c', 'user.email=bench@example.org', ...words], {
      cwd: folder,
      signal,
    })
  mkdirSync(folder)
  for (let n = 0; n < files; n++) {
    mkdirSync(path.join(folder, `d${n % 20}`), { recursive: true })
    writeFileSync(path.join(folder, `d${n % 20}`, `f${n}`), `${n}\n`)
  }
  await git('init', '-q', '-b', 'one')
  await git('add', '.')
  await git('commit', '-q', '-m', 'one')
  await git('checkout', '-q', '-b', 'two')
  for (let n = 0; n < files; n += 2) writeFileSync(path.join(folder, `d${n % 20}`, `f${n}`), `other ${n}\n`)
  await git('commit', '-q', '-a', '-m', 'two')
  const watcher = await watching(folder)
  const began = performance.now()
  await git('checkout', '-q', 'one')
  const told = () => distinct(watcher, /\/f\d+$/)
  const until = performance.now() + limitMs
  while (told() < files / 2 && performance.now() < until) await delay(50, signal)
  const ms = performance.now() - began
  const lost = files / 2 - told()
  watcher.end()
  return {
    'files of a checkout': files / 2,
    'checkout to the last event, ms': Math.round(ms),
    'checkout, events lost': lost,
  }
}

/** What watching costs while nothing happens. */
async function rest(): Promise<Record<string, number>> {
  const folder = path.join(share, 'rest')
  for (let n = 0; n < watchedFiles; n++) {
    if (n % 40 === 0) mkdirSync(path.join(folder, `d${n / 40}`), { recursive: true })
    writeFileSync(path.join(folder, `d${Math.floor(n / 40)}`, `f${n}`), '')
  }
  const before = agentFigures(machine)
  const watcher = await watching(folder)
  // All has been read when an edit in the last folder comes through.
  writeFileSync(path.join(folder, `d${Math.floor((watchedFiles - 1) / 40)}`, 'edit'), 'there\n')
  await watcher.time((text) => text === 'content there')
  const begin = agentFigures(machine)
  await delay(restMs, signal)
  const end = agentFigures(machine)
  watcher.end()
  return {
    'watched files': watchedFiles,
    'agent at rest, % of a processor': Math.round(((end.cpuMs - begin.cpuMs) / restMs) * 1000) / 10,
    'agent memory, MiB': Math.round(end.memory),
    'of that for watching, MiB': Math.round(end.memory - before.memory),
  }
}

/** Starts a watcher and waits until the host watches for it. */
async function watching(folder: string): Promise<Watcher> {
  const watcher = new Watcher(folder)
  await watcher.time((text) => text.startsWith('ready'))
  const until = performance.now() + limitMs
  for (let n = 0; ; n++) {
    if (performance.now() > until) throw new Error('the host does not watch')
    writeFileSync(path.join(folder, 'edit'), `probe ${n}\n`)
    const came = watcher.time((text) => text === `content probe ${n}`, 0)
    const seen = await Promise.race([came.then(() => true), delay(1000, signal).then(() => false)])
    came.catch(() => undefined)
    if (seen) return watcher
  }
}

/** How many different ends of this kind the watcher's lines have. */
function distinct(watcher: Watcher, end: RegExp): number {
  return new Set(watcher.lines.map(({ text }) => end.exec(text)?.[0]).filter((found) => found)).size
}

function percentile(numbers: number[], part: number): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`)
}
