import { afterEach, describe, expect, it, vi } from 'vitest'
import { parse, programHelp } from '../../../src/cli/parser.ts'
import { writtenHelp } from '../../../src/cli/written-help.ts'

afterEach(() => vi.restoreAllMocks())

/** What the parser itself prints; a number of columns makes standard output a terminal. */
async function printed(words: string[], columns?: number): Promise<string> {
  const { stdout } = process
  const { isTTY, columns: before } = stdout
  const write = vi.spyOn(stdout, 'write').mockReturnValue(true)
  try {
    Object.assign(stdout, { isTTY: columns !== undefined, columns })
    await parse(words)
  } finally {
    Object.assign(stdout, { isTTY, columns: before })
  }
  const text = write.mock.calls.map(([chunk]) => String(chunk)).join('')
  write.mockRestore()
  return text
}

describe('the help that the build writes', () => {
  const { text, exceptColumns } = writtenHelp(programHelp)

  it.each([[['--help']], [['-h']], [['help']], [[]]])('is what the parser prints for %j', async (words) => {
    expect(text).toBe(await printed(words))
  })

  it('is that of every terminal but those which get other line breaks', async () => {
    for (let columns = 0; columns < 260; columns++) {
      const same = (await printed(['--help'], columns)) === text
      expect([columns, exceptColumns.includes(columns)]).toEqual([columns, !same])
    }
    expect(exceptColumns).toContain(100)
  })
})
