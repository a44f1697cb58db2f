import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Artifact } from '../../../src/artifacts/catalog.ts'
import { sourceOf } from '../../../src/artifacts/source.ts'
import { ensureArtifact } from '../../../src/artifacts/store.ts'

const release = 'own/thing/releases/download/v1.0+k1'
const content = randomBytes(3 * 2 ** 20 + 17)
const sha256 = createHash('sha256').update(content).digest('hex')

let folder: string
let store: string
let server: Server
let base: string
/** What the server has, by path. */
let files: Map<string, Buffer>
/** Method, path and range of all that was asked. */
let asked: string[]
/** Ends an answer after so many bytes, as long as it is set. */
let cutAt: number | undefined
let answer: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-artifacts-'))
  store = path.join(folder, '_downloads')
  files = new Map()
  asked = []
  cutAt = undefined
  answer = undefined
  server = createServer(serve)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterEach(() => {
  server.closeAllConnections()
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

function serve(request: IncomingMessage, response: ServerResponse): void {
  const { pathname } = new URL(request.url ?? '/', 'http://x')
  asked.push(`${pathname} ${request.headers.range ?? ''}`.trim())
  if (answer?.(request, response)) return
  const file = files.get(decodeURIComponent(pathname).slice(1))
  if (!file) {
    response.writeHead(404).end()
    return
  }
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
  if (from > file.length) {
    response.writeHead(416, { 'content-range': `bytes */${file.length}` }).end()
    return
  }
  const range = from > 0 ? { 'content-range': `bytes ${from}-${file.length - 1}/${file.length}` } : {}
  response.writeHead(from > 0 ? 206 : 200, { 'content-length': file.length - from, ...range })
  if (cutAt === undefined) response.end(file.subarray(from))
  else response.write(file.subarray(from, cutAt), () => response.socket?.destroy())
}

function artifact(more: Partial<Artifact> = {}): Artifact {
  const checksums = { path: `${release}/sums.txt` }
  return { name: 'thing', version: 'v1.0+k1', arch: 'x86_64', path: `${release}/thing`, checksums, ...more }
}

const get = async (forms: Artifact[], mirror = base, env: NodeJS.ProcessEnv = {}, signal?: AbortSignal) =>
  await ensureArtifact(forms, {
    folder: store,
    source: sourceOf(mirror, folder),
    env,
    note: () => {},
    signal,
  })

const place = (name = 'thing') => path.join(store, release, name)
/** What lies in the store, without locks: there are none afterwards. */
const kept = () =>
  readdirSync(store, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.startsWith(`${release}/`))
    .sort()

describe('a download', () => {
  it('is checked against the digest that is known, kept, and not done again', async () => {
    files.set(`${release}/thing`, content)
    expect(await get([artifact({ sha256 })])).toMatchObject({ file: place(), sha256 })
    expect(readFileSync(place()).equals(content)).toBe(true)
    await get([artifact({ sha256 })])
    expect(asked).toEqual(['/own/thing/releases/download/v1.0%2Bk1/thing'])
    expect(kept()).toEqual([`${release}/thing`])
  })

  it('with a wrong digest is an error that names both, and nothing of it stays', async () => {
    files.set(`${release}/thing`, randomBytes(100))
    const got = createHash('sha256')
      .update(files.get(`${release}/thing`)!)
      .digest('hex')
    await expect(get([artifact({ sha256 })])).rejects.toThrow(new RegExp(`${got}.*${sha256}`))
    expect(kept()).toEqual([])
  })

  it('that was cut goes on where it was', async () => {
    files.set(`${release}/thing`, content)
    cutAt = 2 ** 20
    await expect(get([artifact({ sha256 })])).rejects.toThrow(/thing from/)
    expect(kept()).toEqual([`${release}/thing.part`])
    cutAt = undefined
    await get([artifact({ sha256 })])
    expect(asked[1]).toMatch(/ bytes=[1-9]\d*-$/)
    expect(readFileSync(place()).equals(content)).toBe(true)
    expect(kept()).toEqual([`${release}/thing`])
  })

  it.each([
    ['another content than before', randomBytes(2 ** 20)],
    ['more than there is', Buffer.concat([content, content])],
  ])('whose earlier part is of %s begins anew', async (_what, part) => {
    files.set(`${release}/thing`, content)
    mkdirSync(path.dirname(place()), { recursive: true })
    writeFileSync(`${place()}.part`, part)
    await get([artifact({ sha256 })])
    expect(readFileSync(place()).equals(content)).toBe(true)
    expect(asked).toHaveLength(2)
  })

  it('takes the whole from a server that knows no ranges', async () => {
    mkdirSync(path.dirname(place()), { recursive: true })
    writeFileSync(`${place()}.part`, content.subarray(0, 1000))
    answer = (_request, response) => {
      response.end(content)
      return true
    }
    await get([artifact({ sha256 })])
    expect(readFileSync(place()).equals(content)).toBe(true)
    expect(asked).toHaveLength(1)
  })

  it('that was damaged in the store is done again', async () => {
    files.set(`${release}/thing`, content)
    await get([artifact({ sha256 })])
    writeFileSync(place(), content.subarray(1))
    await get([artifact({ sha256 })])
    expect(readFileSync(place()).equals(content)).toBe(true)
  })

  it('follows redirects, and not for ever', async () => {
    files.set('real', content)
    answer = ({ url }, response) => {
      if (url === '/real') return false
      response
        .writeHead(302, { location: url === '/loop' || url?.includes('other') ? '/loop' : '/real' })
        .end()
      return true
    }
    await get([artifact({ sha256 })])
    await expect(get([artifact({ path: `${release}/other`, sha256 })])).rejects.toThrow(/circles/)
  })

  it('that is cancelled keeps its part', async () => {
    const abort = new AbortController()
    answer = (_request, response) => {
      response.writeHead(200, { 'content-length': content.length })
      response.write(content.subarray(0, 2 ** 20), () => setImmediate(() => abort.abort()))
      return true
    }
    await expect(get([artifact({ sha256 })], base, {}, abort.signal)).rejects.toMatchObject({
      code: 'cancelled',
    })
    expect(existsSync(place())).toBe(false)
  })

  it('of two processes at once is made once', async () => {
    files.set(`${release}/thing`, content)
    await Promise.all([get([artifact({ sha256 })]), get([artifact({ sha256 })])])
    expect(asked).toHaveLength(1)
  })

  it('takes the first of the forms that is there', async () => {
    files.set(`${release}/thing.gz`, content)
    const forms = [
      artifact({ path: `${release}/thing.zst`, sha256 }),
      artifact({ path: `${release}/thing.gz`, sha256 }),
    ]
    expect((await get(forms)).file).toBe(place('thing.gz'))
    expect((await get(forms)).file).toBe(place('thing.gz'))
    expect(asked.map((each) => path.basename(each))).toEqual(['thing.zst', 'thing.gz'])
  })

  it('of what is nowhere is an error that names path and source', async () => {
    await expect(get([artifact({ sha256 })])).rejects.toThrow(`${base} has no ${release}/thing`)
  })

  it.each([500, 403])('with status %d is an error', async (status) => {
    answer = (_request, response) => {
      response.writeHead(status).end()
      return true
    }
    await expect(get([artifact({ sha256 })])).rejects.toThrow(`status ${status}`)
  })
})

describe('a digest that is not known', () => {
  it('is read from the checksum file of the release, and can never change unseen', async () => {
    files.set(`${release}/thing`, content)
    files.set(`${release}/sums.txt`, Buffer.from(`${'0'.repeat(64)}  nothing\n${sha256}  thing\n`))
    await get([artifact()])
    // The release is made anew, its checksum file with it.
    const other = randomBytes(5000)
    const wrong = createHash('sha256').update(other).digest('hex')
    files.set(`${release}/thing`, other)
    files.set(`${release}/sums.txt`, Buffer.from(`${wrong}  thing\n`))
    rmSync(place())
    await expect(get([artifact()])).rejects.toThrow(new RegExp(`${wrong}.*${sha256}`))
  })

  it('needs the checksum file', async () => {
    files.set(`${release}/thing`, content)
    await expect(get([artifact()])).rejects.toThrow(`${base} has no ${release}/sums.txt`)
  })

  it('of a checksum file that is not as its own digest says is an error that names both', async () => {
    files.set(`${release}/thing`, content)
    files.set(`${release}/sums.txt`, Buffer.from(`${sha256}  thing\n`))
    const checksums = { path: `${release}/sums.txt`, sha256: 'a'.repeat(64) }
    await expect(get([artifact({ checksums })])).rejects.toThrow(/sums\.txt.*[0-9a-f]{64}.*a{64}/)
    expect(kept()).toEqual([])
  })
})

describe('a mirror', () => {
  const inFolder = (name: string, bytes: Buffer) => {
    const file = path.join(folder, 'mirror', name)
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, bytes)
  }

  it.each([
    ['a folder', release, () => path.join(folder, 'mirror')],
    ['a folder relative to the current one', release, () => 'mirror'],
    ['a file URL', release, () => pathToFileURL(path.join(folder, 'mirror')).href],
    ['a folder with paths as in URLs', release.replace('+', '%2B'), () => path.join(folder, 'mirror')],
  ])('is %s', async (_what, where, mirror) => {
    inFolder(`${where}/thing`, content)
    inFolder(`${where}/sums.txt`, Buffer.from(`${sha256} *thing\n`))
    await get([artifact()], mirror())
    expect(readFileSync(place()).equals(content)).toBe(true)
  })

  it('is the store of another machine', async () => {
    files.set(`${release}/thing`, content)
    files.set(`${release}/sums.txt`, Buffer.from(`${sha256}  thing\n`))
    await get([artifact()])
    const other = store
    store = path.join(folder, 'second')
    await get([artifact()], other)
    expect(readFileSync(place()).equals(content)).toBe(true)
  })

  it('is the same paths below another base', async () => {
    files.set(`deep/mirror/${release}/thing`, content)
    await get([artifact({ sha256 })], `${base}/deep/mirror/`)
    expect(asked).toEqual(['/deep/mirror/own/thing/releases/download/v1.0%2Bk1/thing'])
  })

  it('is nothing else', () => {
    expect(() => sourceOf('ftp://x/y', folder)).toThrow(/ftp:/)
  })
})

describe('a proxy', () => {
  it('opens the way, and is left out where no_proxy says so', async () => {
    files.set(`${release}/thing`, content)
    const targets: string[] = []
    const proxy = createServer().on('connect', (request: IncomingMessage, client, head) => {
      targets.push(`${request.url} ${request.headers['proxy-authorization']}`)
      const { port } = server.address() as AddressInfo
      const there = connect(port, '127.0.0.1', () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n')
        there.write(head)
        there.pipe(client).pipe(there)
      })
      there.on('error', () => client.destroy())
      client.on('error', () => there.destroy())
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = proxy.address() as AddressInfo
      const env = { http_proxy: `http://me:pass@127.0.0.1:${port}`, NO_PROXY: 'localhost, 127.0.0.1' }
      await get([artifact({ sha256 })], 'http://mirror.invalid', env)
      expect(targets).toEqual([`mirror.invalid:80 Basic ${Buffer.from('me:pass').toString('base64')}`])
      rmSync(place())
      await get([artifact({ sha256 })], base, env)
      expect(targets).toHaveLength(1)
    } finally {
      proxy.closeAllConnections()
      proxy.close()
    }
  })
})
