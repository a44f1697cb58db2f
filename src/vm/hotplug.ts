import { TcolimaError } from '../host/errors.ts'
import { mountTag } from './mount-devices.ts'
import type { Qmp, QmpEvent } from './qmp.ts'

// Milliseconds: the device goes at once, whether or not the guest takes notice.
const goneLimitMs = 10_000

/**
 * Adds the serial port of a mount to a running machine; QEMU listens on the socket at `path`. What an earlier attempt
 * left is taken away first. Throws `failed` with QEMU's words; nothing is left then.
 */
export async function plugMount(qmp: Qmp, index: number, path: string): Promise<void> {
  const chardev = `mount${index}`
  await unplugMount(qmp, index)
  const addr = { type: 'unix', data: { path } }
  const backend = { type: 'socket', data: { addr, server: true, wait: false } }
  await qmp.execute('chardev-add', { id: chardev, backend })
  try {
    await qmp.execute('device_add', {
      driver: 'virtserialport',
      bus: 'serial0.0',
      id: `port-${chardev}`,
      chardev,
      name: mountTag(index),
    })
  } catch (error) {
    await qmp.execute('chardev-remove', { id: chardev })
    throw error
  }
}

/** Takes the serial port of a mount away, where there is one. Throws `failed` when QEMU keeps it. */
export async function unplugMount(qmp: Qmp, index: number): Promise<void> {
  const chardev = `mount${index}`
  const device = `port-${chardev}`
  if (await hasDevice(qmp, device)) {
    const gone = deviceGone(qmp, device)
    await Promise.all([gone, qmp.execute('device_del', { id: device })])
  }
  if (await hasChardev(qmp, chardev)) await qmp.execute('chardev-remove', { id: chardev })
}

async function hasDevice(qmp: Qmp, id: string): Promise<boolean> {
  const found = (await qmp.execute('qom-list', { path: '/machine/peripheral' })) as { name: string }[]
  return found.some(({ name }) => name === id)
}

async function hasChardev(qmp: Qmp, id: string): Promise<boolean> {
  const found = (await qmp.execute('query-chardev')) as { label: string }[]
  return found.some(({ label }) => label === id)
}

async function deviceGone(qmp: Qmp, id: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const finish = (error?: Error) => {
      clearTimeout(timer)
      qmp.off('event', look)
      if (error) reject(error)
      else resolve()
    }
    const look = ({ event, data }: QmpEvent) => {
      if (event === 'DEVICE_DELETED' && data?.device === id) finish()
    }
    const timer = setTimeout(
      () => finish(new TcolimaError('failed', `QEMU did not let go of ${id} within ${goneLimitMs / 1000} s`)),
      goneLimitMs,
    )
    qmp.on('event', look)
  })
}
