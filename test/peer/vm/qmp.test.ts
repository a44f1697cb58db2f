import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { delay } from '../../../src/host/delay.ts'
import { guestDoor } from '../../../src/portforward/guest-door.ts'
import {
  addHostfwd,
  addLoopbackHostfwd,
  parseUsernet,
  removeHostfwd,
} from '../../../src/portforward/hostfwd.ts'
import { emulatedProcessorsLast } from '../../../src/vm/emulated-processors.ts'
import { Qmp, type QmpEvent } from '../../../src/vm/qmp.ts'
import { firstConnection } from './first-connection.ts'

let dir: string
let socket: string
let qemu: ChildProcess | undefined
let server: Server | undefined
beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'tcolima-qmp-'))
  socket = path.join(dir, 'qmp.sock')
})
afterEach(async () => {
  if (qemu && qemu.exitCode === null && qemu.signalCode === null) {
    const ended = once(qemu, 'exit')
    qemu.kill('SIGKILL')
    await ended
  }
  qemu = undefined
  server?.close()
  server = undefined
  await rm(dir, { recursive: true, force: true })
})

/** A QEMU without a machine, and a connection to its monitor. */
async function start(machine = ['-machine', 'none']): Promise<Qmp> {
  qemu = spawn(
    'qemu-system-x86_64',
    [
      ...[...machine, '-nodefaults', '-no-user-config', '-display', 'none'],
      ...['-netdev', 'user,id=net0', '-qmp', `unix:${socket},server=on,wait=off`],
    ],
    { stdio: 'ignore' },
  )
  return await firstConnection(qemu, socket)
}

describe('a real QEMU', () => {
  test('commands, their errors, the human monitor, events', async () => {
    const qmp = await start()
    expect(await qmp.execute('query-version')).toMatchObject({
      qemu: { major: expect.any(Number) as number },
    })
    await expect(qmp.execute('no-such-command')).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringMatching(/^QEMU: .*no-such-command/) as string,
    })
    expect(await qmp.human('info version')).toMatch(/^\d+\.\d+/)
    expect(await qmp.human('nonsense')).toContain("unknown command: 'nonsense'")

    // Answers find those who asked, whatever their order.
    const [status, name] = await Promise.all([qmp.execute('query-status'), qmp.execute('query-name')])
    expect(status).toHaveProperty('running')
    expect(name).toEqual({})

    const events: QmpEvent[] = []
    qmp.on('event', (event) => events.push(event))
    const closed = once(qmp, 'close')
    await qmp.execute('quit')
    await closed
    expect(events.map(({ event }) => event)).toContain('SHUTDOWN')
    await expect(qmp.execute('query-status')).rejects.toMatchObject({
      code: 'failed',
      message: 'QEMU is gone (query-status)',
    })
  })

  test.skipIf(process.platform !== 'linux')('emulated processors come after the rest of QEMU', async () => {
    const qmp = await start(['-machine', 'q35', '-accel', 'tcg,thread=multi', '-smp', '2', '-S'])
    // proc_pid_stat(5): the nice value is the nineteenth field, the seventeenth after the name.
    const nice = () =>
      readdirSync(`/proc/${qemu?.pid}/task`).map((thread) => {
        const stat = readFileSync(`/proc/${qemu?.pid}/task/${thread}/stat`, 'utf8')
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16])
      })
    expect(nice().filter((each) => each >= 10)).toEqual([])
    await emulatedProcessorsLast(qmp)
    expect(nice().filter((each) => each === 10)).toHaveLength(2)
    expect(nice()).toContain(os.getPriority())
  })

  test('rules of the user network: added, listed, refused when taken, removed', async () => {
    const qmp = await start()
    const human = (line: string) => qmp.human(line)
    const probe = createServer()
    probe.listen(0, '127.0.0.1')
    await once(probe, 'listening')
    const { port: taken } = probe.address() as { port: number }
    await expect(addHostfwd(human, '127.0.0.1', taken, 22)).rejects.toMatchObject({ code: 'failed' })
    probe.close()
    await once(probe, 'close')
    // The port that has just been given back is free for a while.
    await addHostfwd(human, '127.0.0.1', taken, 22)
    const rule = { proto: 'tcp', hostAddress: '127.0.0.1', hostPort: taken, guestPort: 22 }
    expect(parseUsernet(await human('info usernet'))).toEqual([rule])
    await expect(addHostfwd(human, '127.0.0.1', taken, 23)).rejects.toThrow(/is taken/)
    await removeHostfwd(human, '127.0.0.1', taken)
    await removeHostfwd(human, '127.0.0.1', taken)
    expect(parseUsernet(await human('info usernet'))).toEqual([])
    await addHostfwd(human, '0.0.0.0', taken, 80)
    expect(parseUsernet(await human('info usernet'))).toEqual([
      { proto: 'tcp', hostAddress: '0.0.0.0', hostPort: taken, guestPort: 80 },
    ])
    await addHostfwd(human, '127.0.0.1', taken, 53, 'udp')
    expect(parseUsernet(await human('info usernet'))).toContainEqual({ ...rule, proto: 'udp', guestPort: 53 })
    qmp.close()
  })

  test('many connections at once, and QEMU is slow: it gets every one of them', async () => {
    const qmp = await start()
    const human = (line: string) => qmp.human(line)
    const port = await addLoopbackHostfwd(human, 80)
    const door = guestDoor(
      async () => port,
      () => human('info version'),
    )
    qemu?.kill('SIGSTOP')
    let opened = 0
    const opening = Array.from({ length: 100 }, async () => {
      const socket = await door.open()
      opened++
      return socket
    })
    try {
      // The system would say yes to all of them and forget most.
      await Promise.race([opening[2], delay(300, new AbortController().signal)])
      expect(opened).toBe(2)
    } finally {
      qemu?.kill('SIGCONT')
    }
    const sockets = await Promise.all(opening)
    const taken = async () => (await human('info usernet')).match(/TCP\[SYN_SENT\]/g)?.length
    await expect.poll(taken).toBe(100)
    for (const socket of sockets) socket.destroy()
    qmp.close()
  })

  test('killed: close once, and nobody waits on', async () => {
    const qmp = await start()
    let closed = 0
    qmp.on('close', () => closed++)
    qemu?.kill('SIGSTOP')
    const waiting = expect(qmp.execute('query-status')).rejects.toMatchObject({ message: 'QEMU ended' })
    qemu?.kill('SIGKILL')
    await waiting
    qmp.close()
    await new Promise((resolve) => {
      setTimeout(resolve, 20)
    })
    expect(closed).toBe(1)
  })

  test('a second connection is possible once the first has closed', async () => {
    const first = await start()
    const closed = once(first, 'close')
    first.close()
    await closed
    const second = await Qmp.connect(socket)
    expect(await second.execute('query-status')).toHaveProperty('running')
    second.close()
  })
})

describe('nobody answers', () => {
  test('no socket', async () => {
    await expect(Qmp.connect(socket)).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('does not answer: connect ENOENT') as string,
    })
  })

  test('a socket that is accepted and silent', async () => {
    server = createServer((client) => client.on('error', () => undefined))
    server.listen(socket)
    await once(server, 'listening')
    const began = performance.now()
    await expect(Qmp.connect(socket, 100)).rejects.toMatchObject({
      code: 'failed',
      message: "QEMU's monitor does not answer",
    })
    expect(performance.now() - began).toBeLessThan(5000)
  })
})
