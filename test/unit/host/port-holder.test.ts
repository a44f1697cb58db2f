import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { portHolder } from '../../../src/host/port-holder.ts'

test.runIf(process.platform === 'linux')('the process that has a port is found', async () => {
  const server = createServer().listen(0, '::1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  expect(portHolder('tcp', port)).toMatch(new RegExp(`^.+ \\(process ${process.pid}\\)$`))
  expect(portHolder('udp', port)).toBeUndefined()
  server.close()
  await once(server, 'close')
  expect(portHolder('tcp', port)).toBeUndefined()
})

test('a QEMU is told with its machine; without /proc nothing is known', () => {
  const proc = mkdtempSync(path.join(tmpdir(), 'tcolima-unit-'))
  try {
    mkdirSync(path.join(proc, 'net'))
    mkdirSync(path.join(proc, '7/fd'), { recursive: true })
    const head =
      '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'
    const line =
      '   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1\n'
    writeFileSync(path.join(proc, 'net/tcp'), head + line)
    writeFileSync(path.join(proc, 'net/tcp6'), head)
    writeFileSync(path.join(proc, '7/cmdline'), 'qemu-system-x86_64\0-name\0guest=tcolima-two\0')
    writeFileSync(path.join(proc, '7/comm'), 'qemu-system-x86\n')
    symlinkSync('socket:[4242]', path.join(proc, '7/fd/3'))
    expect(portHolder('tcp', 8080, proc)).toBe('qemu-system-x86 of tcolima-two (process 7)')
    expect(portHolder('tcp', 8080, path.join(proc, 'none'))).toBeUndefined()
  } finally {
    rmSync(proc, { recursive: true, force: true })
  }
})
