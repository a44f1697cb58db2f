/** The head of an HTTP/1 message. */
export interface Head {
  /** `POST /containers/x/start HTTP/1.1`, `HTTP/1.1 204 No Content`. */
  first: string
  /** By name in lower case; the values of one name joined by `, `. */
  fields: ReadonlyMap<string, string>
}

/** How the body after a head ends: after so many bytes, in chunks, or in no way that is understood here. */
export type Body = number | 'chunked' | 'unknown'

// Bytes; Go's servers take no longer heads than 1 MiB, and those of the engines' clients have a few hundred bytes.
const longestHead = 64 * 1024
const longestLine = 4096

const lf = 0x0a

type State = 'head' | 'body' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailer' | 'lost'

/**
 * Follows one direction of an HTTP/1.1 connection (RFC 9112) to know where heads are. It changes nothing and never throws:
 * what it does not understand makes it `lost`, for good.
 */
export class HttpFraming {
  readonly #bodyOf: (head: Head) => Body
  #state: State = 'head'
  /** Of a body or a chunk. */
  #left = 0
  /** The line or head that has not ended yet. */
  #text = ''

  /** `bodyOf` is called with each head and says what follows it. */
  constructor(bodyOf: (head: Head) => Body) {
    this.#bodyOf = bodyOf
  }

  get lost(): boolean {
    return this.#state === 'lost'
  }

  /** To be no more asked: the connection is none of HTTP any longer. */
  lose(): void {
    this.#state = 'lost'
    this.#text = ''
  }

  /** Reads bytes on to the end of the next head, or to their end. Gives how many, and whether a head ended there. */
  advance(bytes: Buffer): { read: number; head: boolean } {
    let at = 0
    while (at < bytes.length) {
      switch (this.#state) {
        case 'lost':
          return { read: bytes.length, head: false }
        case 'head': {
          const end = this.#takeLine(bytes, at, '\r\n\r\n', longestHead)
          at = end
          if (this.#text.endsWith('\r\n\r\n')) {
            this.#enter(this.#takeText())
            return { read: at, head: true }
          }
          break
        }
        case 'body':
        case 'chunk': {
          const taken = Math.min(this.#left, bytes.length - at)
          at += taken
          this.#left -= taken
          if (this.#left === 0) this.#state = this.#state === 'body' ? 'head' : 'chunk-end'
          break
        }
        case 'chunk-end':
        case 'chunk-size':
        case 'trailer':
          at = this.#takeLine(bytes, at, '\r\n', longestLine)
          if (this.#text.endsWith('\r\n')) this.#afterLine(this.#takeText().slice(0, -2))
          break
      }
    }
    return { read: at, head: false }
  }

  /** Adds to the text up to the end of a line, or of a head; gives where in `bytes` it stopped. */
  #takeLine(bytes: Buffer, from: number, end: '\r\n' | '\r\n\r\n', longest: number): number {
    let at = from
    for (;;) {
      const lineEnd = bytes.indexOf(lf, at)
      const to = lineEnd < 0 ? bytes.length : lineEnd + 1
      this.#text += bytes.toString('latin1', at, to)
      at = to
      if (this.#text.length > longest) this.lose()
      if (lineEnd < 0 || this.lost || this.#text.endsWith(end)) return at
      // A line that ends otherwise: servers may take it for an end.
      if (!this.#text.endsWith('\r\n')) {
        this.lose()
        return at
      }
    }
  }

  #takeText(): string {
    const text = this.#text
    this.#text = ''
    return text
  }

  #enter(text: string): void {
    const head = parseHead(text)
    const body = head ? this.#bodyOf(head) : 'unknown'
    if (body === 'unknown') this.lose()
    else if (body === 'chunked') this.#state = 'chunk-size'
    else if (body > 0) {
      this.#state = 'body'
      this.#left = body
    } else this.#state = 'head'
  }

  #afterLine(line: string): void {
    if (this.#state === 'trailer') {
      if (line === '') this.#state = 'head'
      return
    }
    if (this.#state === 'chunk-end') {
      if (line === '') this.#state = 'chunk-size'
      else this.lose()
      return
    }
    const [, digits] = /^([0-9A-Fa-f]{1,12})[ \t]*(?:;.*)?$/.exec(line) ?? []
    if (digits === undefined) {
      this.lose()
      return
    }
    this.#left = Number.parseInt(digits, 16)
    this.#state = this.#left === 0 ? 'trailer' : 'chunk'
  }
}

/** How long the body is by the fields of its head (RFC 9112, section 6.3); without any there is none. Pure. */
export function bodyByFields({ fields }: Head): Body {
  const coding = fields.get('transfer-encoding')
  const length = fields.get('content-length')
  if (coding !== undefined)
    return coding.toLowerCase() === 'chunked' && length === undefined ? 'chunked' : 'unknown'
  if (length === undefined) return 0
  return /^\d{1,15}$/.test(length) ? Number(length) : 'unknown'
}

function parseHead(text: string): Head | undefined {
  const [first = '', ...lines] = text.slice(0, -4).split('\r\n')
  const fields = new Map<string, string>()
  for (const line of lines) {
    const [, name, value = ''] = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? []
    if (name === undefined) return undefined
    const key = name.toLowerCase()
    const before = fields.get(key)
    fields.set(key, before === undefined ? value : `${before}, ${value}`)
  }
  return { first, fields }
}
