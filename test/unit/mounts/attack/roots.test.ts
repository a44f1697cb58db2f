import fs from 'node:fs'
import { expect, test } from 'vitest'
import { Fx, Fxf, Fxp } from '../../../../src/mounts/protocol.ts'
import { shareRoot } from '../../../../src/mounts/share-root.ts'
import { pathAims } from './requests.ts'
import { World } from './world.ts'

// A mount within a writable mount: the guest can put a link in its folder's place, then make its session start anew.

test('a link made in a mount’s place is no root for its next session', async () => {
  const world = new World()
  const { client } = await world.attack()
  await client.two(Fxp.RENAME, '/dir', '/away')
  await client.two(Fxp.SYMLINK, '../outside', '/dir')
  const location = `${world.share}/dir`
  await expect(shareRoot(location, [world.share])).rejects.toThrow('lies in a writable mount')
  // Nor does a session that gets it all the same serve anything.
  const inner = await world.attack(true, 'dir')
  for (const target of ['/', '/secret', '/new']) {
    for (const aim of pathAims) {
      const reply = await inner.client.ask(aim.type, (writer) => aim.fill(writer, target))
      expect(reply.status, `${aim.name} ${target}`).toBe(Fx.PERMISSION_DENIED)
    }
  }
})

test.each<[string, (world: World) => [location: string, writable: string[]]]>([
  ['its last name', ({ share }) => [`${share}/to-relative`, [share]]],
  ['a name above', ({ share }) => [`${share}/to-relative/folder-Zebra7`, [share]]],
  ['a link behind a link', ({ share }) => [`${share}/chain`, [share]]],
  ['reached by a link of the host', ({ share, top }) => [`${top}/by-host/to-relative`, [share]]],
  [
    'in a writable mount given by a link of the host',
    ({ top }) => [`${top}/share/to-relative`, [`${top}/by-host`]],
  ],
  [
    'in the inner one of two',
    ({ share, readonly }) => [`${share}/dir/link`, [readonly, share, `${share}/dir`]],
  ],
  ['that leads to the share itself', ({ share }) => [`${share}/dir/link`, [share]]],
])('a location behind a link of a writable mount is refused: %s', async (_name, of) => {
  const world = worldWithHostLink()
  const [location, writable] = of(world)
  await expect(shareRoot(location, writable)).rejects.toMatchObject({ code: 'config' })
})

test('links that no guest can have made are followed, and folders that are gone are missed', async () => {
  const world = worldWithHostLink()
  const { share, readonly, outside, top } = world
  expect(await shareRoot(`${top}/by-host`, [`${top}/by-host`])).toBe(share)
  expect(await shareRoot(`${top}/by-host/dir`, [share])).toBe(`${share}/dir`)
  expect(await shareRoot(`${readonly}/to-relative`, [share, `${top}/none`])).toBe(outside)
  await expect(shareRoot(`${share}/none`, [share])).rejects.toThrow('ENOENT')
})

test('a root that was no folder at first is served once it is one, never as a link', async () => {
  const world = new World()
  const { client } = await world.attack(true, 'later')
  expect((await client.path(Fxp.LSTAT, '/')).status).toBe(Fx.NO_SUCH_FILE)
  fs.symlinkSync('../outside', `${world.share}/later`)
  expect((await client.open('/secret', Fxf.READ)).status).toBe(Fx.PERMISSION_DENIED)
  fs.unlinkSync(`${world.share}/later`)
  fs.mkdirSync(`${world.share}/later`)
  expect((await client.path(Fxp.LSTAT, '/')).type).toBe(Fxp.ATTRS)
})

/** A world with the link `by-host` to the share, beside it, and a link in the share's folder `dir`. */
function worldWithHostLink(): World {
  const world = new World((top) => fs.symlinkSync('share', `${top}/by-host`))
  fs.symlinkSync('..', `${world.share}/dir/link`)
  return world
}
