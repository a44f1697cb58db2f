import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { identify } from '../../../src/host/processes.ts'
import { commandLine, run } from '../../../src/host/run.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'tcolima-run-'))
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

const sh = (script: string) => ['-c', script]

test('gives both outputs, passes input, variables and folder', async () => {
  const script = 'cat; echo "$A-${HOME-none}-$(pwd)"; echo err >&2'
  const result = await run('sh', sh(script), { input: 'in\n', env: { A: '1', HOME: undefined }, cwd: dir })
  expect(result).toEqual({ stdout: `in\n1-none-${dir}`, stderr: 'err', exitCode: 0 })
})

test('has no input unless given some', async () => {
  expect((await run('cat', [])).stdout).toBe('')
})

test('tells lines as they come, whole, the last without a break too', async () => {
  const lines: string[] = []
  const script = String.raw`printf 'a\r\nb'; sleep 0.05; printf '\303'; sleep 0.05; printf '\244\nend'; echo oops >&2`
  await run('sh', sh(script), { onLine: (line, from) => lines.push(`${from} ${line}`) })
  expect(lines.filter((line) => line.startsWith('stdout'))).toEqual(['stdout a', 'stdout bä', 'stdout end'])
  expect(lines).toContain('stderr oops')
})

describe('failures', () => {
  test('exit code: the command and the last lines of its errors', async () => {
    const script = 'seq 1 30 >&2; exit 3'
    const error = await run('sh', sh(script)).catch((error: unknown) => error)
    expect(error).toMatchObject({ code: 'failed' })
    expect((error as Error).message).toMatch(/^sh -c 'seq .*' failed with exit code 3:\n21\n(\d+\n)*30$/)
  })
  test('a code that is allowed', async () => {
    expect(await run('sh', sh('exit 3'), { allow: [0, 3] })).toMatchObject({ exitCode: 3 })
    expect(await run('sh', sh('exit 9'), { allow: 'any' })).toMatchObject({ exitCode: 9 })
  })
  test('a signal', async () => {
    await expect(run('sh', sh('kill -9 $$'), { allow: 'any' })).rejects.toThrow(/was ended by SIGKILL/)
  })
  test('no such program', async () => {
    await expect(run('no-such-program-here', [])).rejects.toMatchObject({
      code: 'host',
      message: 'the program no-such-program-here is not installed',
    })
  })
  test('no such folder is not a missing program', async () => {
    await expect(run('true', [], { cwd: path.join(dir, 'no') })).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('no folder'),
    })
  })
})

describe('ends the whole group', () => {
  // Prints the pids of a grandchild that shares the output and of one that does not and ignores SIGTERM.
  const family =
    'sleep 60 & echo $!; sh -c \'trap "" TERM; sleep 61; sleep 62\' >/dev/null 2>&1 & echo $!; wait'

  async function pidsOf(stop: (pids: number[]) => void, timeoutMs?: number, signal?: AbortSignal) {
    const pids: number[] = []
    const done = run('sh', sh(family), {
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      signal,
      onLine: (line) => {
        pids.push(Number(line))
        if (pids.length === 2) stop(pids)
      },
    })
    const error = await done.catch((error: unknown) => error)
    return { pids, error }
  }

  test('on abort', async () => {
    const giveUp = new AbortController()
    const { pids, error } = await pidsOf(() => giveUp.abort(), undefined, giveUp.signal)
    expect(error).toMatchObject({ code: 'cancelled' })
    expect(pids).toHaveLength(2)
    await expect.poll(() => pids.filter((pid) => identify(pid)), { timeout: 5000 }).toEqual([])
  })
  test('after the time limit', async () => {
    const { pids, error } = await pidsOf(() => {}, 500)
    expect(error).toMatchObject({ code: 'failed', message: expect.stringContaining('longer than 500 ms') })
    expect(pids).toHaveLength(2)
    await expect.poll(() => pids.filter((pid) => identify(pid)), { timeout: 5000 }).toEqual([])
  })
  test('one that ignores SIGTERM is killed', async () => {
    const giveUp = new AbortController()
    const script = 'trap "" TERM; echo up; while :; do sleep 0.1; done'
    const running = run('sh', sh(script), { signal: giveUp.signal, onLine: () => giveUp.abort() })
    await expect(running).rejects.toMatchObject({ code: 'cancelled' })
  })
  test('aborted before: starts nothing', async () => {
    const signal = AbortSignal.abort()
    await expect(run('no-such-program-here', [], { signal })).rejects.toMatchObject({ code: 'cancelled' })
  })
})

test('commandLine quotes what a shell would take apart', () => {
  expect(commandLine('a', ['b=c/d', 'e f', "it's", ''])).toBe(String.raw`a b=c/d 'e f' 'it'\''s' ''`)
})
