import { promises as fs } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { Fx, Fxf, Fxp } from '../../../src/mounts/protocol.ts'
import { serve } from './fixture.ts'

// B12
test('a folder that goes away while it is shared: requests fail, the session lives, and a new one is served', async () => {
  const { client, root, session } = await serve()
  await fs.writeFile(path.join(root, 'f'), 'before')
  const { handle = '' } = await client.open('/f', Fxf.READ)
  await fs.rm(root, { recursive: true })

  expect((await client.path(Fxp.LSTAT, '/')).status).toBe(Fx.NO_SUCH_FILE)
  expect((await client.path(Fxp.OPENDIR, '/')).status).toBe(Fx.NO_SUCH_FILE)
  expect((await client.open('/new', Fxf.WRITE | Fxf.CREAT)).status).toBe(Fx.NO_SUCH_FILE)
  // As on a local disk, what is open can still be read.
  expect((await client.read(handle, 0, 10)).data?.toString()).toBe('before')

  await fs.mkdir(root)
  await fs.writeFile(path.join(root, 'f'), 'after')
  const again = await client.open('/f', Fxf.READ)
  expect((await client.read(again.handle ?? '', 0, 10)).data?.toString()).toBe('after')
  expect(session.stats().openHandles).toBe(2)
})

test('a folder that is gone when the session starts is served once it is there', async () => {
  const { top } = await serve()
  const late = path.join(top, 'late')
  const { client } = await serve({ root: late })
  expect((await client.path(Fxp.STAT, '/')).status).toBe(Fx.NO_SUCH_FILE)
  await fs.mkdir(late)
  expect((await client.path(Fxp.STAT, '/')).type).toBe(Fxp.ATTRS)
})
