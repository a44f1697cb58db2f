import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { environmentFiles } from '../../../src/guest/environment.ts'
import { provisionFiles } from '../../../src/guest/provision.ts'
import type { ProvisionScript } from '../../../src/config/scripts.ts'

const guestScript = path.join(import.meta.dirname, '../../../guest/rootfs/usr/lib/tcolima/provision')
let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-provision-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Runs the guest's script on the seed of these settings, in a folder; gives what the console and the host were told. */
function provision(phase: 'boot' | 'ready', scripts: ProvisionScript[], env: Record<string, string> = {}) {
  const run = path.join(folder, 'run')
  mkdirSync(path.join(run, 'seed/provision'), { recursive: true })
  mkdirSync(path.join(folder, `home/${userInfo().username}.linux`), { recursive: true })
  writeFileSync(path.join(run, 'seed/settings'), `USER_NAME=${userInfo().username}\n`)
  for (const [name, text] of Object.entries({ ...provisionFiles(scripts), ...environmentFiles(env) })) {
    writeFileSync(path.join(run, 'seed', name), text)
  }
  const event = path.join(folder, 'event')
  writeFileSync(event, `#!/bin/sh\nprintf '%s\\n' "$*" >>${folder}/events\n`)
  chmodSync(event, 0o755)
  const text = readFileSync(guestScript, 'utf8')
    .replaceAll('/run/tcolima', run)
    .replaceAll('/usr/lib/tcolima/event', event)
    .replaceAll('/dev/console', `${folder}/console`)
    .replaceAll(`>${folder}/console`, `>>${folder}/console`)
    .replaceAll('/home/', `${folder}/home/`)
  const script = path.join(folder, 'provision')
  writeFileSync(script, text)
  execFileSync('sh', [script, phase], { timeout: 20_000, stdio: 'ignore' })
  const lines = (name: string) => readFileSync(path.join(folder, name), 'utf8').trimEnd().split('\n')
  return { console: lines('console'), events: lines('events') }
}

test('scripts run in the order of their modes, and each failure is told with its status', () => {
  const told = provision('boot', [
    { mode: 'user', script: 'echo "user in $PWD"; echo to stderr >/dev/stderr; exit 3' },
    { mode: 'system', script: 'echo system' },
    { mode: 'ready', script: 'echo not now' },
    { mode: 'system', script: '#!/usr/bin/perl\nprint "perl\\n"; exit 0' },
  ])
  expect(told.console.filter((line) => line.startsWith('provision['))).toEqual([
    'provision[1] (system) begins',
    'provision[1]: system',
    'provision[1] (system) ended with status 0',
    'provision[3] (system) begins',
    'provision[3]: perl',
    'provision[3] (system) ended with status 0',
    'provision[0] (user) begins',
    `provision[0]: user in ${folder}/home/${userInfo().username}.linux`,
    'provision[0]: to stderr',
    'provision[0] (user) ended with status 3',
  ])
  expect(told.events).toEqual(['failed provision.0.3', 'ready provision'])
})

test('the ready phase runs its own alone; what is left running holds nothing up', () => {
  const told = provision('ready', [
    { mode: 'system', script: 'echo no' },
    { mode: 'ready', script: 'sleep 60 & echo $! >"$HOME/pid"; echo ready' },
  ])
  process.kill(Number(readFileSync(path.join(folder, `home/${userInfo().username}.linux/pid`), 'utf8')))
  expect(told.console).toContain('provision[1]: ready')
  expect(told.console.join()).not.toContain('no,')
  expect(told.events).toEqual(['ready provision-ready'])
})

test('they have the user\u2019s variables, whatever is in them', () => {
  const value = String.raw`a "b" 'c' $d \e #f` + '`g`'
  const told = provision('boot', [{ mode: 'user', script: `printf '%s\\n' "$TEST"` }], { TEST: value })
  expect(told.console).toContain(`provision[0]: ${value}`)
})
