import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { leftoversOf } from '../../../src/cli/leftovers.ts'
import type { InstanceView } from '../../../src/instance/view.ts'

let home: string

beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), "tcolima-it's-"))
})

afterEach(() => rmSync(home, { recursive: true, force: true }))

it.each<[string, Partial<InstanceView>, string | undefined]>([
  ['a machine in order', { status: 'Running', agent: true }, undefined],
  ['a stopped one', { status: 'Stopped' }, undefined],
  ['one that starts', { status: 'Starting', agent: true }, undefined],
  ['one without its agent', { status: 'Running' }, 'tcolima start work'],
  ['a start that nobody goes on with', { status: 'Starting' }, 'tcolima start work'],
  ['a broken one', { status: 'Broken', reason: 'bad' }, 'tcolima delete work'],
])('%s', (_what, view, fix) => {
  const found = leftoversOf(home, { name: 'work', status: 'Stopped', agent: false, ...view })
  expect(found.map((check) => check.fix)).toEqual(fix === undefined ? [] : [fix])
})

it('gives a command that a shell takes for a kept disk', () => {
  mkdirSync(path.join(home, 'work'))
  writeFileSync(path.join(home, 'work', 'root.qcow2.old'), '')
  const [found] = leftoversOf(home, { name: 'work', status: 'Stopped', agent: false })
  expect(found?.fix).toContain(String.raw`it'\''s`)
})
