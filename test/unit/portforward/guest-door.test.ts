import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { guestDoor } from '../../../src/portforward/guest-door.ts'

let server: Server
let port: number
let accepted: Socket[]
let opened: Socket[]

beforeEach(async () => {
  accepted = []
  opened = []
  server = createServer((socket) => accepted.push(socket)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
})
afterEach(() => {
  for (const socket of [...opened, ...accepted]) socket.destroy()
  server.close()
})

/** A door, what resolves each wait for QEMU, and what opens a connection. */
function fixture() {
  const rounds: (() => void)[] = []
  const door = guestDoor(
    async () => port,
    () => new Promise<void>((resolve) => rounds.push(resolve)),
  )
  const open = async () => {
    const socket = await door.open()
    socket.sendTo(new PassThrough().resume())
    opened.push(socket)
  }
  return { rounds, open }
}

test('two may wait for QEMU; for the next two it has to go round', async () => {
  const { rounds, open } = fixture()
  const all = [open(), open(), open(), open(), open()]
  await expect.poll(() => [opened.length, rounds.length]).toEqual([2, 1])
  rounds[0]?.()
  await expect.poll(() => [opened.length, rounds.length]).toEqual([4, 2])
  rounds[1]?.()
  await Promise.all(all)
})

test('one that has brought something, or is gone, waits no more', async () => {
  const { rounds, open } = fixture()
  await open()
  await open()
  await expect.poll(() => accepted.length).toBe(2)
  accepted[0]?.write('x')
  await expect.poll(() => opened[0]?.bytesRead).toBe(1)
  await open()
  opened[1]?.destroy()
  await open()
  expect(rounds).toEqual([])
})

test('one that failed does not keep the others waiting', async () => {
  const { open } = fixture()
  const there = port
  port = 1
  const failed = open()
  await expect(failed).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  port = there
  await open()
})
