import net from 'node:net'
import { serveSftp } from '../../../src/mounts/server.ts'

// A server in a process of its own, that a test can kill: SOCKET ROOT JOURNAL. Takes one client at a time, as a port does.
const [socketPath = '', root = '', journal = ''] = process.argv.slice(2)
net
  .createServer({ allowHalfOpen: true }, (socket) => {
    serveSftp(socket, { root, writable: true, journal })
  })
  .listen(socketPath)
