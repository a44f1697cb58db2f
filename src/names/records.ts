/** Numbers of record types that are treated in a way of their own (IANA, "DNS Parameters"). */
export const types = {
  A: 1,
  CNAME: 5,
  PTR: 12,
  AAAA: 28,
  OPT: 41,
  SVCB: 64,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
} as const

/** Numbers of response codes. */
export const codes = { ok: 0, malformed: 1, failed: 2, noSuchName: 3, notImplemented: 4, refused: 5 } as const

/** Where a resource record lies in a message. */
export interface RecordSpan {
  section: 'answer' | 'authority' | 'additional'
  start: number
  end: number
  type: number
  class: number
  ttl: number
  data: Buffer
}

/** Thrown for bytes that are no DNS message; never leaves this folder. */
export class Malformed extends Error {}

/** The bytes of the header (RFC 1035, 4.1.1). */
export const headerSize = 12

/**
 * Gives the offset behind the name at `at`; pointers are stepped over, not followed (RFC 1035, 4.1.4). Throws `Malformed`.
 */
export function skipName(message: Buffer, at: number): number {
  let next = at
  for (;;) {
    const length = byte(message, next)
    if (length === 0) return next + 1
    if (length >= 0xc0) {
      byte(message, next + 1)
      return next + 2
    }
    if (length > 63) throw new Malformed('label')
    next += 1 + length
  }
}

/** The offset behind the questions. Throws `Malformed`. */
export function questionsEnd(message: Buffer): number {
  if (message.length < headerSize) throw new Malformed('header')
  let at = headerSize
  for (let count = message.readUInt16BE(4); count > 0; count--) {
    at = skipName(message, at) + 4
    if (at > message.length) throw new Malformed('question')
  }
  return at
}

/** Gives the records of a message, in its order. Throws `Malformed`. */
export function recordsOf(message: Buffer): RecordSpan[] {
  let at = questionsEnd(message)
  const records: RecordSpan[] = []
  for (const [index, section] of (['answer', 'authority', 'additional'] as const).entries()) {
    for (let count = message.readUInt16BE(6 + 2 * index); count > 0; count--) {
      const record = recordAt(message, at, section)
      records.push(record)
      at = record.end
    }
  }
  return records
}

function recordAt(message: Buffer, start: number, section: RecordSpan['section']): RecordSpan {
  const at = skipName(message, start)
  if (at + 10 > message.length) throw new Malformed('record')
  const end = at + 10 + message.readUInt16BE(at + 8)
  if (end > message.length) throw new Malformed('data')
  return {
    section,
    start,
    end,
    type: message.readUInt16BE(at),
    class: message.readUInt16BE(at + 2),
    ttl: message.readUInt32BE(at + 4),
    data: message.subarray(at + 10, end),
  }
}

function byte(message: Buffer, at: number): number {
  const value = message[at]
  if (value === undefined) throw new Malformed('short')
  return value
}
