import { type ChildProcess, spawn } from 'node:child_process'
import { promises as fs } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Duplex, pipeline } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { KeptFiles } from '../../../src/mounts/kept.ts'
import { Owners } from '../../../src/mounts/owners.ts'
import { Fx, Fxp } from '../../../src/mounts/protocol.ts'
import { Client } from '../../unit/mounts/client.ts'
import { bundle } from '../host/child.ts'
import { gone, mounted, output, startSshfs } from './sshfs.ts'

const USER = { uid: 1000, gid: 1000 }
// `nobody`, who may change no owner, where the tests are root's.
const ordinary = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}

const source = `
import { Duplex } from 'node:stream'
import { KeptFiles } from './src/mounts/kept.ts'
import { Owners } from './src/mounts/owners.ts'
import { serveSftp } from './src/mounts/server.ts'
const [root, kept] = process.argv.slice(2)
const owners = new Owners(${JSON.stringify(USER)}, new KeptFiles(kept))
serveSftp(Duplex.from({ readable: process.stdin, writable: process.stdout }), { root, writable: true, owners })
`

let top: string
let count = 0
beforeAll(async () => {
  top = await fs.mkdtemp(path.join(os.tmpdir(), 'tcolima-owners-'))
  await fs.chmod(top, 0o755)
  await bundle(source, path.join(top, 'server.mjs'))
})
afterAll(() => fs.rm(top, { recursive: true, force: true }))

/** A fresh folder of an ordinary user, with a root, a mount point and a place to keep owners in. */
async function folders(): Promise<{ root: string; mount: string; kept: string }> {
  const folder = path.join(top, String(count++))
  const places = { root: `${folder}/root`, mount: `${folder}/mnt`, kept: `${folder}/owners` }
  for (const made of [folder, places.root, places.mount]) {
    await fs.mkdir(made)
    if (ordinary.uid !== undefined) await fs.chown(made, ordinary.uid, ordinary.gid)
  }
  return places
}

/** A server of its own process, with an ordinary user's rights. */
function startServer({ root, kept }: { root: string; kept: string }) {
  return spawn(process.execPath, [path.join(top, 'server.mjs'), root, kept], {
    ...ordinary,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
}

test('a database takes its folder over, an ordinary user of the host serving it', async () => {
  const places = await folders()
  const { root, mount } = places
  const running: ChildProcess[] = []
  const start = async () => {
    const server = startServer(places)
    const sshfs = await startSshfs(mount)
    running.push(server, sshfs)
    // When one of them ends, the other may still be writing to it.
    pipeline(sshfs.stdout, server.stdin, () => {})
    pipeline(server.stdout, sshfs.stdin, () => {})
    await mounted(mount, sshfs)
  }
  const stop = async () => {
    await output('umount', ['-l', mount]).catch(() => '')
    for (const child of running.splice(0)) await gone(child)
  }
  const sh = (script: string) => output('bash', ['-ec', `cd '${mount}'; ${script}`])
  const as = (id: number, script: string) =>
    output('setpriv', [
      `--reuid=${id}`,
      `--regid=${id}`,
      '--clear-groups',
      'bash',
      '-ec',
      `umask 077; cd '${mount}'; ${script}`,
    ])
  try {
    await start()
    // As the entry script of the image does: root adopts the folder, then the server's user works in it.
    await sh(
      'mkdir pg; chmod 1777 pg; touch pg/left; find pg ! -user 999 -exec chown 999:999 {} +; chmod 0700 pg',
    )
    expect(await sh('stat -c "%u:%g %a %n" pg pg/left')).toBe('999:999 700 pg\n999:999 644 pg/left\n')
    await as(
      999,
      'mkdir pg/base; echo 16 >pg/PG_VERSION; ln -s base pg/link; cp pg/PG_VERSION pg/base/1; sync pg/base/1',
    )
    await as(999, 'echo more >>pg/base/1; mv pg/base/1 pg/base/2; chmod 0400 pg/PG_VERSION; rm pg/left')
    const seen = 'cd pg; stat -c "%u:%g %a %n" base base/2 PG_VERSION link'
    const expected = '999:999 700 base\n999:999 600 base/2\n999:999 400 PG_VERSION\n999:999 777 link\n'
    expect(await sh(seen)).toBe(expected)
    await expect(as(1000, 'cat pg/base/2')).rejects.toThrow('Permission denied')
    // Root of the guest writes what nobody may, and gives set-id bits that mean nothing on the host.
    await sh('echo 17 >pg/PG_VERSION; touch s; chmod 6755 s; mkdir locked; chmod 0555 locked; touch locked/f')
    expect(await sh('stat -c "%u %a" s locked')).toBe('1000 6755\n1000 555\n')
    // On the host all is the host user's as before.
    const host = await output('find', [root, '-printf', '%u %m %P\n'])
    const user = (await output('stat', ['-c', '%U', root])).trim()
    for (const line of host.trim().split('\n')) expect(line.split(' ')[0]).toBe(user)
    expect(host).toContain(`${user} 755 s\n`)
    expect(host).toContain(`${user} 755 locked\n`)
    await stop()
    await start()
    expect(await sh(seen)).toBe(expected)
    expect(await as(999, 'cat pg/PG_VERSION pg/base/2')).toBe('17\n16\nmore\n')
    await sh('rm -r pg s locked')
    expect(await sh('ls -A')).toBe('')
  } finally {
    await stop()
  }
})

test('a server killed at any time has lost no owner that it answered for', async () => {
  const places = await folders()
  const names = Array.from({ length: 2000 }, (_, n) => `f${n}`)
  await Promise.all(names.map((name) => fs.writeFile(path.join(places.root, name), '')))
  const server = startServer(places)
  const client = new Client(Duplex.from({ readable: server.stdout, writable: server.stdin }))
  await client.init()
  const answered = new Set<number>()
  let sent = 0
  // A hundred on their way at any time, so that the end finds some whatever the server's speed.
  const askOne = () => {
    const n = sent++
    void client.path(Fxp.SETSTAT, `/${names[n]}`, { uid: n, gid: n }).then(({ status }) => {
      if (status !== Fx.OK) return
      answered.add(n)
      if (answered.size === 300) server.kill('SIGKILL')
      if (sent < names.length) askOne()
    })
  }
  for (let waiting = 0; waiting < 100; waiting++) askOne()
  await client.ended
  await gone(server)
  expect(answered.size).toBeGreaterThanOrEqual(300)
  expect(answered.size).toBeLessThan(sent)
  const kept = new KeptFiles(places.kept)
  const owners = new Owners(USER, kept)
  for (const n of answered) {
    const { uid, gid } = owners.asSeen(await fs.lstat(path.join(places.root, `f${n}`)))
    expect({ uid, gid }).toEqual({ uid: n, gid: n })
  }
  owners.close()
})
