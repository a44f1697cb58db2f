import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { generateKey, keyBlob, userKey } from '../../../src/ssh/keys.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'tcolima-keys-'))
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

function keygen(...args: string[]): string {
  return execFileSync('ssh-keygen', args, { encoding: 'utf8', stdio: 'pipe' }).trim()
}

test('the files are a pair that OpenSSH takes, the private one only for the user', async () => {
  const folder = path.join(dir, '_keys')
  const key = await userKey(folder)
  expect(key.file).toBe(path.join(folder, 'id_ed25519'))
  expect(keygen('-l', '-f', key.file)).toMatch(/^256 SHA256:\S+ tcolima \(ED25519\)$/)
  expect(keygen('-l', '-f', `${key.file}.pub`)).toBe(keygen('-l', '-f', key.file))
  // Made from the private one, which OpenSSH reads only with safe permissions.
  expect(keygen('-y', '-f', key.file).split(' ').slice(0, 2)).toEqual(key.public.split(' ').slice(0, 2))
  expect((await stat(key.file)).mode & 0o777).toBe(0o600)
  expect((await stat(folder)).mode & 0o777).toBe(0o700)
})

test('the key stays: the second call gives the first one', async () => {
  const first = await userKey(dir)
  expect(await userKey(dir)).toEqual(first)
  expect(await readFile(first.file, 'utf8')).toBe(first.private)
})

test('only a public key left of an interrupted first call: a new pair', async () => {
  const { file, public: before } = await userKey(dir)
  await rm(file)
  const key = await userKey(dir)
  expect(key.public).not.toBe(before)
  expect(keygen('-y', '-f', file).split(' ')[1]).toBe(key.public.split(' ')[1])
})

test('two keys differ; the comment is the one asked for', () => {
  const [one, two] = [generateKey('a host'), generateKey('a host')]
  expect(one.public).toMatch(/^ssh-ed25519 \S+ a host$/)
  expect(one.private).not.toBe(two.private)
})

test('no key is short of the zero bytes it begins with, as one in 256 does', () => {
  const lengths = Array.from({ length: 1500 }, () => keyBlob(generateKey('x').public).length)
  expect(new Set(lengths)).toEqual(new Set([4 + 11 + 4 + 32]))
})

test('keyBlob: the bytes SSH sends, whatever stands around them', () => {
  const { public: line } = generateKey('x')
  const blob = keyBlob(line)
  expect(blob.subarray(4, 15).toString()).toBe('ssh-ed25519')
  expect(blob).toHaveLength(4 + 11 + 4 + 32)
  expect(keyBlob(` ${line}\n`).equals(blob)).toBe(true)
  expect(keyBlob('nonsense')).toHaveLength(0)
})
