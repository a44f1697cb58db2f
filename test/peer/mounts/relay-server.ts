import net from 'node:net'
import { serveSftp } from '../../../src/mounts/server.ts'
import { Windows } from '../../../src/mounts/window.ts'

// A server in a process of its own, that a test can kill: SOCKET ROOT JOURNAL WINDOW. Takes one client at a time, as a port does.
const [socketPath = '', root = '', journal = '', windowFile = ''] = process.argv.slice(2)
const window = Windows.open(windowFile).of(0)
net
  .createServer({ allowHalfOpen: true }, (socket) => {
    serveSftp(socket, { root, writable: true, journal, ...(window && { window }) })
  })
  .listen(socketPath)
