import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { proveAccelerator, type ProofInput } from '../../../src/vm/prove.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'tcolima-prove-'))
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

// Finds the file that stands for the guest's console, as QEMU would.
const console = `for word; do case $word in file,id=console,path=*) serial=\${word#*path=} ;; esac; done`

/** A shell script that stands in for QEMU. */
async function standIn(script: string, more: Partial<ProofInput> = {}): Promise<ProofInput> {
  const program = path.join(dir, 'qemu')
  await writeFile(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return { program, arch: 'x86_64', kernel: '/k', initrd: '/i', limitMs: 20_000, ...more }
}

describe('works', () => {
  test('when the first program of the guest spoke', async () => {
    const input = await standIn(`${console}; printf 'kernel\\r\\ntcolima-probe-ok\\r\\n' >"$serial"`)
    expect(await proveAccelerator('kvm', input)).toEqual({ works: true })
  })

  test.each([
    ['kvm', 'x86_64', ['-cpu host', '-accel kvm', '-machine q35', 'console=ttyS0']],
    ['hvf', 'aarch64', ['-cpu host', '-accel hvf', '-machine virt', 'console=ttyAMA0']],
  ] as const)('%s on %s: what QEMU is asked', async (name, arch, words) => {
    const said = path.join(dir, 'said')
    const input = await standIn(`echo "$@" >'${said}'`, { arch })
    await proveAccelerator(name, input)
    const line = await readFile(said, 'utf8')
    for (const word of [...words, '-kernel /k', '-initrd /i', 'tcolima.probe', '-qmp stdio']) {
      expect(line).toContain(word)
    }
  })
})

const stopped = `echo '{"timestamp":{},"event":"STOP"}'`

describe('does not work', () => {
  test.each<[string, string, string | RegExp]>([
    [
      'QEMU ends with a message',
      `echo 'qemu-system-x86_64: failed to initialize kvm: Permission denied' >&2; exit 1`,
      'failed to initialize kvm: Permission denied',
    ],
    [
      'a warning is not the reason',
      `echo 'qemu-system-x86_64: warning: old machine' >&2; echo >&2; echo 'ioctl failed' >&2; exit 1`,
      'ioctl failed',
    ],
    ['QEMU ends without a message', 'exit 3', 'QEMU ended with exit code 3'],
    ['QEMU is killed', 'kill -KILL $$', 'QEMU ended with SIGKILL'],
    ['the guest ends at once', 'exit 0', 'the guest ended without a word'],
    [
      'the guest stops with an internal error',
      // Says so only when it is asked, as QEMU does.
      `read -r hello; ${stopped}; read -r asked; case $asked in *query-status*) ;; *) exit 9 ;; esac
       echo '{"return":{"status":"internal-error","running":false}}'; exec sleep 60`,
      'the guest stopped with an internal error',
    ],
    [
      'the guest stops with an input-output error',
      `echo '{"return":{"status":"io-error"}}'; exec sleep 60`,
      'the guest stopped with an internal error',
    ],
  ])('%s', async (_, script, reason) => {
    expect(await proveAccelerator('kvm', await standIn(script))).toEqual({ works: false, reason })
  })

  test('nothing happens within the limit', async () => {
    const input = await standIn('exec sleep 60', { limitMs: 200 })
    expect(await proveAccelerator('kvm', input)).toEqual({
      works: false,
      reason: 'the guest did not start within 0.2 s',
      // A busy host is no verdict to remember.
      passing: true,
    })
  })

  test('a program that is not there', async () => {
    const input = { ...(await standIn('')), program: path.join(dir, 'none') }
    expect(await proveAccelerator('kvm', input)).toMatchObject({
      works: false,
      reason: expect.stringContaining('ENOENT') as string,
    })
  })
})

test('aborted: cancelled, and QEMU is gone', async () => {
  const controller = new AbortController()
  const input = await standIn(`echo $$ >'${path.join(dir, 'pid')}'; exec sleep 60`, {
    signal: controller.signal,
  })
  const proof = expect(proveAccelerator('kvm', input)).rejects.toMatchObject({ code: 'cancelled' })
  while (!(await readdir(dir)).includes('pid')) {
    await new Promise((resolve) => {
      setTimeout(resolve, 10)
    })
  }
  controller.abort()
  await proof
  const pid = Number(await readFile(path.join(dir, 'pid'), 'utf8'))
  expect(() => process.kill(pid, 0)).toThrow(/ESRCH/)
})

test('leaves nothing in the temporary folder', async () => {
  const input = await standIn(`${console}; echo "$serial" >'${path.join(dir, 'serial')}'`)
  await proveAccelerator('kvm', input)
  const serial = (await readFile(path.join(dir, 'serial'), 'utf8')).trim()
  expect(path.basename(serial)).toBe('serial.log')
  await expect(readFile(serial)).rejects.toMatchObject({ code: 'ENOENT' })
  await expect(readdir(path.dirname(serial))).rejects.toMatchObject({ code: 'ENOENT' })
})
