import { execFileSync } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer } from 'node:https'
import { type AddressInfo, connect, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ClusterFiles, type ClusterInput, startCluster } from '../../../src/agent/kubernetes.ts'
import { hasImages, loadImages, removePods } from '../../../src/runtime/kubernetes/docker-images.ts'
import type { ClusterAccess } from '../../../src/runtime/kubernetes/kubeconfig-text.ts'
import { readiness } from '../../../src/runtime/kubernetes/readiness.ts'

let folder: string
const servers: Server[] = []
const { signal } = new AbortController()

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-cluster-'))
})

afterEach(() => {
  for (const server of servers.splice(0)) server.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('whether a cluster is ready', () => {
  let answers: Record<string, unknown>
  let access: ClusterAccess

  beforeEach(async () => {
    const own = (name: string) => {
      const files = ['-keyout', path.join(folder, `${name}.key`), '-out', path.join(folder, `${name}.crt`)]
      const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
      const names = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1']
      execFileSync('openssl', ['req', '-x509', '-days', '2', ...key, ...names, ...files], { stdio: 'ignore' })
      return { key: readFileSync(files[1]!), cert: readFileSync(files[3]!) }
    }
    const [server, client] = [own('server'), own('client')]
    const tls = { ...server, ca: client.cert, requestCert: true, rejectUnauthorized: false }
    const https = createServer(tls, (request, response) => {
      const known = (request.socket as TLSSocket).authorized
      const answer = known ? answers[request.url ?? ''] : undefined
      response.writeHead(answer === undefined ? (known ? 404 : 401) : 200)
      response.end(typeof answer === 'string' ? answer : JSON.stringify(answer))
    })
    servers.push(https)
    await new Promise<void>((resolve) => https.listen(0, '127.0.0.1', resolve))
    access = {
      server: `https://127.0.0.1:${(https.address() as AddressInfo).port}`,
      certificateAuthority: server.cert.toString('base64'),
      clientCertificate: client.cert.toString('base64'),
      clientKey: client.key.toString('base64'),
    }
    answers = {
      '/readyz': 'ok',
      '/version': { gitVersion: 'v1.2.3' },
      '/api/v1/nodes': { items: [{ metadata: { name: 'n' }, status: { conditions: [ready('Ready')] } }] },
      [dns]: { status: { conditions: [ready('Available')] } },
    }
  })

  const dns = '/apis/apps/v1/namespaces/kube-system/deployments/coredns'
  const ready = (type: string, status = 'True', message = '') => ({ type, status, message })
  const look = async (coreDns = true) => await readiness(access, { node: 'n', coreDns }, signal)

  it('is, for a worker, no while its own k3s starts, whatever its server says of the node', async () => {
    // The guest, which is played.
    const states = ['activating', 'active']
    const exec = async (command: string) => {
      const said = command.includes('have')
        ? 'k3s 1234\n'
        : command.includes('access')
          ? `ActiveState=${states.shift()}\nNRestarts=0\n\n`
          : ''
      const channel = Object.assign(new EventEmitter(), {
        stderr: new EventEmitter(),
        close: () => undefined,
        end: () => {
          channel.emit('data', Buffer.from(said))
          channel.emit('exit', 0)
          channel.emit('close')
        },
      })
      return channel
    }
    const kubernetes = { enabled: true, version: '', k3sArgs: [], port: 0, join: 'default' }
    const input = {
      ...{ config: { runtime: 'none', kubernetes }, profile: 'w', node: 'n', port: 0, emulated: false, exec },
      ...{ portProblem: () => undefined, report: () => undefined, signal },
      place: { address: '10.41.0.2', card: 'c' },
      admission: { address: '10.41.0.2', server: '10.41.0.1', token: 't', access },
    } as unknown as ClusterInput
    const files = { program: { sha256: '1234' } } as unknown as ClusterFiles
    expect(await startCluster(input, files)).toEqual(access)
    expect(states).toEqual([])
  })

  it('is yes when API, node and CoreDNS are', async () => {
    expect(await look()).toEqual({ ready: true, version: 'v1.2.3' })
  })

  it.each([
    ['an API that is not', { '/readyz': undefined }, 'API server'],
    ['no node yet', { '/api/v1/nodes': { items: [] } }, 'the node n to come'],
    [
      'a node of another name',
      { '/api/v1/nodes': { items: [{ metadata: { name: 'other' } }] } },
      'the node n to come',
    ],
    [
      'a node that is not',
      {
        '/api/v1/nodes': {
          items: [
            {
              metadata: { name: 'n' },
              status: { conditions: [ready('Ready', 'False', 'cni plugin not initialized')] },
            },
          ],
        },
      },
      'cni plugin not initialized',
    ],
    ['no CoreDNS yet', { [dns]: undefined }, 'CoreDNS to be made'],
    [
      'a CoreDNS that is not',
      { [dns]: { status: { conditions: [ready('Available', 'False')] } } },
      'CoreDNS to be available',
    ],
    ['an answer that is none', { '/api/v1/nodes': '<html>' }, 'API server'],
  ])('waits for %s', async (_what, change, reason) => {
    answers = { ...answers, ...change }
    const found = await look()
    expect(found.ready ? '' : found.waitsFor).toContain(reason)
  })

  it('waits for a node whose machine has booted since, whatever is known of it', async () => {
    const told = (boot: string) => ({
      items: [
        { metadata: { name: 'n' }, status: { nodeInfo: { bootID: boot }, conditions: [ready('Ready')] } },
      ],
    })
    const again = async () => await readiness(access, { node: 'n', boot: 'now', coreDns: true }, signal)
    answers = { ...answers, '/api/v1/nodes': told('before') }
    expect(await again()).toEqual({ ready: false, waitsFor: 'the node n to come again' })
    answers = { ...answers, '/api/v1/nodes': told('now') }
    expect(await again()).toMatchObject({ ready: true })
  })

  it('does not wait for a CoreDNS that may have no images', async () => {
    answers = { ...answers, [dns]: undefined }
    expect(await look(false)).toMatchObject({ ready: true })
  })

  it('is no with another cluster behind the port', async () => {
    access = { ...access, certificateAuthority: access.clientCertificate }
    expect(await look()).toMatchObject({ ready: false })
  })

  it('is no without anybody there', async () => {
    servers.splice(0).forEach((server) => server.close())
    expect(await look()).toMatchObject({ ready: false })
  })
})

describe('the images of k3s in docker (its API played by a server)', () => {
  let asked: string[]
  let images: Set<string>

  async function engine(handler: RequestListener) {
    const file = path.join(folder, 'docker.sock')
    const server = createHttpServer((request, response) => {
      asked.push(`${request.method} ${decodeURIComponent(request.url ?? '')}`)
      handler(request, response)
    })
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(file, resolve))
    return async () => connect(file)
  }

  beforeEach(() => {
    asked = []
    images = new Set(['a:1'])
  })

  it('are looked for one by one', async () => {
    const docker = await engine((request, response) => {
      const name = /^\/images\/(.+)\/json$/.exec(request.url ?? '')?.[1] ?? ''
      response.writeHead(images.has(name) ? 200 : 404).end('{}')
    })
    expect(await hasImages(docker, ['a:1'], signal)).toBe(true)
    expect(await hasImages(docker, ['a:1', 'rancher/b:2'], signal)).toBe(false)
    expect(await hasImages(docker, [], signal)).toBe(false)
    expect(asked).toContain('GET /images/rancher/b:2/json')
  })

  it('are given whole, and named', async () => {
    const content = Buffer.alloc(3 * 2 ** 20, 'x')
    writeFileSync(path.join(folder, 'images.tar'), content)
    let come = 0
    const docker = await engine((request, response) => {
      request.on('data', (bytes: Buffer) => (come += bytes.length))
      request.on('end', () => {
        response.end('{"stream":"Loaded image: rancher/a:1\\n"}\n{"stream":"Loaded image: b:2\\n"}\n')
      })
    })
    let told = 0
    const names = await loadImages(docker, path.join(folder, 'images.tar'), (count) => (told = count), signal)
    expect([names, come, told]).toEqual([['rancher/a:1', 'b:2'], content.length, content.length])
  })

  it.each([
    [200, '{"errorDetail":{"message":"no space"},"error":"no space left"}\n', 'no space left'],
    [500, '{"message":"unexpected EOF"}\n', 'unexpected EOF'],
  ])('that are refused are an error: %d %s', async (status, body, reason) => {
    writeFileSync(path.join(folder, 'images.tar'), 'x')
    const docker = await engine((request, response) => {
      request.resume()
      request.on('end', () => response.writeHead(status).end(body))
    })
    await expect(loadImages(docker, path.join(folder, 'images.tar'), () => {}, signal)).rejects.toThrow(
      reason,
    )
  })

  it('leave only pods behind to remove', async () => {
    const docker = await engine((request, response) => {
      response.end(request.method === 'GET' ? '[{"Id":"1"},{"Id":"2"}]' : '')
    })
    await removePods(docker, signal)
    expect(asked).toEqual([
      'GET /containers/json?all=1&filters={"label":["io.kubernetes.pod.uid"]}',
      'DELETE /containers/1?force=1&v=1',
      'DELETE /containers/2?force=1&v=1',
    ])
  })
})
