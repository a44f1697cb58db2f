import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2'

/** A gRPC server at a socket that gives each call to `answer`. */
export async function grpcServer(
  socket: string,
  answer: (stream: ServerHttp2Stream, path: string) => void,
): Promise<Http2Server> {
  const server = createServer()
  server.on('stream', (stream, headers) => {
    stream.resume()
    stream.on('error', () => undefined)
    answer(stream, String(headers[':path']))
  })
  await new Promise<void>((resolve) => {
    server.listen(socket, resolve)
  })
  return server
}
