import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { CommandContext } from '../../../src/cli/command.ts'
import { installWrapper, wrapperText } from '../../../src/cli/nerdctl-wrapper.ts'
import { currentHost } from '../../../src/host/platform.ts'
import { captured } from './capture.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-wrapper-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const context = (): CommandContext => ({
  host: currentHost({ env: { PATH: folder } }),
  home: folder,
  profile: 'work',
  flags: {},
  rest: [],
  output: captured(),
})

test('words and the exit status pass through it', () => {
  const program = path.join(folder, "it's")
  writeFileSync(program, '#!/bin/sh\nprintf "<%s>" "$@"\nexit 3\n')
  chmodSync(program, 0o755)
  const wrapper = path.join(folder, 'nerdctl')
  writeFileSync(wrapper, wrapperText([program], 'work'), { mode: 0o755 })
  const run = () => execFileSync(wrapper, ['run', '-it', 'a b', ''], { encoding: 'utf8', stdio: 'pipe' })
  expect(run).toThrow(
    expect.objectContaining({ status: 3, stdout: '<nerdctl><-p><work><--><run><-it><a b><>' }),
  )
})

test('it is written where it is wanted, and again over itself, but not over another program', async () => {
  const file = path.join(folder, 'bin', 'nerdctl')
  expect(await installWrapper(context(), ['--path', file])).toBe(0)
  expect(await installWrapper(context(), ['--path', file])).toBe(0)
  expect(readFileSync(file, 'utf8')).toContain('nerdctl -p \'work\' -- "$@"')
  expect(statSync(file).mode & 0o777).toBe(0o755)
  writeFileSync(file, 'another')
  await expect(installWrapper(context(), ['--path', file])).rejects.toThrow(/is not of tcolima/)
  expect(readFileSync(file, 'utf8')).toBe('another')
  await installWrapper(context(), ['--path', file, '--force'])
  expect(readFileSync(file, 'utf8')).not.toBe('another')
})

test.each(['--help', '-h'])('%s tells its words, and nothing is written', async (word) => {
  const asked = context()
  const output = captured()
  expect(await installWrapper({ ...asked, output }, ['--path', path.join(folder, 'x'), word])).toBe(0)
  expect(output.outText()).toContain('tcolima nerdctl install [--path FILE] [--force]')
  expect(existsSync(path.join(folder, 'x'))).toBe(false)
})

test('a word it does not know is wrong usage', async () => {
  await expect(installWrapper(context(), ['--where', 'x'])).rejects.toMatchObject({ code: 'usage' })
})
