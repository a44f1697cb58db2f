import { afterEach, describe, expect, it, vi } from 'vitest'
import { configFlags } from '../../../src/cli/flags.ts'
import { contextOf, plainInvocation } from '../../../src/cli/invocation.ts'
import { parse } from '../../../src/cli/parser.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

const env = { HOME: '/home/me', TCOLIMA_HOME: '/th' }

async function context(words: string[], more: NodeJS.ProcessEnv = {}) {
  const invocation = await parse(words)
  if (!invocation) throw new Error('nothing to run')
  return contextOf(invocation, { ...env, ...more })
}

describe('the profile', () => {
  it.each([
    ['none', ['status'], {}, 'default'],
    ['a flag behind the command', ['status', '-p', 'work'], {}, 'work'],
    ['a flag before the command', ['-p', 'work', 'status'], {}, 'work'],
    ['an argument', ['status', 'work'], {}, 'work'],
    ['the environment', ['status'], { TCOLIMA_PROFILE: 'work' }, 'work'],
    ['an argument before the environment', ['status', 'a'], { TCOLIMA_PROFILE: 'b' }, 'a'],
    ['twice the same', ['status', 'a', '-p', 'a'], {}, 'a'],
    ['a name of Colima', ['status', 'colima'], {}, 'default'],
  ])('%s', async (_what, words, more, profile) => {
    expect((await context(words, more)).profile).toBe(profile)
  })

  it('is refused when two are named', async () => {
    await expect(context(['stop', 'a', '-p', 'b'])).rejects.toMatchObject({ code: 'usage' })
  })
})

describe('what stands behind --', () => {
  it.each([
    [['ssh', '--', 'ls', '-la'], 'default', ['ls', '-la']],
    [['ssh', '-p', 'work', '--', 'sh', '-c', 'exit 42'], 'work', ['sh', '-c', 'exit 42']],
    [['ssh', 'work', '--', 'printf', '--', '--json', '-p', ''], 'work', ['printf', '--', '--json', '-p', '']],
    [['ssh', 'work'], 'work', []],
    [['ssh', 'work', 'ls'], 'work', ['ls']],
  ])('%j', async (words, profile, rest) => {
    expect(await context(words)).toMatchObject({ profile, rest, flags: {} })
  })
})

describe('settings', () => {
  it('are taken as typed, in both spellings', async () => {
    const words = [
      'start',
      '--cpu',
      '6',
      '-m',
      '1.5',
      '-d',
      '20',
      '-V',
      '/a:w',
      '--mount',
      '/b',
      '--accel',
      'tcg',
    ]
    expect(configFlags(await context(words))).toEqual({
      cpus: '6',
      memory: '1.5',
      disk: '20',
      mount: ['/a:w', '/b'],
      accel: 'tcg',
    })
  })

  it.each([
    [['start'], undefined],
    [['start', '--activate'], true],
    [['start', '--activate=false'], false],
    [['start', '--activate=true'], true],
  ])('%j activates: %s', async (words, activate) => {
    expect(configFlags(await context(words)).activate).toBe(activate)
  })

  it('are refused when they contradict each other', async () => {
    const given = await context(['start', '--cpus', '2', '--cpu', '4'])
    expect(() => configFlags(given)).toThrow('same setting')
  })
})

describe('a wrong command line', () => {
  it.each([
    [['strat'], 'unknown command', 'start'],
    [['start', '--memroy', '2'], 'unknown option', '--memory'],
    [['start', '--quux'], 'unknown option', 'tcolima start --help'],
    [['start', '--cpus'], 'argument missing', 'tcolima start --help'],
    [['stop', 'a', 'b'], 'too many arguments', 'tcolima stop --help'],
    [['--quux'], 'unknown option', 'tcolima --help'],
    [['strat', '--help'], "unknown command 'strat'", 'start'],
    [['help', 'strat'], "unknown command 'strat'", 'start'],
    [['model', 'list'], "unknown command 'model'", 'krunkit'],
    [['model', '--help'], "unknown command 'model'", 'krunkit'],
  ])('%j says %j', async (words, message, hint) => {
    await expect(parse(words)).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining(message) as string,
      hint: expect.stringContaining(hint) as string,
    })
  })
})

describe('no-color and verbose', () => {
  it.each([
    [['--no-color', 'status'], false],
    [['status', '--no-color'], false],
    [['status'], true],
  ])('%j', async (words, color) => {
    expect((await parse(words))?.flags.color).toBe(color)
  })

  it('verbose is known before and behind the command', async () => {
    expect((await context(['--verbose', 'status'])).output.verbose).toBe(true)
    expect((await context(['status', '--verbose'])).output.verbose).toBe(true)
  })
})

describe('help', () => {
  it.each([[['help', 'stop']], [['stop', '--help']], [['exec', '-h']], [['help']], [['help', 'help']]])(
    '%j is answered',
    async (words) => {
      const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
      expect(await parse(words)).toBeUndefined()
      expect(String(write.mock.calls[0]?.[0])).toMatch(/^Usage: tcolima /)
    },
  )

  it('is grouped, and nothing is to run', async () => {
    const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    expect(await parse([])).toBeUndefined()
    const text = write.mock.calls.map(([chunk]) => String(chunk)).join('')
    for (const word of ['Machine:', 'Use:', 'Help:', 'start', 'ssh-config']) expect(text).toContain(word)
  })
})

describe('plainInvocation', () => {
  it.each([
    [['list'], 'list'],
    [['ls', '--json'], 'list'],
    [['status', '--json'], 'status'],
    [['version'], 'version'],
  ])('%j needs no parser and means what the parser says', async (words, name) => {
    const plain = plainInvocation(words)
    expect(plain?.command.name).toBe(name)
    const { json } = (await parse(words))?.flags ?? {}
    expect(plain?.flags.json).toBe(json)
  })

  it.each([[[]], [['--help']], [['list', '--help']], [['status', 'work']], [['ssh', '--json']], [['help']]])(
    '%j goes to the parser',
    (words) => {
      expect(plainInvocation(words)).toBeUndefined()
    },
  )
})
