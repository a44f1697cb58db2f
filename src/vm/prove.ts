import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { TcolimaError } from '../host/errors.ts'
import { type Accelerator, accelerator, cpuModel } from './command-line.ts'
import { escape } from './escape.ts'

/** What a proof needs. */
export interface ProofInput {
  program: string
  arch: 'x86_64' | 'aarch64'
  kernel: string
  initrd: string
  /** Milliseconds the guest has; 30 000 unless told. */
  limitMs?: number
  signal?: AbortSignal | undefined
}

/** `passing`: it may come out otherwise the next time, as on a busy host. */
export type Proof = { works: true } | { works: false; reason: string; passing?: true }

// What the image's first program prints when it is asked to prove that a guest runs.
const marker = 'tcolima-probe-ok'

/**
 * Runs the image's own kernel with an accelerator until its first program speaks. A device that opens proves little:
 * some hosts let a virtual machine be made and then fail to run an ordinary kernel in it. Gives the reason when it does
 * not work; throws only `cancelled`.
 */
export async function proveAccelerator(name: Accelerator, input: ProofInput): Promise<Proof> {
  const { program, arch, kernel, initrd, limitMs = 30_000, signal } = input
  if (signal?.aborted) throw cancelled()
  const folder = await mkdtemp(path.join(tmpdir(), 'tcolima-proof-'))
  const serial = path.join(folder, 'serial.log')
  const console = arch === 'aarch64' ? 'ttyAMA0' : 'ttyS0'
  const child = spawn(
    program,
    [
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
      ...['-machine', arch === 'aarch64' ? 'virt' : 'q35', ...accelerator(name)],
      ...['-cpu', cpuModel({ accelerator: name, arch, cpuType: '' }), '-m', '256M'],
      ...['-kernel', kernel, '-initrd', initrd],
      ...['-append', `console=${console} quiet panic=-1 tcolima.probe`],
      ...['-chardev', `file,id=console,path=${escape(serial)}`, '-serial', 'chardev:console'],
      // The monitor tells when the guest stopped for an error of the accelerator: QEMU itself then waits for ever.
      ...['-qmp', 'stdio'],
    ],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  )
  let errors = ''
  let internalError = false
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    child.kill('SIGKILL')
  }, limitMs)
  const abort = () => child.kill('SIGKILL')
  signal?.addEventListener('abort', abort, { once: true })
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString()
    if (said.includes('"STOP"')) child.stdin.write('{"execute":"query-status"}\n')
    if (said.includes('internal-error') || said.includes('io-error')) {
      internalError = true
      child.kill('SIGKILL')
    }
  })
  // QEMU may be gone before it reads this.
  child.stdin.on('error', () => undefined)
  child.stdin.write('{"execute":"qmp_capabilities"}\n')
  try {
    const exit = await new Promise<string | undefined>((resolve) => {
      child.once('error', (error) => resolve(error.message))
      child.once('close', (code, ended) =>
        resolve(code === 0 ? undefined : `QEMU ended with ${ended ?? `exit code ${code}`}`),
      )
    })
    if (signal?.aborted) throw cancelled()
    const printed = await readFile(serial, 'utf8').catch(() => '')
    if (printed.includes(marker)) return { works: true }
    if (internalError) return failed('the guest stopped with an internal error')
    if (timedOut) return { ...failed(`the guest did not start within ${limitMs / 1000} s`), passing: true }
    return failed(firstLine(errors) ?? exit ?? 'the guest ended without a word')
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
    await rm(folder, { recursive: true, force: true })
  }
}

function cancelled(): TcolimaError {
  return new TcolimaError('cancelled', 'the test of the accelerator was cancelled')
}

function failed(reason: string): { works: false; reason: string } {
  return { works: false, reason }
}

function firstLine(text: string): string | undefined {
  const line = text
    .split('\n')
    .map((each) => each.trim())
    .find((each) => each !== '' && !each.includes('warning:'))
  return line?.replace(/^qemu-system-\w+: /, '')
}
