import type { Shell } from './shells.ts'

/**
 * Lines that set variables of the environment, or (undefined) take them away, in the language of a shell, with a comment
 * that says how to use them; `words` are tcolima's arguments that gave them. Pure.
 */
export function variableLines(
  shell: Shell,
  variables: Record<string, string | undefined>,
  words: string[],
): string {
  const { set, unset, use } = languages[shell]
  const isUnset = Object.values(variables).every((value) => value === undefined)
  const command = ['tcolima', ...words, ...(isUnset ? ['--unset'] : [])].join(' ')
  const lines = Object.entries(variables).map(([name, value]) =>
    value === undefined ? unset(name) : set(name, value),
  )
  return [...lines, `# ${use(command)}`].map((line) => `${line}\n`).join('')
}

interface Language {
  set: (name: string, value: string) => string
  unset: (name: string) => string
  use: (command: string) => string
}

const posix: Language = {
  set: (name, value) => `export ${name}='${value.replaceAll("'", String.raw`'\''`)}'`,
  unset: (name) => `unset ${name}`,
  use: (command) => `Run this: eval "$(${command})"`,
}

const languages: Record<Shell, Language> = {
  bash: posix,
  zsh: posix,
  fish: {
    // Within single quotes fish knows \' and \\ (fish documentation, "Quotes").
    set: (name, value) => `set -gx ${name} '${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`,
    unset: (name) => `set -e ${name}`,
    use: (command) => `Run this: ${command} --shell fish | source`,
  },
  powershell: {
    set: (name, value) => `$Env:${name} = '${value.replaceAll("'", "''")}'`,
    unset: (name) => `Remove-Item -ErrorAction SilentlyContinue Env:${name}`,
    use: (command) => `Run this: ${command} --shell powershell | Out-String | Invoke-Expression`,
  },
}
