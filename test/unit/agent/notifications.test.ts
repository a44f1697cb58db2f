import { promises as fs } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Notifications } from '../../../src/agent/notifications.ts'
import type { HostMessage } from '../../../src/guest/protocol.ts'

let folder: string
let sent: HostMessage[]
let notifications: Notifications
const looks = () => sent.filter(({ type }) => type === 'watched').length
const mount = () => ({ location: folder, mountPoint: folder, writable: true })

beforeEach(async () => {
  folder = await fs.realpath(await fs.mkdtemp(path.join(os.tmpdir(), 'tcolima-notifications-')))
  sent = []
  notifications = new Notifications({
    on: true,
    ignore: [],
    files: (index) => ({
      replays: path.join(folder, `.${index}.replays`),
      folders: path.join(folder, `.${index}.folders`),
      ignoredFolders: path.join(folder, `.${index}.ignored`),
    }),
    send: (message) => sent.push(message),
    still: (work) => work(),
    warn: () => {},
    log: () => {},
  })
})
afterEach(async () => {
  vi.useRealTimers()
  await notifications.close()
  await fs.rm(folder, { recursive: true })
})

test('the guest looks for watchers when a mount is used: at once, then ever less often, and not at rest', () => {
  vi.useFakeTimers()
  const notifier = notifications.add(0, mount())
  notifier.root = folder
  const use = (ms: number) => {
    for (const end = Date.now() + ms; Date.now() < end; vi.advanceTimersByTime(100))
      notifier.observer.knows(folder)
  }
  expect(looks()).toBe(0)
  use(100)
  expect(looks()).toBe(1)
  use(3000)
  expect(looks()).toBe(3)
  use(12_000)
  expect(looks()).toBe(6)
  vi.advanceTimersByTime(60_000)
  const rested = looks()
  expect(rested).toBe(8)
  vi.advanceTimersByTime(60_000)
  expect(looks()).toBe(rested)
  // What was looked at once is watched a moment later.
  notifier.observer.knows(folder)
  expect(looks()).toBe(rested + 1)
  vi.advanceTimersByTime(60_000)
  expect(looks()).toBe(rested + 2)
})

test('a mount is watched while the guest says so, and nothing is left of one that goes', async () => {
  const notifier = notifications.add(3, mount())
  notifier.root = folder
  notifier.observer.knows(folder)
  notifications.take({ type: 'watched', indexes: [1] })
  expect(notifications.isWatched(3)).toBe(false)
  notifications.take({ type: 'watched', indexes: [3] })
  await vi.waitFor(() => expect(notifications.isWatched(3)).toBe(true))
  await fs.writeFile(path.join(folder, 'new'), '')
  const replay = { type: 'replay', index: 3, id: 1, steps: `create:${Buffer.from('/new').toString('hex')}` }
  await vi.waitFor(() => expect(sent).toContainEqual(replay))
  notifications.take({ type: 'replayed', index: 3, id: 1, failed: 0 })
  await notifications.remove(3)
  expect(notifications.isWatched(3)).toBe(false)
  expect(await fs.readdir(folder)).toEqual(['new'])
})

test('switched off nothing is watched or asked; switched on again it goes on with what the guest knows', async () => {
  const notifier = notifications.add(3, mount())
  notifier.root = folder
  notifier.observer.knows(folder)
  notifications.take({ type: 'watched', indexes: [3] })
  await vi.waitFor(() => expect(notifications.isWatched(3)).toBe(true))
  notifications.setOn(false)
  await vi.waitFor(() => expect(notifications.isWatched(3)).toBe(false))
  notifications.take({ type: 'watched', indexes: [3] })
  await fs.writeFile(path.join(folder, 'unheard'), '')
  notifications.setOn(true)
  notifications.take({ type: 'watched', indexes: [3] })
  await vi.waitFor(() => expect(notifications.isWatched(3)).toBe(true))
  await fs.writeFile(path.join(folder, 'heard'), '')
  const heard = Buffer.from('/heard').toString('hex')
  await vi.waitFor(() => expect(JSON.stringify(sent)).toContain(heard))
  expect(JSON.stringify(sent)).not.toContain(Buffer.from('/unheard').toString('hex'))
})

test('off from the start, the guest is not asked', () => {
  vi.useFakeTimers()
  notifications.setOn(false)
  notifications.add(0, mount()).observer.knows(folder)
  vi.advanceTimersByTime(10_000)
  expect(looks()).toBe(0)
})
