import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runningInstance } from './fake-agent.ts'

const main = path.resolve(import.meta.dirname, '../../../dist/main.cjs')

let folder: string
let env: Record<string, string>

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-shells-'))
  mkdirSync(path.join(folder, 'bin'))
  symlinkSync(main, path.join(folder, 'bin', 'tcolima'))
  const home = path.join(folder, "ho me's")
  for (const name of ['work', 'web']) runningInstance(home, name)
  mkdirSync(path.join(folder, 'here', 'a folder'), { recursive: true })
  env = {
    PATH: `${path.join(folder, 'bin')}:${process.env.PATH ?? ''}`,
    HOME: folder,
    TCOLIMA_HOME: home,
    TERM: 'xterm',
    LC_ALL: 'C.UTF-8',
  }
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

const options = () => ({ env, extendEnv: false, cwd: path.join(folder, 'here'), timeout: 30_000 })

/** What is offered at a Tab at the end of a line; every shell shows it its own way. */
const offers: [line: string, words: string[]][] = [
  ['tcolima sta', ['start', 'status']],
  ['tcolima start w', ['web', 'work']],
  ['tcolima -p work sto', ['stop']],
  ['tcolima start --accel ', ['auto', 'hvf', 'kvm', 'tcg']],
  ['tcolima start --runt', ['--runtime']],
]

describe('bash', () => {
  const script = `source <(tcolima completion bash)
    COMP_LINE=$1 COMP_POINT=\${#1}
    # As readline splits words: also at "=".
    read -ra COMP_WORDS <<<"\${1//=/ = }"; [[ $1 == *' ' ]] && COMP_WORDS+=('')
    COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
    _tcolima 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`
  const bash = async (line: string) =>
    (await execa('bash', ['--norc', '-c', script, 'bash', line], options())).stdout.split('\n').sort()

  it.each([...offers, ['tcolima start --accel=t', ['tcg']], ['tcolima mount add a', ['a folder']]])(
    '%j',
    async (line, words) => expect(await bash(line)).toEqual(words),
  )
})

describe('fish', () => {
  const script = 'tcolima completion fish | source; complete -C "$argv[1]"'
  const fish = async (line: string) =>
    (await execa('fish', ['--no-config', '-c', script, line], options())).stdout
      .split('\n')
      .map((each) => each.replace(/\t.*/, ''))
      .sort()

  it.each([...offers, ['tcolima start --accel=t', ['--accel=tcg']], ['tcolima mount add a', ['a folder/']]])(
    '%j',
    async (line, words) => expect(await fish(line)).toEqual(words),
  )
})

describe('zsh', () => {
  // zsh completes nowhere but at a terminal of its own.
  const script = `
    zmodload zsh/zpty
    zpty shell zsh -f -i
    ask() { zpty -w shell "$1" }
    until_seen() { local all part; while zpty -r shell part "*"; do all+=$part; [[ $all == *$1* ]] && break; done; print -r -- "$all" }
    ask 'PROMPT=; stty -echo; autoload -Uz compinit; compinit -u -D; source <(tcolima completion zsh)'
    # The line is asked to be printed, not run: a list, or the one word that is completed.
    ask 'show() { print -r -- "[[$BUFFER]]"; zle kill-buffer }; zle -N show; bindkey "^X" show; setopt listrowsfirst; print rea""dy'
    until_seen ready >/dev/null
    zpty -w -n shell "$1"$'\\t\\t'$'\\C-x'
    until_seen ']]'`
  const zsh = async (line: string) =>
    (await execa('zsh', ['-f', '-c', script, 'zsh', line], options())).stdout

  it.each([
    ...offers,
    ['tcolima start --accel=t', ['--accel=tcg']],
    ['tcolima mount add a', ['a\\ folder/']],
  ])('%j', async (line, words) => {
    const shown = await zsh(line)
    for (const word of words) expect(shown).toContain(word)
  })
})

describe('env', () => {
  it.each([
    ['bash', 'eval "$(tcolima env work)"; echo "$DOCKER_HOST|$DOCKER_CONTEXT"'],
    ['zsh', 'eval "$(tcolima env work)"; echo "$DOCKER_HOST|$DOCKER_CONTEXT"'],
    ['fish', 'tcolima env work | source; echo "$DOCKER_HOST|$DOCKER_CONTEXT"'],
  ])('%s', async (shell, script) => {
    const { stdout } = await execa(shell, ['-c', script], {
      ...options(),
      env: { ...env, SHELL: `/bin/${shell}`, DOCKER_CONTEXT: 'other' },
    })
    expect(stdout).toBe(`unix://${path.join(env.TCOLIMA_HOME ?? '', 'work', 'docker.sock')}|`)
  })

  it('--unset needs no machine; anything else needs a running one', async () => {
    const gone = await execa('tcolima', ['env', 'nosuch'], { ...options(), reject: false })
    expect([gone.exitCode, gone.stdout]).toEqual([3, ''])
    const unset = await execa('bash', ['-c', 'eval "$(tcolima env nosuch -u)"; echo "[$DOCKER_HOST]"'], {
      ...options(),
      env: { ...env, DOCKER_HOST: 'x' },
    })
    expect(unset.stdout).toBe('[]')
  })

  it.each([
    [['env', '--shell', 'tcsh'], '--shell takes'],
    [['completion', 'tcsh'], 'completion takes'],
  ])('%j is refused', async (words, message) => {
    const result = await execa('tcolima', words, { ...options(), reject: false })
    expect([result.exitCode, result.stderr]).toEqual([2, expect.stringContaining(message)])
  })
})
