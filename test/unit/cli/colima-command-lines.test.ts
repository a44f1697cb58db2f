import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { configFlags } from '../../../src/cli/flags.ts'
import { contextOf } from '../../../src/cli/invocation.ts'
import { noEffectWarning } from '../../../src/cli/no-effect.ts'
import { parse } from '../../../src/cli/parser.ts'
import { flagChanges } from '../../../src/config/flags.ts'
import { GIB } from '../../../src/config/units.ts'

const base = { home: '/home/ann', cwd: '/work', cpus: 8, totalMemory: 64 * GIB }

/** What a command line asks for: command, profile, changes of the settings, and the warning. */
async function asked(line: string) {
  const words = line.split(' ').slice(1)
  const invocation = await parse(words)
  if (!invocation) throw new Error('nothing to run')
  const context = contextOf(invocation, { HOME: '/home/ann', TCOLIMA_HOME: '/th' })
  const settings = ['start', 'restart'].includes(invocation.command.name)
  return {
    command: invocation.command.name,
    profile: context.profile,
    rest: context.rest,
    changes: settings ? flagChanges(configFlags(context), base) : {},
    warning: noEffectWarning(context),
  }
}

// One command line a line, then what it asks for as JSON, from README files, scripts and questions of Colima's users.
const corpus = readFileSync(path.join(import.meta.dirname, '../../fixtures/colima-command-lines.txt'), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => line.split(' => ') as [string, string])

describe('command lines of Colima', () => {
  test.each(corpus)('%s', async (line, expected) => {
    const { command, profile, rest, changes, warning } = await asked(line)
    const said = {
      ...(profile === 'default' ? {} : { profile }),
      ...(rest.length === 0 ? {} : { rest }),
      ...(Object.keys(changes).length === 0 ? {} : { changes }),
      ...(warning === undefined ? {} : { warning: warning.replace(/.*: /, '') }),
    }
    expect(`${command} ${JSON.stringify(said)}`).toBe(expected)
  })
})
