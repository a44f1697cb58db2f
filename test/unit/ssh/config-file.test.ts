import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { knownHostsLine, type SshConfigFacts, sshConfigText } from '../../../src/ssh/config-file.ts'
import { generateKey } from '../../../src/ssh/keys.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'tcolima-sshconfig-'))
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

const facts: SshConfigFacts = {
  alias: 'tcolima-work',
  port: 40_123,
  user: 'ann',
  identityFile: '/home/ann/.tcolima/_keys/id_ed25519',
  knownHostsFile: '/home/ann/.tcolima/work/known_hosts',
}

/** What OpenSSH makes of a configuration, by keyword. */
async function asRead(over: Partial<SshConfigFacts> = {}): Promise<Record<string, string>> {
  const file = path.join(dir, 'config')
  await writeFile(file, sshConfigText({ ...facts, ...over }))
  const text = execFileSync('ssh', ['-G', '-F', file, over.alias ?? facts.alias], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return Object.fromEntries(
    text.split('\n').map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]),
  )
}

test('OpenSSH reads what was meant', async () => {
  expect(await asRead()).toMatchObject({
    hostname: '127.0.0.1',
    port: '40123',
    user: 'ann',
    identityfile: facts.identityFile,
    identitiesonly: 'yes',
    userknownhostsfile: facts.knownHostsFile,
    hostkeyalias: 'tcolima-work',
    stricthostkeychecking: 'true',
    preferredauthentications: 'publickey',
    batchmode: 'yes',
    loglevel: 'ERROR',
  })
})

test('other hosts are none of its business', async () => {
  const file = path.join(dir, 'config')
  await writeFile(file, sshConfigText(facts))
  const text = execFileSync('ssh', ['-G', '-F', file, 'tcolima'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  expect(text).toContain('hostname tcolima\n')
  expect(text).not.toContain('40123')
})

describe('odd folders', () => {
  const odd = [
    '/home/ann doe',
    '/home/jané',
    '/a "quoted" b',
    String.raw`/back\slash`,
    '/hash #1',
    "/o'brien",
  ]
  test.each(odd)('%s', async (folder) => {
    const read = await asRead({ identityFile: `${folder}/id`, knownHostsFile: `${folder}/kh` })
    expect(read.identityfile).toBe(`${folder}/id`)
    expect(read.userknownhostsfile).toBe(`${folder}/kh`)
  })
})

test('ssh-keygen finds the pinned key under the alias', async () => {
  const { public: line } = generateKey('guest of two words')
  const file = path.join(dir, 'known_hosts')
  const text = knownHostsLine('tcolima-work', `${line}\n`)
  expect(text).toBe(`tcolima-work ${line.split(' ').slice(0, 2).join(' ')}\n`)
  await writeFile(file, text)
  const found = execFileSync('ssh-keygen', ['-F', 'tcolima-work', '-f', file], { encoding: 'utf8' })
  expect(found).toContain(line.split(' ')[1])
})
