import { Transform } from 'node:stream'
import { type Body, bodyByFields, type Head, HttpFraming } from './http-framing.ts'

/**
 * Decides about a request (method and target as they were sent) whether its answer is to wait. What it gives is called
 * when the answer is a success (2xx, or 304: it was so already), and the answer goes on when its promise has settled.
 */
export type HoldRule = (method: string, target: string) => (() => Promise<void>) | undefined

/** A connection as it passes: what the client sends, and what it is answered. */
export interface HeldConnection {
  requests: Transform
  answers: Transform
}

interface Asked {
  method: string
  hold: (() => Promise<void>) | undefined
}

// Bytes that each direction may hold back.
const room = 256 * 1024

/**
 * Watches an HTTP/1.1 connection that passes and holds answers back as `rule` says. Every byte passes unchanged, and at once
 * but for those answers. From the first thing on that is not plainly understood (an upgrade, a body without a
 * length, another protocol) it is but a pipe.
 */
export function holdAnswers(rule: HoldRule): HeldConnection {
  const asked: Asked[] = []
  let holds: (() => Promise<void>)[] = []
  const requests = new HttpFraming((head) => {
    const read = readRequest(head)
    if (!read) return 'unknown'
    asked.push({ method: read.method, hold: rule(read.method, read.target) })
    return bodyByFields(head)
  })
  const answers = new HttpFraming((head) => {
    const [, digits] = /^HTTP\/1\.[01] (\d{3})(?: .*)?$/.exec(head.first) ?? []
    const status = Number(digits)
    // 100 and its like come before the answer.
    if (status >= 100 && status < 200 && status !== 101) return 0
    const request = asked.shift()
    if (!request || digits === undefined || status === 101) return 'unknown'
    if (request.hold && (status === 304 || (status >= 200 && status < 300))) holds.push(request.hold)
    return answerBody(request.method, status, head)
  })
  /** Passes bytes by both of them: one that is lost does not know any more what the other one reads. */
  const follow = (framing: HttpFraming, bytes: Buffer) => {
    for (let at = 0; at < bytes.length && !requests.lost && !answers.lost; ) {
      at += framing.advance(bytes.subarray(at)).read
    }
  }
  return {
    requests: new Transform({
      highWaterMark: room,
      transform: (bytes: Buffer, _encoding, done) => {
        follow(requests, bytes)
        done(null, bytes)
      },
    }),
    answers: new Transform({
      highWaterMark: room,
      transform: (bytes: Buffer, _encoding, done) => {
        follow(answers, bytes)
        if (holds.length === 0) {
          done(null, bytes)
          return
        }
        const held = holds
        holds = []
        void after(held, () => done(null, bytes))
      },
    }),
  }
}

async function after(holds: (() => Promise<void>)[], go: () => void): Promise<void> {
  await Promise.allSettled(holds.map((hold) => hold()))
  go()
}

function readRequest(head: Head): { method: string; target: string } | undefined {
  const [, method, target] = /^([A-Z]+) (\S+) HTTP\/1\.[01]$/.exec(head.first) ?? []
  const upgrades = head.fields.has('upgrade') || /upgrade/i.test(head.fields.get('connection') ?? '')
  if (method === undefined || target === undefined || method === 'CONNECT' || upgrades) return undefined
  return { method, target }
}

/** RFC 9112, section 6.3: some answers have none whatever their fields say, and without any it lasts until the close. */
function answerBody(method: string, status: number, head: Head): Body {
  if (method === 'HEAD' || status === 204 || status === 304) return 0
  const bounded = head.fields.has('content-length') || head.fields.has('transfer-encoding')
  return bounded ? bodyByFields(head) : 'unknown'
}
