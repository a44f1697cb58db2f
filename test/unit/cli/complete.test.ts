import { describe, expect, it } from 'vitest'
import { commands, globalFlags } from '../../../src/cli/commands.ts'
import { complete } from '../../../src/cli/complete.ts'
import { completionAnswer, shellWords } from '../../../src/cli/complete-answer.ts'
import { completionScript } from '../../../src/cli/completion-script.ts'
import { shells } from '../../../src/cli/shells.ts'

const profiles = () => [
  { word: 'default', about: 'Running' },
  { word: 'work', about: 'Stopped' },
]

function completed(...words: string[]) {
  const { candidates, paths, kept } = complete(words, { commands, globals: globalFlags, profiles })
  return { words: candidates.map(({ word }) => word), paths, kept }
}

describe('complete', () => {
  it.each<[string[], string[]]>([
    [['sta'], ['start', 'status']],
    [['start', 'w'], ['work']],
    [['start', '--run'], ['--runtime']],
    [['start', '--runtime', 'd'], ['docker']],
    [
      ['start', '--accel', ''],
      ['auto', 'kvm', 'hvf', 'tcg'],
    ],
    [
      ['-p', ''],
      ['default', 'work'],
    ],
    [['--profile', 'w'], ['work']],
    [
      ['-p', 'work', 'sta'],
      ['start', 'status'],
    ],
    [
      ['--profile=work', 'sta'],
      ['start', 'status'],
    ],
    [['start', '--cpus', '2', 'd'], ['default']],
    [['start', '--cpus=2', 'd'], ['default']],
    // An optional value that does not come.
    [['start', '--activate', '--run'], ['--runtime']],
    [['start', '--activate', 't'], ['true']],
    // Once is enough, but for lists.
    [['start', '--runtime', 'docker', '--runt'], []],
    [
      ['start', '--dns', '1.1.1.1', '--dn'],
      ['--dns', '--dns-host'],
    ],
    [['rm', '--da'], ['--data']],
    [
      ['mount', ''],
      ['list', 'add', 'remove'],
    ],
    [['completion', 'f'], ['fish']],
    [['start', 'work', ''], []],
    [['nosuch', ''], []],
    [['ssh', 'work', '--', 'w'], []],
    [['start', '--cpus', ''], []],
  ])('%j gives %j', (words, wanted) => expect(completed(...words).words).toEqual(wanted))

  it('keeps a flag before its value', () => {
    expect(completed('start', '--runtime=d')).toEqual({
      words: ['docker'],
      paths: 'none',
      kept: '--runtime=',
    })
  })

  it.each([
    [['start', '--mount', '/u'], 'folder'],
    [['mount', 'add', ''], 'folder'],
    [['start', ''], 'none'],
  ])('%j: paths %s', (words, paths) => expect(completed(...words).paths).toBe(paths))

  it('offers every command and every flag of every command', () => {
    expect(completed('').words).toEqual(commands.map(({ name }) => name))
    for (const { name, flags = [] } of commands) {
      const offered = completed(name, '--').words
      for (const { flags: spec } of flags.filter(({ unlisted }) => unlisted !== true)) {
        const [long] = /--[\w-]+/.exec(spec) ?? []
        expect(offered, `${name} ${spec}`).toContain(long)
      }
      expect(offered).toContain('--profile')
    }
  })
})

describe('what a shell gets', () => {
  const completion = {
    candidates: [{ word: 'a:b', about: 'first: one' }],
    paths: 'none',
    kept: '--x=',
  } as const

  it.each([
    ['bash', 'none\na:b\n'],
    ['zsh', 'none\n--x=a\\:b:first: one\n'],
    ['fish', 'none\n--x=a:b\tfirst: one\n'],
    ['powershell', 'none\n--x=a:b\tfirst: one\n'],
  ] as const)('%s', (shell, text) => expect(completionAnswer(completion, shell)).toBe(text))

  it.each(shells)('%s: a script that asks tcolima', (shell) => {
    const script = completionScript(shell)
    expect(script).toContain(`__complete ${shell}`)
    expect(script).not.toMatch(/\\\$\{|\\`/)
  })
})

it.each([
  ['tcolima start ', ['tcolima', 'start', '']],
  [' tcolima  sta', ['tcolima', 'sta']],
  [String.raw`tcolima mount add a\ b`, ['tcolima', 'mount', 'add', 'a b']],
  [`tcolima "a 'b" c'd'`, ['tcolima', "a 'b", 'cd']],
  [`tcolima ''`, ['tcolima', '']],
  ['tcolima "open ', ['tcolima', 'open ']],
])('%j is %j in bash', (line, words) => expect(shellWords(line)).toEqual(words))
