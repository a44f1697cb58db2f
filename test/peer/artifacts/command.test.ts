import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { k3sProgram } from '../../../src/artifacts/catalog.ts'
import { currentHost } from '../../../src/host/platform.ts'

const main = path.resolve(import.meta.dirname, '../../../dist/main.cjs')
const { arch } = currentHost()

let folder: string
let mirror: string

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-artifacts-'))
  mirror = path.join(folder, 'mirror')
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function tcolima(args: string[], env: NodeJS.ProcessEnv = {}) {
  return await execa(process.execPath, [main, 'artifacts', ...args], {
    reject: false,
    stdin: 'ignore',
    timeout: 30_000,
    env: { PATH: process.env.PATH, HOME: folder, TCOLIMA_HOME: path.join(folder, 'home'), ...env },
    extendEnv: false,
  })
}

function offer(place: string, text: string): void {
  mkdirSync(path.dirname(path.join(mirror, place)), { recursive: true })
  writeFileSync(path.join(mirror, place), text)
}

describe('tcolima artifacts', () => {
  it('fetches another release of k3s from a mirror, by its checksum file', async () => {
    const program = k3sProgram(arch, 'v1.33.1+k3s1')
    offer(program.path, 'k3s')
    const digest = createHash('sha256').update('k3s').digest('hex')
    offer(program.checksums.path, `${digest}  ${path.basename(program.path)}\n`)
    const { exitCode } = await tcolima(['fetch', 'k3s@1.33.1-k3s1'], { TCOLIMA_MIRROR: mirror })
    expect(exitCode).toBe(0)
    expect(existsSync(path.join(folder, 'home', '_downloads', program.path))).toBe(true)
  })

  it('refuses another program than the digest in the source says', async () => {
    offer(k3sProgram(arch).path, 'not k3s')
    const { exitCode, stderr } = await tcolima(['fetch', 'k3s', '--mirror', mirror])
    expect(exitCode).toBe(1)
    expect(stderr).toContain(k3sProgram(arch).sha256)
    expect(stderr).toContain(createHash('sha256').update('not k3s').digest('hex'))
  })

  it('lists what there is and what is here', async () => {
    const place = path.join(folder, 'home', '_downloads', k3sProgram(arch).path)
    mkdirSync(path.dirname(place), { recursive: true })
    writeFileSync(place, 'k3s')
    const lines = (await tcolima(['list', '--json'])).stdout
      .split('\n')
      .map((line) => JSON.parse(line) as object)
    expect(lines).toContainEqual(expect.objectContaining({ name: 'k3s', arch, fetched: true }))
    expect(lines).toContainEqual(expect.objectContaining({ name: 'nerdctl-full', arch, fetched: false }))
  })

  it.each([
    ['nothing', ['fetch'], '--all'],
    ['a name there is not', ['fetch', 'k4s'], 'k3s-images'],
    ['a release that is none', ['fetch', 'k3s@latest'], 'v1.34.2+k3s1'],
    ['an action there is not', ['get'], 'fetch'],
  ])('refuses %s', async (_what, args, word) => {
    const { exitCode, stderr } = await tcolima(args)
    expect(exitCode).toBe(2)
    expect(stderr).toContain(word)
  })
})
