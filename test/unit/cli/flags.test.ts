import { describe, expect, test } from 'vitest'
import type { CommandContext } from '../../../src/cli/command.ts'
import { configFlags, workingFolder } from '../../../src/cli/flags.ts'

function context(flags: Record<string, unknown>): CommandContext {
  return { flags } as CommandContext
}

describe('configFlags', () => {
  test.each<[Record<string, unknown>, object]>([
    [{}, {}],
    [{ json: true, profile: 'work', color: true }, {}],
    [{ cpus: '4' }, { cpus: '4' }],
    [{ cpu: '4' }, { cpus: '4' }],
    [{ cpus: '4', cpu: '4' }, { cpus: '4' }],
    [
      { memory: '4', disk: '60', arch: 'host' },
      { memory: '4', disk: '60', arch: 'host' },
    ],
    [
      { cpuType: '', hostname: 'x', accel: 'tcg' },
      { cpuType: '', hostname: 'x', accel: 'tcg' },
    ],
    [{ mount: ['a', 'b:w'] }, { mount: ['a', 'b:w'] }],
    [{ activate: true }, { activate: true }],
    [{ activate: false }, { activate: false }],
    [{ activate: 'true' }, { activate: true }],
    [{ activate: 'false' }, { activate: false }],
  ])('%j', (flags, values) => expect(configFlags(context(flags))).toEqual(values))

  test.each<[Record<string, unknown>, RegExp]>([
    [{ cpus: '4', cpu: '2' }, /--cpus 4 and --cpu 2 are the same setting/],
    [{ activate: 'yes' }, /--activate takes true or false, not "yes"/],
    [{ activate: '' }, /--activate takes true or false/],
  ])('refuses %j', (flags, message) => {
    expect(() => configFlags(context(flags))).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringMatching(message) }),
    )
  })
})

test('workingFolder', () => expect(workingFolder()).toBe(process.cwd()))
