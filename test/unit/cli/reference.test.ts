import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { commands } from '../../../src/cli/commands.ts'
import { commandsReference } from '../../../src/cli/commands-reference.ts'
import { manPages } from '../../../src/cli/man-pages.ts'

const read = (file: string) => readFileSync(path.join(import.meta.dirname, '../../..', file), 'utf8')

describe('what is made of the commands: else run node scripts/generate.mjs', () => {
  it('docs/commands.md', () => expect(read('docs/commands.md')).toBe(commandsReference()))

  it('the manual pages that npm links', () => {
    const { man } = JSON.parse(read('package.json')) as { man: string[] }
    expect(man).toEqual(Object.keys(manPages('1')).map((name) => `dist/man/${name}`))
  })
})

describe('a manual page', () => {
  const pages = manPages('1.2.3')

  it('is there for the whole, with every command, and for each', () => {
    for (const { name } of commands) {
      expect(pages['tcolima.1']).toContain(`.BR tcolima\\-${name.replaceAll('-', '\\-')} (1)`)
      expect(pages[`tcolima-${name}.1`]).toContain('.SH SYNOPSIS')
    }
  })

  it('names the flags that help does, and no other', () => {
    expect(pages['tcolima-start.1']).toContain('.B \\-m, \\-\\-memory <GiB>')
    expect(pages['tcolima-start.1']).not.toContain('\\-\\-cpu <count>')
    for (const { flags = [] } of commands) {
      for (const { unlisted, flags: spec } of flags) {
        if (unlisted) expect(pages['tcolima-start.1']).not.toContain(`.B ${spec.replaceAll('-', '\\-')}\n`)
      }
    }
  })
})
