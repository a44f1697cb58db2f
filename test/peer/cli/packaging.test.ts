import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, it } from 'vitest'

const project = path.resolve(import.meta.dirname, '../../..')

let folder: string

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-packaging-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

it('the Homebrew formula is Ruby, with the digest of its tarball', async () => {
  const tarball = path.join(folder, 'tcolima.tgz')
  writeFileSync(tarball, 'packed')
  const url = 'https://example.org/tcolima-0.1.0.tgz'
  const { stdout } = await execa(process.execPath, ['packaging/homebrew.mjs', tarball, url], { cwd: project })
  expect(stdout).toContain(`url "${url}"`)
  expect(stdout).toContain(`sha256 "${createHash('sha256').update('packed').digest('hex')}"`)
  const checked = await execa('ruby', ['-c', '-'], { input: stdout })
  expect(checked.stdout).toBe('Syntax OK')
})

it('the Nix expression is one', async () => {
  const { stdout } = await execa('nix-instantiate', ['--parse', 'packaging/package.nix'], {
    cwd: project,
    env: {
      HOME: folder,
      NIX_STATE_DIR: path.join(folder, 'state'),
      NIX_STORE_DIR: path.join(folder, 'store'),
    },
  })
  expect(stdout).toContain('buildNpmPackage')
})
