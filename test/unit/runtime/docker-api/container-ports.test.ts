import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { containerPorts, parseContainerPorts } from '../../../../src/runtime/docker-api/container-ports.ts'

const answer = [
  {
    Names: ['/web'],
    Ports: [
      { IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
      { IP: '::', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
      { PrivatePort: 443, Type: 'tcp' },
    ],
  },
  { Names: ['/dns', '/web/dns'], Ports: [{ IP: '0.0.0.0', PrivatePort: 53, PublicPort: 5353, Type: 'udp' }] },
  { Names: ['/sctp'], Ports: [{ PublicPort: 1, Type: 'sctp' }] },
  { Names: [], Ports: [{ PublicPort: 2, Type: 'tcp' }] },
]
const ports = [
  { proto: 'tcp', port: 8080, container: 'web' },
  { proto: 'tcp', port: 8080, container: 'web' },
  { proto: 'udp', port: 5353, container: 'dns' },
]

test('the list of containers is read', () => {
  expect(parseContainerPorts(answer)).toEqual(ports)
  expect([parseContainerPorts({}), parseContainerPorts([{}])]).toEqual([[], []])
})

test('the engine is asked over its socket, and an error is one', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'tcolima-unit-'))
  const socket = path.join(folder, 'docker.sock')
  let status = 200
  const server = createServer((asked, reply) => {
    reply.statusCode = asked.url === '/containers/json' ? status : 404
    reply.end(JSON.stringify(answer))
  }).listen(socket)
  await once(server, 'listening')
  try {
    expect(await containerPorts(socket, AbortSignal.timeout(5000))).toEqual(ports)
    status = 500
    await expect(containerPorts(socket, AbortSignal.timeout(5000))).rejects.toThrow('status 500')
  } finally {
    server.close()
    rmSync(folder, { recursive: true, force: true })
  }
})
