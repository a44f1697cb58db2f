import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { fakeAgent, runningInstance } from './fake-agent.ts'

const main = path.resolve(import.meta.dirname, '../../../dist/main.cjs')
const settings = '# as Colima writes it\ncpu: 2\nmemory: 2\nvmType: vz\nrosetta: true\nmounts: []\n'

let folder: string
let home: string
let colima: string
const servers: Server[] = []

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-migrate-'))
  home = path.join(folder, 'home')
  colima = path.join(folder, '.colima')
  for (const name of ['default', 'work', '_templates', 'notes'])
    mkdirSync(path.join(colima, name), { recursive: true })
  writeFileSync(path.join(colima, 'ssh_config'), '')
  writeFileSync(path.join(colima, 'default', 'colima.yaml'), settings)
  writeFileSync(path.join(colima, 'work', 'colima.yaml'), 'cpu: two\n')
  writeFileSync(path.join(colima, '_templates', 'colima.yaml'), settings)
  mkdirSync(path.join(folder, 'bin'))
  // The client, whose engines are folders: images are files, and a tar of them is their list.
  writeFileSync(
    path.join(folder, 'bin', 'docker'),
    `#!/bin/sh
store=\${2#unix://}.images; shift 2
case "$1" in
  image) cat "$store" 2>/dev/null || true ;;
  volume) echo data ;;
  save) shift; for i; do grep " $i$" "$store" || { echo "no $i" >&2; exit 1; }; done ;;
  load) test -e "$store.full" && { echo 'no space left' >&2; exit 1; }; cat >>"$store" ;;
esac
`,
    { mode: 0o755 },
  )
})

afterEach(() => {
  for (const server of servers.splice(0)) server.close()
  rmSync(folder, { recursive: true, force: true })
})

async function migrate(...words: string[]) {
  return await execa(process.execPath, [main, 'migrate', 'colima', ...words], {
    reject: false,
    stdin: 'ignore',
    timeout: 30_000,
    env: { PATH: `${path.join(folder, 'bin')}:${process.env.PATH ?? ''}`, HOME: folder, TCOLIMA_HOME: home },
    extendEnv: false,
  })
}

/** An engine at a socket, with images. */
async function engine(socket: string, images: string): Promise<void> {
  servers.push(await fakeAgent(socket, (connection) => connection.destroy()))
  writeFileSync(`${socket}.images`, images)
}

const target = (name: string) => path.join(home, name, 'tcolima.yaml')

it('first only tells, then takes settings over as they are', async () => {
  const dry = await migrate()
  expect([dry.exitCode, dry.stdout]).toEqual([1, expect.stringContaining('settings: to be taken over')])
  expect(dry.stdout).toContain('work/colima.yaml:1:6')
  expect(dry.stderr).toContain('rosetta')
  expect(dry.stderr).toContain('--apply')
  expect(existsSync(home)).toBe(false)
  const done = await migrate('default', '--apply', '--json')
  expect(JSON.parse(done.stdout)).toMatchObject({ type: 'done', name: 'default', settings: 'new' })
  expect(readFileSync(target('default'), 'utf8')).toBe(settings)
  expect(readdirSync(home)).toEqual(['default'])
  writeFileSync(target('default'), 'cpu: 7\n')
  expect((await migrate('default', '--apply')).stdout).toContain('left alone')
  expect(readFileSync(target('default'), 'utf8')).toBe('cpu: 7\n')
  // Colima's own files stay as they are.
  expect(readFileSync(path.join(colima, 'default', 'colima.yaml'), 'utf8')).toBe(settings)
})

it('copies the images that are not here, when both run', async () => {
  await engine(
    path.join(colima, 'default', 'docker.sock'),
    'sha256:1 a:1\nsha256:2 b:1\nsha256:2 b:2\nsha256:3 <none>:<none>\n',
  )
  const before = await migrate('default')
  expect(before.stdout).toContain('a:1, b:1, b:2: start the machine to have them copied')
  expect(before.stdout).toContain('data stay in Colima')
  const own = path.join(runningInstance(home, 'default'), 'docker.sock')
  await engine(own, 'sha256:1 a:1\n')
  expect((await migrate('default')).stdout).toContain('images:   b:1, b:2: to be copied')
  expect(readFileSync(`${own}.images`, 'utf8')).toBe('sha256:1 a:1\n')
  writeFileSync(`${own}.images.full`, '')
  const full = await migrate('default', '--apply')
  expect([full.exitCode, full.stderr]).toEqual([1, expect.stringContaining('no space left')])
  rmSync(`${own}.images.full`)
  expect((await migrate('default', '--apply')).exitCode).toBe(0)
  expect(readFileSync(`${own}.images`, 'utf8')).toBe('sha256:1 a:1\nsha256:2 b:1\nsha256:2 b:2\n')
  expect((await migrate('default', '--apply')).stdout).toContain('none that is not here')
})

it('says where it looked', async () => {
  const result = await migrate('--from', path.join(folder, 'bin'))
  expect([result.exitCode, result.stderr]).toEqual([3, expect.stringContaining(path.join(folder, 'bin'))])
  expect((await migrate('nosuch')).exitCode).toBe(3)
})
