import { link, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { acquireLock, readLock } from '../../../src/host/lock.ts'
import { bundle, type Child, startNode } from './child.ts'

// Takes the lock, says so, and holds it until it is told or killed.
const holder = `
import { acquireLock } from './src/host/lock.ts'
const lock = await acquireLock(process.argv[2], { purpose: 'start', waitMs: Number(process.argv[3] ?? 0) })
console.log('locked')
process.stdin.once('data', () => { lock.release(); console.log('released'); process.stdin.unref() })
`
// Takes the lock again and again, and checks each time that nobody else is inside.
const contender = `
import { closeSync, openSync, unlinkSync } from 'node:fs'
import { acquireLock } from './src/host/lock.ts'
const [file, rounds] = [process.argv[2], Number(process.argv[3])]
for (let round = 0; round < rounds; round++) {
  const lock = await acquireLock(file, { purpose: 'x', waitMs: 50_000 })
  closeSync(openSync(file + '.inside', 'wx'))
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 3))
  unlinkSync(file + '.inside')
  // One in four dies inside the lock's life, so that the others have to steal it.
  if (round === rounds - 1 && Math.random() < 0.25) process.kill(process.pid, 'SIGKILL')
  lock.release()
}
`

let scripts: string
let dir: string
let file: string
const children: Child[] = []

beforeAll(async () => {
  scripts = await mkdtemp(path.join(os.tmpdir(), 'tcolima-lock-'))
  await bundle(holder, path.join(scripts, 'holder.mjs'))
  await bundle(contender, path.join(scripts, 'contender.mjs'))
})
afterAll(async () => {
  await rm(scripts, { recursive: true, force: true })
})
beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'tcolima-lock-'))
  file = path.join(dir, 'lock')
})
afterEach(async () => {
  await Promise.all(children.splice(0).map(async (child) => await child.kill()))
  await rm(dir, { recursive: true, force: true })
})

function start(script: string, ...args: string[]): Child {
  const child = startNode(path.join(scripts, script), [file, ...args])
  children.push(child)
  return child
}

test('a lock is seen, given back, and leaves nothing', async () => {
  const lock = await acquireLock(file, { purpose: 'delete' })
  expect(readLock(file)).toEqual({ owner: lock.owner, purpose: 'delete' })
  await expect(acquireLock(file, { purpose: 'x' })).rejects.toMatchObject({ code: 'busy' })
  lock.release()
  lock.release()
  expect(readLock(file)).toBeUndefined()
  expect(await readdir(dir)).toEqual([])
})

test('held by another process: busy with its pid and purpose; free once it lets go', async () => {
  const other = start('holder.mjs')
  await other.line()
  expect(readLock(file)).toMatchObject({ owner: { pid: other.pid }, purpose: 'start' })
  await expect(acquireLock(file, { purpose: 'stop' })).rejects.toMatchObject({
    code: 'busy',
    message: expect.stringMatching(new RegExp(`"start".*${other.pid}`)),
  })
  const waiting = acquireLock(file, { purpose: 'stop', waitMs: 20_000 })
  other.child.stdin!.write('go\n')
  const lock = await waiting
  expect(await other.line()).toBe('released')
  expect(readLock(file)?.purpose).toBe('stop')
  lock.release()
})

test('dies with its owner (kill -9)', async () => {
  const other = start('holder.mjs')
  await other.line()
  await other.kill('SIGKILL')
  expect(await readdir(dir)).toEqual(['lock'])
  expect(readLock(file)).toBeUndefined()
  const lock = await acquireLock(file, { purpose: 'stop' })
  expect(readLock(file)?.owner.pid).toBe(process.pid)
  lock.release()
  expect(await readdir(dir)).toEqual([])
})

test('an abort ends the wait', async () => {
  const other = start('holder.mjs')
  await other.line()
  const giveUp = new AbortController()
  const waiting = acquireLock(file, { purpose: 'stop', waitMs: 50_000, signal: giveUp.signal })
  giveUp.abort()
  await expect(waiting).rejects.toMatchObject({ code: 'cancelled' })
})

test.each(['', '{"owner":', 'null', '{"owner":{"pid":1}}'])(
  'a file cut short by a crash is free: %j',
  async (text) => {
    await writeFile(file, text)
    expect(readLock(file)).toBeUndefined()
    const lock = await acquireLock(file, { purpose: 'x' })
    expect(readLock(file)).toBeDefined()
    lock.release()
  },
)

test('no folder: an error that says so', async () => {
  await expect(acquireLock(path.join(dir, 'no', 'lock'), { purpose: 'x' })).rejects.toMatchObject({
    code: 'host',
  })
})

describe('a thief moved a living lock aside', () => {
  test('it still counts, and nobody else gets in', async () => {
    const other = start('holder.mjs')
    await other.line()
    await rename(file, `${file}.stale.x`)
    expect(readLock(file)?.owner.pid).toBe(other.pid)
    await expect(acquireLock(file, { purpose: 'stop' })).rejects.toMatchObject({ code: 'busy' })
    expect(await readdir(dir)).toEqual(['lock.stale.x'])
    await other.kill()
    const lock = await acquireLock(file, { purpose: 'stop' })
    expect(await readdir(dir)).toEqual(['lock'])
    lock.release()
  })

  test('its owner gives it back wherever it is', async () => {
    const lock = await acquireLock(file, { purpose: 'x' })
    await link(file, `${file}.stale.x`)
    lock.release()
    expect(await readdir(dir)).toEqual([])
  })

  test('release leaves the lock of a later owner alone', async () => {
    const lock = await acquireLock(file, { purpose: 'x' })
    await rm(file)
    const later = await acquireLock(file, { purpose: 'y' })
    const text = await readFile(file, 'utf8')
    lock.release()
    expect(await readFile(file, 'utf8')).toBe(text)
    later.release()
  })
})

test('many processes, some of them killed while they hold it: never two inside', async () => {
  const all = Array.from({ length: 6 }, () => start('contender.mjs', '25'))
  const ends = await Promise.all(
    all.map(
      async ({ child }) =>
        await new Promise<string>((resolve) =>
          child.once('exit', (code, signal) => resolve(signal ?? String(code))),
        ),
    ),
  )
  expect(ends.filter((end) => end !== '0' && end !== 'SIGKILL')).toEqual([])
  expect(readLock(file)).toBeUndefined()
})
