import { expect, test } from 'vitest'
import { GuestState } from '../../../src/agent/guest-state.ts'
import { waitProvisioned } from '../../../src/agent/provisioning.ts'
import type { ProvisionScript } from '../../../src/config/scripts.ts'
import type { ProgressEvent } from '../../../src/host/progress.ts'

const scripts: ProvisionScript[] = [
  { mode: 'ready', script: 'x' },
  { mode: 'system', script: 'y' },
]

function setUp() {
  const guest = new GuestState()
  guest.take({ type: 'hello', version: 2, boot: 'x' })
  const events: ProgressEvent[] = []
  const input = {
    profile: 'work',
    guest,
    scripts,
    report: (event: ProgressEvent) => events.push(event),
    signal: new AbortController().signal,
  }
  return { guest, events, input }
}

test('a script that failed is a warning with its place, mode and status, in its own phase', async () => {
  const { guest, events, input } = setUp()
  guest.take({ type: 'failed', subject: 'provision.0.7' })
  guest.take({ type: 'failed', subject: 'provision.1.3' })
  const waiting = waitProvisioned('boot', input)
  guest.take({ type: 'ready', subject: 'provision' })
  const hint = '`tcolima logs work --source serial` shows what it said.'
  const warning = { text: 'provision[1] (system) failed with status 3', hint }
  expect(await waiting).toEqual([warning])
  expect(events).toContainEqual({ type: 'warning', ...warning })
})

test('nothing is waited for where the phase has no scripts', async () => {
  const { input, events } = setUp()
  expect(await waitProvisioned('boot', { ...input, scripts: scripts.slice(0, 1) })).toEqual([])
  expect(events).toEqual([])
})

test('scripts that the guest gave up on are an error', async () => {
  const { guest, input } = setUp()
  const waiting = waitProvisioned('ready', input)
  guest.take({ type: 'failed', subject: 'tcolima-ready' })
  await expect(waiting).rejects.toThrow('the provision scripts did not end within 30 minutes')
})

test('a guest from before there were scripts is told once, and not waited for', async () => {
  const { guest, input, events } = setUp()
  guest.take({ type: 'hello', version: 1, boot: 'x' })
  expect(await waitProvisioned('ready', input)).toEqual([])
  expect(await waitProvisioned('boot', input)).toHaveLength(1)
  expect(events).toMatchObject([
    { type: 'warning', text: expect.stringContaining('older tcolima') as string },
  ])
})
