import { closeSync, existsSync, openSync, readSync, statSync, watchFile } from 'node:fs'
import { Writable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { TcolimaError } from '../../host/errors.ts'
import { lastLines, printable } from '../../host/text.ts'
import { instancePaths } from '../../instance/paths.ts'
import { type CommandContext, isOn, textOf } from '../command.ts'
import { runInGuest } from '../guest-run.ts'
import { jsonLine } from '../render/output.ts'
import { requireRunning } from '../running.ts'

// What the guest's journal has; k3s is the kubelet too.
const guestUnits: Record<string, string[]> = {
  docker: ['docker.service'],
  containerd: ['containerd.service'],
  podman: ['podman.service'],
  kubelet: ['kubelet.service', 'k3s.service'],
}

// Milliseconds between two looks at a file that is followed.
const followMs = 200

/** `tcolima logs` */
export async function run(context: CommandContext): Promise<number> {
  const { home, profile } = context
  const paths = instancePaths(home, profile)
  const sources: Record<string, string> = {
    agent: paths.agentLog,
    qemu: paths.qemuLog,
    serial: paths.serialLog,
  }
  const source = textOf(context, 'source') ?? 'agent'
  const file = sources[source]
  const units = guestUnits[source]
  if (file === undefined && units === undefined) {
    const names = [...Object.keys(sources), ...Object.keys(guestUnits)]
    throw new TcolimaError('usage', `--source takes ${names.join(', ')}, not ${source}`)
  }
  const lines = Number(textOf(context, 'lines') ?? '100')
  if (!Number.isInteger(lines) || lines < 0) throw new TcolimaError('usage', '--lines takes a whole number')
  if (file === undefined) return await journal(context, source, units ?? [], lines)
  if (!existsSync(file)) throw new TcolimaError('not-found', `${profile} has no ${source} log yet`)
  const end = statSync(file).size
  const { print } = printer(context, source)
  for (const line of lines === 0 ? [] : lastLines(file, lines)) print(`${printable(line)}\n`)
  if (isOn(context, 'follow')) await follow(file, end, print)
  return 0
}

/** Prints what comes in pieces: as it is, or with --json an object for each line. */
function printer({ output }: CommandContext, source: string) {
  if (!output.json) return { print: output.out, end: () => undefined }
  let rest = ''
  const tell = (text: string) => jsonLine(output, { source, text })
  const print = (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) tell(line)
  }
  return { print, end: () => (rest === '' ? undefined : tell(rest)) }
}

/** Prints what units of the guest said, out of its journal. */
async function journal(
  context: CommandContext,
  source: string,
  units: string[],
  lines: number,
): Promise<number> {
  requireRunning(context)
  const { output } = context
  const command = ['sudo', '-n', 'journalctl', '--no-pager', '-n', String(lines)]
  for (const unit of units) command.push('-u', unit)
  if (isOn(context, 'follow')) command.push('-f')
  const decoder = new StringDecoder('utf8')
  const { print, end } = printer(context, source)
  const code = await runInGuest(context, command, {
    output: new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        print(printable(decoder.write(chunk)))
        done()
      },
    }),
    errors: (text) => output.err(printable(text)),
  })
  end()
  return code
}

/** Prints what is added to a file, from `start` on, until this process is ended. */
async function follow(file: string, start: number, print: (text: string) => void): Promise<never> {
  let at = start
  // A character may come in two parts.
  let decoder = new StringDecoder('utf8')
  const more = () => {
    const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0
    if (size < at) {
      // A new start begins the file anew.
      at = 0
      decoder = new StringDecoder('utf8')
    }
    if (size === at) return
    const handle = openSync(file, 'r')
    try {
      const buffer = Buffer.alloc(size - at)
      const length = readSync(handle, buffer, 0, buffer.length, at)
      at += length
      print(printable(decoder.write(buffer.subarray(0, length))))
    } finally {
      closeSync(handle)
    }
  }
  more()
  // Not fs.watch: it loses a file that is made anew, and knows nothing of some file systems.
  watchFile(file, { interval: followMs }, more)
  return await new Promise<never>(() => undefined)
}
