import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { execa } from 'execa'
import { afterAll, describe, expect, inject, it } from 'vitest'
import { eventually, tcolima, temporaryFolder, userEnv } from './harness.ts'

const profile = 'shared'
const shared = inject('shared')
const scratch = temporaryFolder()

afterAll(() => scratch.remove())

const ssh = (...command: string[]) => tcolima(['ssh', profile, '--', ...command])

describe('tcolima ssh', () => {
  it('passes the exit status on and prints nothing of its own, also from a folder that is not mounted', async () => {
    const result = await tcolima(['ssh', profile, '--', 'sh', '-c', 'exit 42'], { cwd: scratch.folder })
    expect([result.exitCode, result.stdout, result.stderr]).toEqual([42, '', ''])
  })

  it('passes arguments on byte for byte', async () => {
    const words = ['a b', '$HOME', '*', "it's", '"q"', 'x;y', 'a&&b', '', 'ü', String.raw`\n`, '--flag', '-p']
    const result = await ssh('printf', '%s|', ...words)
    expect(result.stdout).toBe(words.map((word) => `${word}|`).join(''))
  })

  it('carries binary data both ways, and the end of input', async () => {
    const data = randomBytes(10_000_000)
    const sum = await tcolima(['ssh', profile, '--', 'sha256sum'], { stdin: 'pipe', input: data })
    expect(sum.stdout).toContain(createHash('sha256').update(data).digest('hex'))
    const back = await tcolima(['ssh', profile, '--', 'cat'], {
      stdin: 'pipe',
      input: data,
      encoding: 'buffer',
    })
    expect(Buffer.compare(Buffer.from(back.stdout as unknown as Uint8Array), data)).toBe(0)
  })

  it('starts in the current folder of the host when that is mounted', async () => {
    const folder = path.join(shared.userHome, 'share', "od d'd")
    mkdirSync(folder, { recursive: true })
    const result = await tcolima(['ssh', profile, '--', 'pwd'], { cwd: folder })
    expect(result.stdout).toBe(folder)
  })

  it('ends the command when it is ended itself', async () => {
    const child = tcolima(['ssh', profile, '--', 'sleep', '54321'], { timeout: 15_000 })
    await eventually(
      async () => ((await ssh('pgrep', '-f', 'sleep 5432[1]')).exitCode === 0 ? true : undefined),
      15_000,
    )
    await child
    await eventually(
      async () => ((await ssh('pgrep', '-f', 'sleep 5432[1]')).exitCode === 1 ? true : undefined),
      10_000,
    )
  })

  it('says that an instance does not run, with status 3', async () => {
    const result = await tcolima(['ssh', '-p', 'nosuch', '--', 'true'])
    expect(result.exitCode).toBe(3)
    expect(result.stderr).toContain('nosuch')
  })
})

describe("the user's own ssh files", () => {
  it('change nothing, and are not changed', async () => {
    const folder = path.join(shared.userHome, '.ssh')
    const odd =
      'Host *\n  User nobody\n  ProxyCommand false\n  RequestTTY force\n  RemoteCommand echo hijacked\n  Garbage yes\n'
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    writeFileSync(path.join(folder, 'config'), odd)
    writeFileSync(path.join(folder, 'known_hosts'), 'garbage line\n')
    try {
      expect((await ssh('echo', 'fine')).stdout).toBe('fine')
      expect(readFileSync(path.join(folder, 'config'), 'utf8')).toBe(odd)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('ssh-config lets the OpenSSH client in', async () => {
    const { stdout } = await tcolima(['ssh-config', profile])
    const file = path.join(scratch.folder, 'config')
    writeFileSync(file, `${String(stdout)}\n`)
    const result = await execa('ssh', ['-F', file, `tcolima-${profile}`, 'hostname'], {
      env: userEnv(shared),
      extendEnv: false,
    })
    expect(result.stdout).toBe(`tcolima-${profile}`)
  })
})
