import { type spawn as spawnType } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { execa } from 'execa'
import { GuestLink } from '../src/guest/link.ts'
import { findImage } from '../src/image/store.ts'
import type { InstancePaths } from '../src/instance/paths.ts'
import { readRecord } from '../src/instance/record.ts'
import { readState } from '../src/instance/state.ts'
import { qemuFacts } from '../src/vm/capabilities.ts'
import { qemuArguments, qemuProgram } from '../src/vm/command-line.ts'

/**
 * Boots a stopped instance's disks (through throw-away overlays) with QEMU alone; gives the milliseconds from starting
 * QEMU until the guest says that its engine is ready. Ends QEMU in any case.
 */
export async function bareBoot(
  paths: InstancePaths,
  images: string,
  scratch: string,
  spawn: typeof spawnType,
): Promise<number> {
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
    mounts: 0,
    paths: {
      qmp: inside('qmp.sock'),
      guestLink: inside('guest.sock'),
      mountLink: () => '',
      serialLog: inside('serial.log'),
      pidFile: inside('qemu.pid'),
    },
    capabilities,
  })
  const began = performance.now()
  const child = spawn(program, args, { stdio: 'ignore' })
  const exited = once(child, 'exit')
  try {
    const link = await connected(inside('guest.sock'))
    const ready = new Promise<number>((resolve, reject) => {
      link.on('message', (message) => {
        if (message.type === 'ready' && message.subject === 'docker') resolve(performance.now() - began)
      })
      link.on('close', () => reject(new Error('QEMU ended before the guest was ready')))
    })
    link.send({ type: 'sync' })
    return await ready
  } finally {
    child.kill('SIGKILL')
    await exited
    rmSync(folder, { recursive: true, force: true })
  }
}

async function connected(socket: string): Promise<GuestLink> {
  const until = performance.now() + 10_000
  for (;;) {
    try {
      return await GuestLink.connect(socket)
    } catch (error) {
      if (performance.now() > until) throw error
      await new Promise((resolve) => {
        setTimeout(resolve, 10)
      })
    }
  }
}
