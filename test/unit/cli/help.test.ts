import { readdirSync } from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Command } from '../../../src/cli/command.ts'
import { commands } from '../../../src/cli/commands.ts'
import { parse } from '../../../src/cli/parser.ts'

afterEach(() => vi.restoreAllMocks())

async function help(...words: string[]): Promise<string> {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  await parse([...words, '--help'])
  const text = write.mock.calls.map(([chunk]) => String(chunk)).join('')
  write.mockRestore()
  return text
}

describe('help', () => {
  it('has every command once, in its group', async () => {
    const text = await help()
    for (const { name, group, summary } of commands) {
      const section = text.split(`${group}:\n`)[1]?.split(/\n\n/)[0] ?? ''
      expect(section).toMatch(new RegExp(`^  ${name}\\b`, 'm'))
      // It may be wrapped.
      expect(text.replaceAll(/\s+/g, ' ')).toContain(summary)
    }
    expect(text).toContain('Exit codes:')
  })

  it('of one command', async () => {
    expect(await help('cp')).toMatchInlineSnapshot(`
      "Usage: tcolima cp [options] <path...>

      copy files and folders into the guest or out of it, with their modes and times

      Options:
        -j, --json            print JSON for programs
        -p, --profile <name>  the machine to work on (also TCOLIMA_PROFILE)
        --verbose             tell more: what a step does, and where an error comes
                              from
        --no-color            no colours (also NO_COLOR)
        -h, --help            display help for command

      Examples:
        tcolima cp notes.txt guest:
        tcolima cp -p work ~/data guest:/tmp/data
        tcolima cp work:/etc/hosts work:.bashrc .

      "
    `)
  })

  it.each(commands.map((command): [string, Command] => [command.name, command]))(
    '%s: its flags, its examples, and words that fit',
    async (name, { flags = [], examples = [], summary }) => {
      const text = await help(name)
      const words = text.replaceAll(/\s+/g, ' ')
      for (const { flags: spec, unlisted } of flags) {
        if (unlisted) expect(words).not.toContain(` ${spec} `)
        else expect(words).toContain(spec)
      }
      for (const example of examples) expect(text).toContain(`  ${example}\n`)
      expect(summary).not.toMatch(/\.$/)
      for (const example of examples) expect(example).toContain('tcolima ')
    },
  )

  it('no two flags of a command have one name', () => {
    for (const { name, flags = [] } of commands) {
      const names = flags.flatMap(({ flags: spec, hidden = [] }) =>
        [spec, ...hidden].flatMap((each) => each.match(/(?<![\w-])--?[\w-]+/g) ?? []),
      )
      expect([name, names.filter((each, at) => names.indexOf(each) !== at)]).toEqual([name, []])
    }
  })
})

describe('word for word (vitest -u writes them)', () => {
  const shots = path.join(import.meta.dirname, '__snapshots__', 'help')

  it.each(['tcolima', ...commands.map(({ name }) => name)])('%s', async (name) => {
    const text = name === 'tcolima' ? await help() : await help(name)
    await expect(text).toMatchFileSnapshot(path.join(shots, `${name}.txt`))
  })

  it('of commands that there are', () => {
    expect(readdirSync(shots).sort()).toEqual(
      ['tcolima', ...commands.map(({ name }) => name)].map((name) => `${name}.txt`).sort(),
    )
  })
})
