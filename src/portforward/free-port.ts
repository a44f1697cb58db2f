import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

/** A port of the loopback that nobody has at the moment. */
export async function freePort(proto: 'tcp' | 'udp' = 'tcp'): Promise<number> {
  return await new Promise<number>((resolve, reject) => {
    if (proto === 'udp') {
      const socket = createSocket('udp4')
      socket.once('error', reject)
      socket.bind({ address: '127.0.0.1', port: 0, exclusive: true }, () => {
        const { port } = socket.address()
        socket.close(() => resolve(port))
      })
      return
    }
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
