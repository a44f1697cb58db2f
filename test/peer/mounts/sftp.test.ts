import { promises as fs } from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { serveSftp } from '../../../src/mounts/server.ts'
import { output } from './sshfs.ts'

let top: string
let server: net.Server
const inRoot = (name: string) => path.join(top, 'root', name)

// `sftp -D` runs a server program: this one only joins its stdin and stdout to the server in this process.
beforeAll(async () => {
  top = await fs.mkdtemp(path.join(os.tmpdir(), 'tcolima-sftp-'))
  await fs.mkdir(inRoot('sub'), { recursive: true })
  const socket = path.join(top, 'sock')
  const bridge = `#!${process.execPath}
const s = require('node:net').connect({ path: ${JSON.stringify(socket)}, allowHalfOpen: true })
process.stdin.pipe(s)
s.pipe(process.stdout)
`
  await fs.writeFile(path.join(top, 'bridge'), bridge, { mode: 0o755 })
  server = net.createServer({ allowHalfOpen: true }, (stream) => {
    serveSftp(stream, { root: path.join(top, 'root'), writable: true })
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
})

afterAll(async () => {
  server?.close()
  await fs.rm(top, { recursive: true, force: true })
})

async function sftp(...commands: string[]): Promise<string> {
  const batch = path.join(top, 'batch')
  await fs.writeFile(batch, `${commands.join('\n')}\n`)
  return output('sftp', ['-q', '-b', batch, '-D', path.join(top, 'bridge')], top)
}

test('OpenSSH’s client puts, gets, lists and walks', async () => {
  const data = Buffer.alloc(3_000_000, 'tcolima ')
  await fs.writeFile(path.join(top, 'local'), data)
  const seen = await sftp(
    'pwd',
    'put local sub/remote',
    'get sub/remote back',
    'cd sub',
    'pwd',
    'ls -l',
    'df',
  )
  // Not `toEqual`, which compares millions of elements one by one.
  expect(data.equals(await fs.readFile(inRoot('sub/remote')))).toBe(true)
  expect(data.equals(await fs.readFile(path.join(top, 'back')))).toBe(true)
  expect(seen).toContain('working directory: /\n')
  expect(seen).toContain('working directory: /sub\n')
  expect(seen).toMatch(/-rw.* 3000000 .*remote/)
})

test('OpenSSH’s client renames, links, changes modes and removes', async () => {
  await sftp('put local a', 'rename a b', 'ln b c', 'ln -s b d', 'chmod 600 b', 'mkdir e', 'rmdir e', 'rm c')
  expect(await fs.readlink(inRoot('d'))).toBe('b')
  expect((await fs.stat(inRoot('b'))).mode & 0o777).toBe(0o600)
  expect((await fs.readdir(path.join(top, 'root'))).sort()).toEqual(['b', 'd', 'sub'])
})

test('OpenSSH’s client gets nothing from outside', async () => {
  await fs.writeFile(path.join(top, 'secret'), 'secret')
  await fs.symlink(top, inRoot('out'))
  await expect(sftp('get ../secret stolen')).rejects.toThrow(/not found/)
  await expect(sftp('get out/secret stolen')).rejects.toThrow(/not found/)
  await expect(fs.stat(path.join(top, 'stolen'))).rejects.toThrow('ENOENT')
})
