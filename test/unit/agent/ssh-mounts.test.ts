import { EventEmitter } from 'node:events'
import { PassThrough, type Duplex } from 'node:stream'
import { afterEach, describe, expect, test } from 'vitest'
import { type Listener, SshMounts } from '../../../src/agent/ssh-mounts.ts'
import { TcolimaError } from '../../../src/host/errors.ts'

/** A connection to a guest, whose programs connect to the sockets that it is asked for. */
class Guest extends EventEmitter<{ close: [] }> {
  open = true
  readonly sockets = new Map<string, (stream: Duplex) => void>()
  refusal: TcolimaError | undefined

  async listenUnix(socket: string, take: (stream: Duplex) => void): Promise<void> {
    if (this.refusal) throw this.refusal
    this.sockets.set(socket, take)
  }

  async unlistenUnix(socket: string): Promise<void> {
    this.sockets.delete(socket)
  }

  /** A program of the guest connects. */
  connect(index: number): PassThrough {
    const stream = new PassThrough()
    const take = this.sockets.get(`/run/tcolima/ssh/mount.${index}.sock`)
    if (!take) throw new Error(`nobody listens for ${index}`)
    take(stream)
    return stream
  }

  lose(): void {
    this.open = false
    this.emit('close')
  }
}

const stops: AbortController[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort()
})

/** A mount that is wanted until `stop` is aborted. */
function wanted(): AbortController {
  const stop = new AbortController()
  stops.push(stop)
  return stop
}

/** Gives one guest after the other, each as soon as the one before is lost. */
function mountsOf(...guests: Guest[]) {
  const lines: string[] = []
  let asked = 0
  const connect = async (signal: AbortSignal): Promise<Listener> => {
    const guest = guests[asked++]
    if (guest) return guest as unknown as Listener
    return await new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new TcolimaError('cancelled', 'over')), { once: true })
    })
  }
  return { mounts: new SshMounts(connect, (line) => lines.push(line)), lines, asked: () => asked }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('SshMounts', () => {
  test('each mount gets what connects to its own socket, whoever asked first', async () => {
    const guest = new Guest()
    const { mounts } = mountsOf(guest)
    const [a, b] = [mounts.next(29, wanted().signal), mounts.next(30, wanted().signal)]
    await turn()
    const second = guest.connect(30)
    const first = guest.connect(29)
    expect([await a, await b]).toEqual([first, second])
  })

  test('one that comes while the connection is there is listened for at once', async () => {
    const guest = new Guest()
    const { mounts, asked } = mountsOf(guest)
    void mounts.next(29, wanted().signal)
    await turn()
    const added = mounts.next(30, wanted().signal)
    await turn()
    expect(guest.connect(30)).toBe(await added)
    expect(asked()).toBe(1)
  })

  test('a connection that is lost is asked for again, and listens for all of them', async () => {
    const [before, after] = [new Guest(), new Guest()]
    const { mounts } = mountsOf(before, after)
    const { signal } = wanted()
    const first = mounts.next(29, signal)
    void mounts.next(30, wanted().signal)
    await turn()
    before.connect(29)
    await first
    before.lose()
    await turn()
    expect([...after.sockets.keys()]).toEqual([
      '/run/tcolima/ssh/mount.29.sock',
      '/run/tcolima/ssh/mount.30.sock',
    ])
    const next = mounts.next(29, signal)
    expect(after.connect(29)).toBe(await next)
  })

  test('who connects anew ends the connection before, taken or not', async () => {
    const guest = new Guest()
    const { mounts } = mountsOf(guest)
    const { signal } = wanted()
    const first = mounts.next(29, signal)
    await turn()
    const streams = [guest.connect(29)]
    await first
    streams.push(guest.connect(29), guest.connect(29))
    expect(streams.map((stream) => stream.destroyed)).toEqual([true, true, false])
    expect(await mounts.next(29, signal)).toBe(streams[2])
  })

  test('one that broke before it was taken is passed over', async () => {
    const guest = new Guest()
    const { mounts } = mountsOf(guest)
    const { signal } = wanted()
    const first = mounts.next(29, signal)
    await turn()
    guest.connect(29)
    await first
    guest.connect(29).destroy(new Error('reset'))
    const next = mounts.next(29, signal)
    await turn()
    expect(guest.connect(29)).toBe(await next)
  })

  test('a mount that ends is listened for no more; the others go on', async () => {
    const guest = new Guest()
    const { mounts } = mountsOf(guest)
    const [gone, stays] = [wanted(), wanted()]
    const waiting = mounts.next(29, gone.signal)
    const other = mounts.next(30, stays.signal)
    await turn()
    gone.abort()
    expect(await waiting).toBeUndefined()
    expect(await mounts.next(29, gone.signal)).toBeUndefined()
    expect([...guest.sockets.keys()]).toEqual(['/run/tcolima/ssh/mount.30.sock'])
    expect(guest.connect(30)).toBe(await other)
  })

  test('after the last one no connection is kept up, until there is one again', async () => {
    const [before, after] = [new Guest(), new Guest()]
    const { mounts, asked } = mountsOf(before, after)
    const first = wanted()
    void mounts.next(29, first.signal)
    await turn()
    first.abort()
    before.lose()
    await turn()
    expect(asked()).toBe(1)
    const next = mounts.next(29, wanted().signal)
    await turn()
    expect(after.connect(29)).toBe(await next)
  })

  test('a guest that refuses is said, and the other mounts go on', async () => {
    const guest = new Guest()
    guest.refusal = new TcolimaError('failed', 'the guest refused: no such folder')
    const { mounts, lines } = mountsOf(guest)
    void mounts.next(29, wanted().signal)
    await turn()
    expect(lines).toEqual(['mount 29 over SSH: the guest refused: no such folder'])
    guest.refusal = undefined
    const other = mounts.next(30, wanted().signal)
    await turn()
    expect(guest.connect(30)).toBe(await other)
  })

  test('a mount that ends while there is no connection is not waited for', async () => {
    const { mounts, lines } = mountsOf()
    const stop = wanted()
    const waiting = mounts.next(29, stop.signal)
    await turn()
    stop.abort()
    expect(await waiting).toBeUndefined()
    await turn()
    expect(lines).toEqual([])
  })
})
