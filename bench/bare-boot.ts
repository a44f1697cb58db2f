import { mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { execa } from 'execa'
import { GuestLink } from '../src/guest/link.ts'
import { delay } from '../src/host/delay.ts'
import { terminate, waitForEnd } from '../src/host/processes.ts'
import { lastLines } from '../src/host/text.ts'
import { findImage } from '../src/image/store.ts'
import type { InstancePaths } from '../src/instance/paths.ts'
import { readRecord } from '../src/instance/record.ts'
import { readState } from '../src/instance/state.ts'
import { makeWindow } from '../src/mounts/window.ts'
import { qemuFacts } from '../src/vm/capabilities.ts'
import { qemuArguments, qemuProgram } from '../src/vm/command-line.ts'
import { launchQemu, type QemuProcess } from '../src/vm/process.ts'
import { Qmp } from '../src/vm/qmp.ts'

/** Milliseconds from starting QEMU until the guest said that a part of it is there. */
export interface BareTimes {
  boot: number
  docker: number
}

/**
 * Boots a stopped instance's disks (through throw-away overlays) with QEMU alone; gives the milliseconds from starting
 * QEMU until the guest says that it has booted, and that its engine is ready. Ends QEMU in any case, also on abort.
 */
export async function bareBoot(
  paths: InstancePaths,
  images: string,
  scratch: string,
  signal: AbortSignal,
): Promise<BareTimes> {
  const record = readRecord(paths.record)
  const state = readState(paths.state)
  const image = record && (await findImage(images, record.imageDigest))
  if (!record || !state || !image) throw new Error('no stopped instance to boot')
  const program = qemuProgram(record.arch)
  const { capabilities } = await qemuFacts(program)
  const folder = mkdtempSync(path.join(scratch, 'bare-'))
  const inside = (name: string) => path.join(folder, name)
  for (const [name, base] of [
    ['root.qcow2', paths.rootDisk],
    ['data.qcow2', paths.dataDisk],
  ] as const) {
    await execa('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', base, '-F', 'qcow2', inside(name)])
  }
  makeWindow(inside('window'))
  const args = qemuArguments({
    name: 'bare',
    arch: record.arch,
    accelerator: state.accelerator,
    cpuType: state.config.cpuType,
    cpus: state.config.cpus,
    memory: state.config.memory,
    kernel: image.kernel,
    initrd: image.initrd,
    rootDisk: inside('root.qcow2'),
    dataDisk: inside('data.qcow2'),
    seed: paths.seed,
    mac: record.mac,
    links: undefined,
    mounts: { type: 'sshfs', sockets: [], window: inside('window') },
    paths: {
      qmp: inside('qmp.sock'),
      names: inside('names.sock'),
      guestLink: inside('guest.sock'),
      serialLog: inside('serial.log'),
      pidFile: inside('qemu.pid'),
    },
    capabilities,
  })
  signal.throwIfAborted()
  const log = inside('qemu.log')
  const began = performance.now()
  const qemu = await launchQemu(program, args, log)
  try {
    const times = await guestTimes({ qemu, log, socket: inside('guest.sock'), began }, signal)
    await quit(inside('qmp.sock'), qemu)
    return times
  } finally {
    await terminate(qemu.id, { graceMs: 0 })
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Boot {
  qemu: QemuProcess
  log: string
  socket: string
  began: number
}

// Milliseconds, as in the product.
const readyLimitMs = 5 * 60_000
const lookMs = 10

/** Waits for the guest; throws when QEMU ends, the guest fails, the time is over, or on abort. */
async function guestTimes({ qemu, log, socket, began }: Boot, signal: AbortSignal): Promise<BareTimes> {
  const over = new AbortController()
  const limit = AbortSignal.any([signal, AbortSignal.timeout(readyLimitMs), over.signal])
  void qemu.ended.then((reason) =>
    over.abort(new Error(`QEMU ended: ${reason}\n${lastLines(log, 12).join('\n')}`)),
  )
  const link = await connected(socket, limit)
  try {
    return await new Promise<BareTimes>((resolve, reject) => {
      const fail = () => reject(limit.reason as Error)
      if (limit.aborted) fail()
      limit.addEventListener('abort', fail, { once: true })
      let boot = Number.NaN
      link.on('message', (message) => {
        const ms = performance.now() - began
        if (message.type === 'failed') reject(new Error(`${message.subject} failed in the guest`))
        if (message.type !== 'ready') return
        if (message.subject === 'boot' && Number.isNaN(boot)) boot = ms
        if (message.subject === 'docker') resolve({ boot, docker: ms })
      })
      link.send({ type: 'sync' })
    })
  } finally {
    link.close()
  }
}

/** Connects to the guest's link as soon as QEMU has made it. */
async function connected(socket: string, signal: AbortSignal): Promise<GuestLink> {
  for (;;) {
    signal.throwIfAborted()
    const link = await GuestLink.connect(socket).catch(() => undefined)
    if (link) return link
    await delay(lookMs, signal)
  }
}

async function quit(socket: string, qemu: QemuProcess): Promise<void> {
  const qmp = await Qmp.connect(socket)
  // QEMU may be gone before its answer is read.
  await qmp.execute('quit').catch(() => undefined)
  qmp.close()
  await waitForEnd(qemu.id, 5000)
}
