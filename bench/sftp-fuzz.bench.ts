import { mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { table } from '../src/cli/render/table.ts'
import { decodeRequest } from '../src/mounts/codec-requests.ts'
import { FifoLock } from '../src/mounts/order.ts'
import { PacketReader } from '../src/mounts/packets.ts'
import { Fxp } from '../src/mounts/protocol.ts'
import { serveSftp } from '../src/mounts/server.ts'
import { duplexPair, packet } from '../test/unit/mounts/client.ts'
import { PacketMaker } from './packet-maker.ts'
import { keepResults, numberWanted } from './report.ts'

// Random and broken packets against the SFTP codec and whole sessions, as many as go in a minute or two. The numbers
// say how fast the server says no; the failures have to be none. `--seed N` repeats a run, `--runs N` does N times more.
const seed = numberWanted('--seed', 1)
const runs = numberWanted('--runs', 1)
const maker = new PacketMaker(seed)
const mark = 'the secret of the host'

interface Row {
  what: string
  packets: number
  seconds: number
  failures: string[]
}

const top = realpathSync(mkdtempSync(path.join(tmpdir(), 'tcolima-fuzz-')))
const share = path.join(top, 'share')
const outside = path.join(top, 'outside')
mkdirSync(path.join(share, 'dir'), { recursive: true })
mkdirSync(outside)
writeFileSync(path.join(share, 'file'), 'mine')
writeFileSync(path.join(share, 'dir/file'), 'mine')
writeFileSync(path.join(outside, 'secret'), mark)
symlinkSync('../outside', path.join(share, 'to-relative'))
const before = outsideState()
const stray: string[] = []
for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error) => stray.push(`${event}: ${String(error)}`))
}

try {
  const rows = [
    decoding(2_000_000 * runs),
    cutting(1_000_000 * runs),
    await sessions('writable sessions', true, 50_000 * runs),
    await sessions('read-only sessions', false, 50_000 * runs),
    await openRequests(1_000_000 * runs),
  ]
  const cells = rows.map(({ what, packets, seconds, failures }) =>
    [what, packets, seconds.toFixed(1), Math.round(packets / seconds), failures.length].map(String),
  )
  process.stdout.write(table([['WHAT', 'PACKETS', 'SECONDS', 'PACKETS/s', 'FAILURES'], ...cells]))
  keepResults('sftp-fuzz', { seed, rows })
  if (rows.some(({ failures }) => failures.length > 0)) process.exitCode = 1
} finally {
  rmSync(top, { recursive: true, force: true })
}

/** Single packets through the decoder. */
function decoding(packets: number): Row {
  return measured('decoder', packets, (fail) => {
    for (let n = 0; n < packets; n++) {
      const body = maker.next().subarray(4)
      try {
        decodeRequest(body)
      } catch (error) {
        fail(`${String(error)}: ${body.toString('hex')}`)
      }
    }
  })
}

/** Streams of packets, cut anywhere, through the packet reader and the decoder. */
function cutting(packets: number): Row {
  return measured('packet reader', packets, (fail) => {
    let reader = new PacketReader()
    for (let n = 0; n < packets; n += 20) {
      const stream = Buffer.concat(Array.from({ length: 20 }, () => maker.next()))
      try {
        for (let at = 0; at < stream.length; ) {
          const length = 1 + maker.below(200)
          reader.push(stream.subarray(at, at + length))
          at += length
          let next = reader.next()
          for (; typeof next !== 'string'; next = reader.next()) decodeRequest(next)
          if (next === 'bad') reader = new PacketReader()
        }
      } catch (error) {
        fail(String(error))
      }
    }
  })
}

/** Packets to sessions, of which the requests count; one that ends is followed by the next, as in the agent. */
async function sessions(what: string, writable: boolean, wanted: number): Promise<Row> {
  const failures: string[] = []
  const nameLock = new FifoLock()
  const began = performance.now()
  let packets = 0
  let count = 0
  for (; packets < wanted; count++) {
    const [near, far] = duplexPair()
    const session = serveSftp(near, { root: share, writable, nameLock })
    let tail = Buffer.alloc(0)
    far.on('data', (chunk: Buffer) => {
      const heard = Buffer.concat([tail, chunk])
      if (heard.includes(mark)) failures.push(`told the secret in session ${count}`)
      tail = heard.subarray(-mark.length)
    })
    far.on('error', () => {})
    far.write(packet(Fxp.INIT, 3))
    far.end(Buffer.concat(Array.from({ length: 400 }, () => mostlyRequest())))
    await session.closed
    packets += session.stats().requests
    if (session.stats().openHandles > 0) failures.push(`handles left open by session ${count}`)
    if (outsideState() !== before) failures.push(`session ${count} changed the outside`)
  }
  const seconds = (performance.now() - began) / 1000
  return { what: `${count} ${what}`, packets, seconds, failures: [...failures, ...stray.splice(0)] }
}

/** A packet that, in all but one of 300 cases, is broken only in what it asks for: the others end their session. */
function mostlyRequest(): Buffer {
  for (;;) {
    const bytes = maker.next()
    const whole = bytes.readUInt32BE(0) === bytes.length - 4
    const understood = whole && decodeRequest(bytes.subarray(4)).kind !== 'malformed'
    if (understood || maker.below(300) === 0) return bytes
  }
}

/** Requests sent without waiting for any answer; all are answered, and not much memory is held meanwhile. */
async function openRequests(packets: number): Promise<Row> {
  const failures: string[] = []
  const [near, far] = duplexPair()
  const session = serveSftp(near, { root: share, writable: true })
  const one = packet(Fxp.READ, 1, (writer) => writer.text('12345678').u64(0).u32(4))
  const bytes = Buffer.alloc(one.length * packets, one)
  const memory = process.memoryUsage().rss
  let heard = 0
  let most = 0
  far.on('data', (chunk: Buffer) => {
    heard += chunk.length
    if (session.stats().requests % 1000 === 0) most = Math.max(most, process.memoryUsage().rss - memory)
  })
  const began = performance.now()
  far.write(packet(Fxp.INIT, 3))
  for (let at = 0; at < bytes.length; at += 65536) far.write(bytes.subarray(at, at + 65536))
  far.end()
  await session.closed
  const seconds = (performance.now() - began) / 1000
  if (session.stats().requests !== packets) failures.push(`took ${session.stats().requests} requests`)
  if (heard < packets * 20) failures.push('not all were answered')
  if (most > 256 * 1024 * 1024) failures.push(`held ${most} bytes more`)
  return {
    what: `open requests, ${Math.round(most / 1024 / 1024)} MiB more held`,
    packets,
    seconds,
    failures,
  }
}

function measured(what: string, packets: number, work: (fail: (reason: string) => void) => void): Row {
  const failures: string[] = []
  const began = performance.now()
  work((reason) => failures.push(reason))
  return { what, packets, seconds: (performance.now() - began) / 1000, failures }
}

/** What of the outside an attack could have changed. */
function outsideState(): string {
  const secret = statSync(path.join(outside, 'secret'))
  const folder = statSync(outside)
  return JSON.stringify([
    secret.mode,
    secret.size,
    secret.mtimeMs,
    secret.ctimeMs,
    folder.mode,
    folder.mtimeMs,
  ])
}
