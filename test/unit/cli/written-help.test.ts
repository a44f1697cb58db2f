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
  const { usual, ...own } = writtenHelp(programHelp)

  it.each([[['--help']], [['-h']], [['help']], [[]]])('is what the parser prints for %j', async (words) => {
    expect(usual).toBe(await printed(words))
  })

  it('is right for every terminal', async () => {
    for (let columns = 0; columns < 260; columns++) {
      expect([columns, own[columns] ?? usual]).toEqual([columns, await printed(['--help'], columns)])
    }
    expect(Object.keys(own)).toContain('100')
  })
})
