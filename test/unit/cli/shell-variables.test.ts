import { expect, it } from 'vitest'
import { variableLines } from '../../../src/cli/shell-variables.ts'

const odd = String.raw`unix:///a b/it's \x.sock`

it.each([
  ['bash', String.raw`export DOCKER_HOST='unix:///a b/it'\''s \x.sock'`],
  ['zsh', String.raw`export DOCKER_HOST='unix:///a b/it'\''s \x.sock'`],
  ['fish', String.raw`set -gx DOCKER_HOST 'unix:///a b/it\'s \\x.sock'`],
  ['powershell', String.raw`$Env:DOCKER_HOST = 'unix:///a b/it''s \x.sock'`],
] as const)('%s sets a variable', (shell, line) => {
  expect(variableLines(shell, { DOCKER_HOST: odd }, ['env']).split('\n')[0]).toBe(line)
})

it.each([
  ['bash', 'unset DOCKER_HOST\n# Run this: eval "$(tcolima env work --unset)"\n'],
  ['fish', 'set -e DOCKER_HOST\n# Run this: tcolima env work --unset --shell fish | source\n'],
  [
    'powershell',
    'Remove-Item -ErrorAction SilentlyContinue Env:DOCKER_HOST\n' +
      '# Run this: tcolima env work --unset --shell powershell | Out-String | Invoke-Expression\n',
  ],
] as const)('%s takes it away, and says how', (shell, text) => {
  expect(variableLines(shell, { DOCKER_HOST: undefined }, ['env', 'work'])).toBe(text)
})
