import { mkdtempSync, rmSync } from 'node:fs'
import type { Http2Server, ServerHttp2Stream } from 'node:http2'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ping } from '../../../../src/runtime/containerd/ping.ts'
import { grpcServer } from './grpc-server.ts'

let folder: string
let server: Http2Server | undefined
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-grpc-'))
})
afterEach(() => {
  server?.close()
  server = undefined
  rmSync(folder, { recursive: true, force: true })
})

const socket = () => path.join(folder, 's')
const never = new AbortController().signal

async function serve(answer: (stream: ServerHttp2Stream, path: string) => void): Promise<void> {
  server = await grpcServer(socket(), answer)
}

test('a version is an answer', async () => {
  const asked: string[] = []
  await serve((stream, call) => {
    asked.push(call)
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.end(Buffer.from([0, 0, 0, 0, 0]))
  })
  await ping(socket(), never)
  expect(asked).toEqual(['/containerd.services.version.v1.Version/Version'])
})

test('an error is none, in the head or after an answer', async () => {
  await serve((stream) => stream.respond({ ':status': 200, 'grpc-status': '12' }, { endStream: true }))
  await expect(ping(socket(), never)).rejects.toThrow(/containerd does not answer on .*status 12/)
})

test('nor is nobody there, or one who hangs up', async () => {
  await expect(ping(socket(), never)).rejects.toThrow(/ENOENT/)
  await serve((stream) => stream.close())
  await expect(ping(socket(), never)).rejects.toThrow(/the connection was closed/)
})

test('it ends with the signal', async () => {
  await serve(() => undefined)
  const abort = new AbortController()
  const asked = ping(socket(), abort.signal)
  abort.abort(new Error('enough'))
  await expect(asked).rejects.toThrow('enough')
})
