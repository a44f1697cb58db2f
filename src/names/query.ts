import { headerSize, Malformed, questionsEnd, recordsOf, types } from './records.ts'

/** A question of a client. */
export interface Query {
  /** As it came. */
  bytes: Buffer
  opcode: number
  /** In small letters, without the dot at the end; '' is the root. Bytes that no host name has are written `\ddd`. */
  name: string
  type: number
  class: number
  /** The largest answer the client takes over UDP, bytes (RFC 6891, 6.2.3). */
  udpSize: number
  /** Whether it speaks EDNS. */
  edns: boolean
}

/**
 * Reads a query. Gives undefined for what deserves no answer: too short for one, or an answer itself. Gives `malformed` for
 * what cannot be read, or has not just one question.
 */
export function readQuery(bytes: Buffer): Query | 'malformed' | undefined {
  if (bytes.length < headerSize || (bytes.readUInt8(2) & 0x80) !== 0) return undefined
  try {
    if (bytes.readUInt16BE(4) !== 1) return 'malformed'
    const end = questionsEnd(bytes)
    const option = recordsOf(bytes).find(
      ({ type, section }) => type === types.OPT && section === 'additional',
    )
    return {
      bytes,
      opcode: (bytes.readUInt8(2) >> 3) & 15,
      name: nameOf(bytes),
      type: bytes.readUInt16BE(end - 4),
      class: bytes.readUInt16BE(end - 2),
      udpSize: Math.max(512, option?.class ?? 0),
      edns: option !== undefined,
    }
  } catch (error) {
    if (error instanceof Malformed) return 'malformed'
    throw error
  }
}

/** A query for a name (host names only), as a client without EDNS sends it. */
export function makeQuery(name: string, type: number): Buffer {
  const header = Buffer.from([0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0])
  return Buffer.concat([header, encodeName(name), Buffer.from([type >> 8, type & 255, 0, 1])])
}

/** A name as it stands in a message, without pointers. */
export function encodeName(name: string): Buffer {
  const labels = name === '' ? [] : name.split('.')
  const parts = labels.flatMap((label) => [Buffer.from([label.length]), Buffer.from(label, 'latin1')])
  return Buffer.concat([...parts, Buffer.from([0])])
}

/** The name asked for: the first of a message, which nothing can be pointed at from. */
function nameOf(bytes: Buffer): string {
  const labels: string[] = []
  let at = headerSize
  for (let length = bytes.readUInt8(at); length !== 0; length = bytes.readUInt8(at)) {
    if (length > 63) throw new Malformed('pointer')
    labels.push(printedLabel(bytes.subarray(at + 1, at + 1 + length)))
    at += 1 + length
  }
  if (at - headerSize > 254) throw new Malformed('long name')
  return labels.join('.')
}

function printedLabel(label: Buffer): string {
  return [...label]
    .map((value) => {
      const char = String.fromCodePoint(value).toLowerCase()
      return /^[!-~]$/.test(char) && char !== '.' && char !== '\\'
        ? char
        : `\\${String(value).padStart(3, '0')}`
    })
    .join('')
}
