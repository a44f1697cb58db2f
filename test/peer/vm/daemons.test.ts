import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readJson } from '../../../src/host/files.ts'
import { isAlive, type ProcessId } from '../../../src/host/processes.ts'
import { type DaemonSpec, endDaemons, isListening, startDaemons } from '../../../src/vm/daemons.ts'

let folder: string
let record: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-daemons-'))
  record = path.join(folder, 'daemons.json')
})
afterEach(async () => {
  await endDaemons(record)
  rmSync(folder, { recursive: true })
})

const daemon = (name: string, script: string): DaemonSpec => {
  const socket = path.join(folder, `${name}.sock`)
  return { command: [process.execPath, '-e', script, socket], socket, log: path.join(folder, `${name}.log`) }
}
const listening = 'require("net").createServer().listen(process.argv[1])'
const never = new AbortController().signal

// It looks into /proc, as virtiofs does, which only Linux hosts have.
describe.skipIf(process.platform !== 'linux')('daemons', () => {
  test('are there when they listen, are written down, and end when they are to', async () => {
    await startDaemons([daemon('a', listening), daemon('b', listening)], record, never)
    const ids = readJson(record) as ProcessId[]
    expect(ids.map((id) => isAlive(id))).toEqual([true, true])
    await endDaemons(record)
    expect(ids.map((id) => isAlive(id))).toEqual([false, false])
    expect(existsSync(record)).toBe(false)
  })

  test('one that ends is an error with its words; those before it can still be ended', async () => {
    const specs = [daemon('a', listening), daemon('b', 'console.error("no such share"); process.exit(4)')]
    await expect(startDaemons(specs, record, never)).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('did not start: exit code 4'),
      log: { lines: ['no such share'] },
    })
    const [first] = readJson(record) as ProcessId[]
    expect(isAlive(first!)).toBe(true)
    await endDaemons(record)
    expect(isAlive(first!)).toBe(false)
  })

  test('a program that is not there is named', async () => {
    const spec = { ...daemon('a', ''), command: [path.join(folder, 'nothing')] }
    await expect(startDaemons([spec], record, never)).rejects.toThrow(/nothing did not start: .*ENOENT/)
  })

  test('waiting for one can be given up', async () => {
    const stop = new AbortController()
    const start = startDaemons([daemon('a', 'setTimeout(() => {}, 60000)')], record, stop.signal)
    stop.abort(new Error('given up'))
    await expect(start).rejects.toThrow('given up')
  })
})

test('endDaemons with nothing written down', async () => {
  await expect(endDaemons(record)).resolves.toBeUndefined()
})

test('isListening: a socket that is only bound, or connected, or another, does not count', () => {
  const line = (flags: string, file: string) =>
    `0000000000000000: 00000002 00000000 ${flags} 0001 01 123 ${file}`
  expect(isListening(line('00010000', '/a b'), '/a b')).toBe(true)
  expect(isListening(line('00000000', '/a b'), '/a b')).toBe(false)
  expect(isListening(line('00010000', '/x/a'), '/a')).toBe(false)
  expect(readFileSync('/proc/net/unix', 'utf8').split('\n')[0]).toMatch(/Flags +Type/)
})
