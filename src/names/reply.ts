import { isIP, isIPv4, SocketAddress } from 'node:net'
import { encodeName, type Query } from './query.ts'
import { codes, headerSize, Malformed, questionsEnd, recordsOf, types } from './records.ts'

// What we say ourselves holds for so many seconds: the host's changes are to be seen soon.
const ownTtl = 5
// The name of the first question, by its offset (RFC 1035, 4.1.4).
const pointerToQuestion = Buffer.from([0xc0, headerSize])

/** A reply of our own with this code and these data of the type asked for. The question stands in it byte by byte. */
export function reply(
  query: Query,
  code: number,
  data: readonly Buffer[] = [],
  ttl: number = ownTtl,
): Buffer {
  const question = query.bytes.subarray(headerSize, questionsEnd(query.bytes))
  const answers = data.map((each) => record(query.type, ttl, each))
  const option = query.edns ? [Buffer.from([0, 0, types.OPT, 0x10, 0, 0, 0, 0, 0, 0, 0])] : []
  const head = header(query.bytes, code, [1, answers.length, 0, option.length])
  return Buffer.concat([head, question, ...answers, ...option])
}

/** The reply to a message that could not be read. */
export function refusal(bytes: Buffer, code: number): Buffer {
  return header(bytes, code, [0, 0, 0, 0])
}

/** The code of an answer. */
export function codeOf(answer: Buffer): number {
  return answer.readUInt8(3) & 15
}

/** Whether an answer was cut to fit (TC). */
export function isTruncated(answer: Buffer): boolean {
  return (answer.readUInt8(2) & 2) !== 0
}

/** The same message under another number. */
export function withId(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message)
  copy.writeUInt16BE(id, 0)
  return copy
}

/** Whether a message answers a query: number and question are the same (RFC 5452, 9.1), but for the case of letters. */
export function answers(message: Buffer, query: Buffer): boolean {
  try {
    if (message.length < headerSize || (message.readUInt8(2) & 0x80) === 0) return false
    if (message.readUInt16BE(0) !== query.readUInt16BE(0)) return false
    // Servers that do not understand a query may leave the question out.
    if (message.readUInt16BE(4) === 0) return codeOf(message) !== codes.ok
    return questionText(message) === questionText(query)
  } catch (error) {
    if (error instanceof Malformed) return false
    throw error
  }
}

/**
 * Cuts an answer to `size` bytes at the end of a record, and says so (TC). Only whole answers and the EDNS option stay:
 * old C libraries do not ask again over TCP, and use what there is.
 */
export function fitted(answer: Buffer, size: number): Buffer {
  if (answer.length <= size) return answer
  const copy = Buffer.from(answer)
  copy.writeUInt8(copy.readUInt8(2) | 2, 2)
  try {
    const records = recordsOf(copy)
    const option = records.find(({ section, type }) => section === 'additional' && type === types.OPT)
    const optionSize = option ? option.end - option.start : 0
    const kept = records.filter(({ section, end }) => section === 'answer' && end + optionSize <= size)
    const end = kept.at(-1)?.end ?? questionsEnd(copy)
    copy.writeUInt16BE(kept.length, 6)
    copy.writeUInt16BE(0, 8)
    copy.writeUInt16BE(option ? 1 : 0, 10)
    return Buffer.concat([
      copy.subarray(0, end),
      ...(option ? [copy.subarray(option.start, option.end)] : []),
    ])
  } catch (error) {
    if (error instanceof Malformed) return refusal(answer, codes.failed)
    throw error
  }
}

/** The addresses of a type in an answer, whatever chain of other names leads to them, and the shortest time they hold. */
export function addressesIn(answer: Buffer, type: number): { data: Buffer[]; ttl: number } {
  try {
    const found = recordsOf(answer).filter((each) => each.section === 'answer' && each.class === 1)
    const data = found.filter((each) => each.type === type).map((each) => each.data)
    return { data, ttl: Math.min(...found.map(({ ttl }) => ttl)) }
  } catch (error) {
    if (error instanceof Malformed) return { data: [], ttl: 0 }
    throw error
  }
}

/** The addresses among these of the type asked for (A or AAAA), as data of records. */
export function addressData(addresses: readonly string[], type: number): Buffer[] {
  const version = type === types.A ? 4 : 6
  return addresses.filter((address) => isIP(address) === version).map(bytesOf)
}

/** A name as the data of a PTR record. */
export function pointerData(name: string): Buffer {
  return encodeName(name)
}

function bytesOf(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  // Brought into one form: `::` once at most, no dots.
  const plain = new SocketAddress({ address, family: 'ipv6' }).address
  const [head = '', tail] = dotless(plain).split('::')
  const groups = (text: string) =>
    text === '' ? [] : text.split(':').map((part) => Number.parseInt(part, 16))
  const [first, last] = [groups(head), groups(tail ?? '')]
  const all = [...first, ...Array.from({ length: 8 - first.length - last.length }, () => 0), ...last]
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 255]))
}

/** `::ffff:1.2.3.4` as `::ffff:102:304`. */
function dotless(address: string): string {
  return address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...parts: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number)
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
  })
}

function header(query: Buffer, code: number, counts: number[]): Buffer {
  const bytes = Buffer.alloc(headerSize)
  bytes.writeUInt16BE(query.readUInt16BE(0), 0)
  // QR; opcode and RD as asked; RA.
  bytes.writeUInt8(0x80 | (query.readUInt8(2) & 0x79), 2)
  bytes.writeUInt8(0x80 | code, 3)
  for (const [index, count] of counts.entries()) bytes.writeUInt16BE(count, 4 + 2 * index)
  return bytes
}

function record(type: number, ttl: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10)
  fixed.writeUInt16BE(type, 0)
  fixed.writeUInt16BE(1, 2)
  fixed.writeUInt32BE(ttl, 4)
  fixed.writeUInt16BE(data.length, 8)
  return Buffer.concat([pointerToQuestion, fixed, data])
}

function questionText(message: Buffer): string {
  return message.subarray(headerSize, questionsEnd(message)).toString('latin1').toLowerCase()
}
