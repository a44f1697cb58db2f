import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

const program = path.resolve(import.meta.dirname, '../../../guest/rootfs/usr/lib/tcolima/kubernetes')

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-address-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** What the guest's script has ip(8), which is played, do to a card with such addresses. The card is the loopback: all have it. */
function changes(addresses: string[]): string[] {
  const log = path.join(folder, 'log')
  const lines = addresses.map((each) => `2: lo    inet ${each} scope global lo`).join('\n')
  writeFileSync(
    path.join(folder, 'ip'),
    `#!/bin/sh\ncase "$*" in *show*) printf '%s\\n' '${lines}' ;; *) echo "$*" >>'${log}' ;; esac\n`,
    { mode: 0o755 },
  )
  const words = [program, 'network', '10.41.0.3', '00:00:00:00:00:00']
  const env = { ...process.env, PATH: `${folder}:${process.env.PATH ?? ''}` }
  expect(execFileSync('sh', words, { encoding: 'utf8', env }).trim()).toBe('lo')
  return readFileSync(log, 'utf8').trim().split('\n').slice(1)
}

const replace = 'address replace 10.41.0.3/24 dev lo'
const flush = '-4 address flush dev lo scope global'

test.each([
  ['none', [], [flush, replace]],
  ['that one', ['10.41.0.3/24'], [replace]],
  ['the one of before', ['10.41.0.1/24'], [flush, replace]],
  ['both', ['10.41.0.1/24', '10.41.0.3/24'], [flush, replace]],
])('a card that has %s has one address of the nodes then', (_what, before, done) => {
  expect(changes(before)).toEqual(done)
})
