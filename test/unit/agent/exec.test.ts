import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { execOptions, guestFolder, remoteCommand } from '../../../src/agent/exec.ts'
import type { MountSpec } from '../../../src/config/mounts.ts'

let dir: string
beforeEach(() => {
  dir = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'tcolima-exec-')))
})
afterEach(() => {
  rmSync(dir, { recursive: true, force: true })
})

function mount(location: string, mountPoint = location): MountSpec {
  return { location, mountPoint, writable: false }
}

/** Runs a command line as sshd has the user's shell do it. */
function guest(line: string, cwd = dir): string {
  return execFileSync('sh', ['-c', line], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, SHELL: '/bin/echo' },
  })
}

/** The words of a command as the program in the guest gets them. */
function arrived(words: string[]): string[] {
  const command = ['printf', String.raw`%s\0`, ...words]
  return guest(remoteCommand({ command }, [])).split('\0').slice(0, -1)
}

describe('arguments arrive byte for byte', () => {
  test.each([
    [["o'brien"]],
    [['$HOME', '`id`', '$(id)', '${x}']],
    [['a b', '', '  ', '\t']],
    [['two\nlines', '\n', 'end\n']],
    [['*', '?', '[a]', '~', '{a,b}', '!!']],
    [['"', '\\', '\\\\', "'", "''", `'"'`]],
    [['-n', '--', '-e']],
    [[';', '&', '|', '>', '<', '&&', '#x', '(', ')']],
    [['jané', '☃', '\u0001\u007F']],
  ])('%j', (words) => expect(arrived(words)).toEqual(words))

  test('any words', () => {
    const word = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'))
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 30 }), (words) => {
        expect(arrived(words)).toEqual(words)
      }),
      { numRuns: 15 },
    )
  })
})

describe('the folder', () => {
  test.each(['plain', "o'brien", 'a b', '$x', '-dash', 'jané'])('starts in %j when it is mounted', (name) => {
    mkdirSync(path.join(dir, name))
    const line = remoteCommand({ command: ['pwd', '-P'], cwd: `/host/${name}` }, [mount('/host', dir)])
    expect(guest(line, '/')).toBe(`${path.join(dir, name)}\n`)
  })
  test('one that is not there is no reason not to run, and nothing is said', () => {
    const line = remoteCommand({ command: ['pwd', '-P'], cwd: '/host/none' }, [mount('/host', dir)])
    expect(guest(line)).toBe(`${dir}\n`)
  })
  test('no command: a login shell, in the folder', () => {
    expect(guest(remoteCommand({ command: [] }, []))).toBe('-l\n')
    expect(remoteCommand({ command: [], cwd: '/w/x' }, [mount('/w')])).toBe(
      `cd '/w/x' 2>/dev/null; exec "$SHELL" -l`,
    )
  })
  test("the program's exit code is the command's", () => {
    const line = remoteCommand({ command: ['sh', '-c', 'exit 7'], cwd: '/w' }, [mount('/w')])
    expect(() => guest(line)).toThrow(expect.objectContaining({ status: 7 }))
  })
})

describe('guestFolder', () => {
  const mounts = [mount('/home/ann'), mount('/srv/data', '/data'), mount('/home/ann/src', '/home/ann/src')]
  test.each([
    [undefined, undefined],
    ['/home/ann', '/home/ann'],
    ['/home/ann/a/b', '/home/ann/a/b'],
    ['/home/anna', undefined],
    ['/home', undefined],
    ['/', undefined],
    ['/srv/data', '/data'],
    ['/srv/data/x y', '/data/x y'],
    ['/srv/database', undefined],
    ['/home/ann/src/x', '/home/ann/src/x'],
  ])('%s', (folder, inGuest) => expect(guestFolder(folder, mounts)).toBe(inGuest))

  test('of mounts within each other the inner one counts', () => {
    const nested = [mount('/w', '/outer'), mount('/w/in', '/outer/inner')]
    expect(guestFolder('/w/in/x', nested)).toBe('/outer/inner/x')
    expect(guestFolder('/w/x', nested)).toBe('/outer/x')
  })
  test('nothing mounted', () => expect(guestFolder('/w', [])).toBeUndefined())
})

describe('execOptions', () => {
  test.each([
    [{ command: [] }, {}],
    [{ command: [], env: { LANG: 'C' } }, { env: { LANG: 'C' } }],
    [
      { command: [], terminal: { term: 'xterm', rows: 24, columns: 80 } },
      { pty: { term: 'xterm', rows: 24, cols: 80 } },
    ],
  ])('%j', (params, options) => expect(execOptions(params)).toEqual(options))
})
