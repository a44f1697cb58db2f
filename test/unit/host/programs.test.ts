import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findHostProgram, findProgram } from '../../../src/host/programs.ts'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'tcolima-path-'))
  await mkdir(path.join(dir, 'one', 'folder'), { recursive: true })
  await mkdir(path.join(dir, 'two'))
  await writeFile(path.join(dir, 'one', 'plain'), '', { mode: 0o644 })
  for (const each of ['plain', 'folder', 'tool']) await writeFile(path.join(dir, 'two', each), '')
  for (const each of ['plain', 'folder', 'tool']) await chmod(path.join(dir, 'two', each), 0o755)
})
afterAll(async () => {
  await rm(dir, { recursive: true, force: true })
})

test('passes over files that do not run, and folders', () => {
  const search = ['', path.join(dir, 'one'), path.join(dir, 'two')].join(':')
  for (const each of ['plain', 'folder', 'tool'])
    expect(findProgram(each, search)).toBe(path.join(dir, 'two', each))
  expect(findProgram('none', search)).toBeUndefined()
  expect(findProgram('tool', undefined)).toBeUndefined()
  expect(findProgram(path.join(dir, 'two', 'tool'), '')).toBe(path.join(dir, 'two', 'tool'))
})

test('finds system programs an ordinary PATH leaves out', () => {
  expect(findHostProgram('chroot', '/nowhere', 'linux')).toMatch(/sbin\/chroot$/)
})
