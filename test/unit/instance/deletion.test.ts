import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { currentHost } from '../../../src/host/platform.ts'
import { finishDeletion } from '../../../src/instance/deletion.ts'
import { instancePaths } from '../../../src/instance/paths.ts'

const host = currentHost({ platform: 'linux', uid: 1 })
let home: string

beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'tcolima-deletion-'))
})

afterEach(() => rmSync(home, { recursive: true, force: true }))

it('of a delete that another process ends just then nothing is to be done', async () => {
  const paths = instancePaths(home, 'work')
  // As if it had been seen in the folder, which went before the lock was taken.
  const deletion = path.join(home, 'seen')
  writeFileSync(deletion, '{"data":true}')
  await finishDeletion({ ...paths, deletion }, host)
  expect(existsSync(paths.folder)).toBe(false)
})

it('a lock that cannot be had in a folder that is there is told', async () => {
  const paths = instancePaths(home, 'work')
  mkdirSync(paths.folder)
  writeFileSync(paths.deletion, '{"data":true}')
  const lock = path.join(home, 'nowhere', 'lock')
  await expect(finishDeletion({ ...paths, lock }, host)).rejects.toThrow('cannot write the lock')
  expect(existsSync(paths.deletion)).toBe(true)
})
