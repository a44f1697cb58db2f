import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { acquireLock } from '../../../src/host/lock.ts'
import { removeUnfinishedClones, unfinishedClones } from '../../../src/instance/clone.ts'

let home: string

beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'tcolima-clone-'))
})

afterEach(() => rmSync(home, { recursive: true, force: true }))

it('what a killed clone left stays while another may have it, and goes then', async () => {
  const folder = path.join(home, '_clone-two')
  mkdirSync(folder)
  const left = unfinishedClones(home)
  expect(left).toEqual([folder])
  const lock = await acquireLock(path.join(home, '_clone.lock'), { purpose: 'clone' })
  expect(await removeUnfinishedClones(home, left)).toEqual([])
  expect(existsSync(folder)).toBe(true)
  lock.release()
  expect(await removeUnfinishedClones(home, left)).toEqual([folder])
  expect(existsSync(folder)).toBe(false)
  expect(await removeUnfinishedClones(home, left)).toEqual([])
})

it('only what was asked about goes', async () => {
  const folder = path.join(home, '_clone-two')
  mkdirSync(folder)
  expect(await removeUnfinishedClones(home, [path.join(home, '_clone-one')])).toEqual([])
  expect(existsSync(folder)).toBe(true)
})
