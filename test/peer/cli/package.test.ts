import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const project = path.resolve(import.meta.dirname, '../../..')

let folder: string
let tarball: string

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-package-'))
  // Without its scripts: they would build anew what other tests run just now.
  await execa('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: project })
  tarball = path.join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '')
  // Nothing of it is compiled: ssh2's native parts only make it faster.
  const flags = ['--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline']
  await execa('npm', ['install', '-g', ...flags, '--prefix', path.join(folder, 'prefix'), tarball], {
    cwd: folder,
    timeout: 110_000,
  })
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

const inside = (...parts: string[]) => path.join(folder, 'prefix', ...parts)

describe('the npm package', () => {
  it('is small, and has no sources or tests in it', async () => {
    expect(statSync(tarball).size).toBeLessThan(3_000_000)
    const { stdout } = await execa('tar', ['-tzf', tarball])
    expect(
      stdout.split('\n').filter((name) => /^package\/(src|test|bench|node_modules)\//.test(name)),
    ).toEqual([])
  })

  it.each([
    [['version'], /^tcolima \d/],
    [['--help'], /Machine:/],
    [['list', '--json'], /^$/],
    // Loads the parser, the settings and the files of the package.
    [['config', 'schema'], /json-schema/],
    [['completion', 'bash'], /complete -F _tcolima tcolima/],
  ])('runs %j where the sources are not', async (words, said) => {
    const { stdout } = await execa(inside('bin', 'tcolima'), words, {
      cwd: folder,
      env: { PATH: process.env.PATH, HOME: folder },
      extendEnv: false,
    })
    expect(stdout).toMatch(said)
  })

  it('starts an agent, as every command of a machine does', async () => {
    const result = await execa(inside('bin', 'tcolima'), ['start', '--mount', '/nonexistent'], {
      cwd: folder,
      reject: false,
      env: { PATH: process.env.PATH, HOME: folder },
      extendEnv: false,
    })
    expect([result.exitCode, result.stderr]).toEqual([2, expect.stringContaining('/nonexistent')])
    const { stderr } = await execa(
      process.execPath,
      [inside('lib/node_modules/tcolima/dist/agent.js'), path.join(folder, 'home'), 'none'],
      { reject: false, timeout: 3000, env: { PATH: process.env.PATH, HOME: folder }, extendEnv: false },
    )
    expect(stderr).toContain('agent')
    expect(stderr).toContain('of none is there')
  })

  it('brings manual pages that man reads without a word, and completions', async () => {
    const manual = inside('share', 'man', 'man1')
    const pages = readdirSync(manual)
    expect(pages).toEqual(expect.arrayContaining(['tcolima.1', 'tcolima-start.1', 'tcolima-cp.1']))
    for (const page of pages) {
      const { stderr, stdout } = await execa('man', ['-l', '--warnings=all', path.join(manual, page)], {
        env: { LC_ALL: 'C.UTF-8', MANWIDTH: '200', PAGER: 'cat' },
      })
      expect([page, stderr]).toEqual([page, ''])
      expect(stdout).toContain('SYNOPSIS')
    }
    const fish = inside('lib/node_modules/tcolima/dist/completions/fish/tcolima.fish')
    expect(readFileSync(fish, 'utf8')).toContain('__complete fish')
  })
})
