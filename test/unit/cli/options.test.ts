import { describe, expect, it } from 'vitest'
import { commands } from '../../../src/cli/commands.ts'
import { flagSpec } from '../../../src/cli/flag-spec.ts'
import { configFlags } from '../../../src/cli/flags.ts'
import { contextOf } from '../../../src/cli/invocation.ts'
import { noEffectWarning } from '../../../src/cli/no-effect.ts'
import { parse } from '../../../src/cli/parser.ts'
import { flagChanges } from '../../../src/config/flags.ts'

// Commands that have no --json, and why. What --json prints is in test/peer/cli/shown.test.ts.
const withoutJson: Record<string, string> = {
  ssh: 'what it prints is what the command in the guest prints',
  nerdctl: 'what it prints is what nerdctl prints, and --json would be an option of it',
  completion: 'a script for a shell',
}

describe('--json', () => {
  it.each(commands.map(({ name, flags = [] }) => [name, flags] as const))('%s', async (name, flags) => {
    const has = flags.some((flag) => flag.flags === '-j, --json')
    expect([name, has]).toEqual([name, !(name in withoutJson)])
  })
})

// Flags of start that are no settings, and what a setting takes where its flag does not say.
const howToStart = new Set([
  'template',
  'save-config',
  'edit',
  'editor',
  'yes',
  'debian-mirror',
  'foreground',
  'json',
])
const samples: Record<string, string> = {
  ...{ cpus: '2', memory: '2', disk: '20', mount: '/x', 'cpu-type': 'max', hostname: 'box', dns: '1.1.1.1' },
  ...{ 'dns-host': 'a.test=1.2.3.4', 'ssh-port': '2222', 'root-disk': '30', env: 'A=b', param: 'A=b' },
  ...{ 'kubernetes-version': 'v1.33.1+k3s1', 'kubernetes-port': '6443', 'k3s-arg': '--x', mirror: '/m' },
  'ca-certificate': '/c.pem',
}

describe('each flag of start, under each of its names, changes a setting, is warned of or says how to start', () => {
  const flags = commands.find(({ name }) => name === 'start')?.flags ?? []
  const spellings = flags.flatMap((flag) =>
    [flag.flags, ...(flag.hidden ?? [])].map((spec) => [spec, flag] as const),
  )

  it.each(spellings)('%s', async (spec, { flags: main, values, unlisted }) => {
    const nameOf = (text: string) => flagSpec({ flags: text }).long.slice(2)
    const value = samples[nameOf(main)] ?? (Array.isArray(values) ? String(values[0]) : 'other')
    const invocation = await parse([
      'start',
      `--${nameOf(spec)}${flagSpec({ flags: spec }).value === 'none' ? '' : `=${value}`}`,
    ])
    if (!invocation) throw new Error('nothing to run')
    const context = contextOf(invocation, { HOME: '/home/me', TCOLIMA_HOME: '/th' })
    const changes = flagChanges(configFlags(context), {
      home: '/home/me',
      cwd: '/',
      cpus: 4,
      totalMemory: 2 ** 33,
    })
    if (howToStart.has(nameOf(main))) expect(changes).toEqual({})
    else if (unlisted) expect(noEffectWarning(context)).toContain(nameOf(spec))
    else expect(Object.keys(changes)).toHaveLength(1)
  })
})

describe('a flag of another action is refused: it would have no effect', () => {
  it.each([
    ['mount list --save', '--save', '`tcolima mount add`'],
    ['mount add /x --force', '--force', '`tcolima mount remove`'],
    [
      'kubernetes stop --kubernetes-version v1.33.1+k3s1',
      '--kubernetes-version',
      '`tcolima kubernetes start`',
    ],
    ['kubernetes kubeconfig --mirror /x', '--mirror', '`tcolima kubernetes reset`'],
    ['artifacts list --all', '--all', '`tcolima artifacts fetch`'],
    ['image list --yes', '--yes', '`tcolima image build`'],
    ['image prune --debian-mirror x', '--debian-mirror', '`tcolima image build`'],
    ['image build -f', '--force', '`tcolima image prune`'],
    ['template list --print', '--print', '`tcolima template`'],
    ['template list --editor vi', '--editor', '`tcolima template`'],
  ])('%s', async (line, flag, owner) => {
    await expect(parse(line.split(' '))).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining(`${flag} has no effect`) as string,
      hint: expect.stringContaining(owner) as string,
    })
  })

  it.each([
    'mount add /x --save',
    'mount rm /x -f --save',
    'kubernetes reset --kubernetes-version v1.33.1+k3s1',
    'artifacts fetch --all',
    'image build -y --debian-mirror x',
    'image prune -f',
    'template --print',
  ])('%s is taken', async (line) => {
    expect(await parse(line.split(' '))).toBeDefined()
  })

  it('the actions are those of the command', () => {
    for (const { name, flags = [], argValues = {} } of commands) {
      const { action = [] } = argValues
      // Short for list and remove; the empty word for no action.
      const known = [...(Array.isArray(action) ? (action as string[]) : []), 'ls', 'rm', '']
      for (const { of = [] } of flags) expect([name, known]).toEqual([name, expect.arrayContaining([...of])])
    }
  })
})
