import { describe, expect, test } from 'vitest'
import { identify, isAlive, type ProcessTable } from '../../../src/host/processes.ts'

function linux(stat: string | undefined, boot = 'b1'): ProcessTable {
  return {
    platform: 'linux',
    readFile: (path) => {
      if (path.endsWith('boot_id')) return `${boot}\n`
      if (stat === undefined) throw new Error('ENOENT')
      return stat
    },
    ps: () => {
      throw new Error('not on Linux')
    },
  }
}

function mac(output: string | undefined): ProcessTable {
  return {
    platform: 'darwin',
    readFile: () => {
      throw new Error('not on macOS')
    },
    ps: () => {
      if (output === undefined) throw new Error('exit 1')
      return output
    },
  }
}

const stat = (name: string, state: string, ticks = 4711) =>
  `42 (${name}) ${state} 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 ${ticks} 999 888\n`

describe('identify on Linux', () => {
  test.each(['node', 'a b', 'x) Z 1 (y', '((('])('reads the start time after a name like %j', (name) => {
    expect(identify(42, linux(stat(name, 'S')))).toEqual({ pid: 42, started: '4711@b1' })
  })
  test.each(['Z', 'X', 'x'])('state %s is dead', (state) => {
    expect(identify(42, linux(stat('n', state)))).toBeUndefined()
  })
  test('no such process', () => expect(identify(42, linux(undefined))).toBeUndefined())
  test.each([0, -1, 1.5, Number.NaN])('pid %d is none', (pid) => {
    expect(identify(pid, linux(stat('n', 'S')))).toBeUndefined()
  })
  test('another start time, or another boot, is another process', () => {
    const id = identify(42, linux(stat('n', 'S')))!
    expect(isAlive(id, linux(stat('n', 'S')))).toBe(true)
    expect(isAlive(id, linux(stat('n', 'S', 4712)))).toBe(false)
    expect(isAlive(id, linux(stat('n', 'S'), 'b2'))).toBe(false)
  })
})

describe('identify on macOS', () => {
  test('reads the start time', () => {
    const table = mac('Mon Nov  3 09:05:07 2025     Ss+ \n')
    expect(identify(42, table)).toEqual({ pid: 42, started: 'Mon Nov 3 09:05:07 2025' })
  })
  test.each([['Mon Nov  3 09:05:07 2025 Z\n'], [''], [undefined]])('dead: %j', (output) => {
    expect(identify(42, mac(output))).toBeUndefined()
  })
})
