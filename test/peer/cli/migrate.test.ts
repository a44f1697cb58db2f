import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa } from 'execa'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { runningInstance } from './fake-agent.ts'
import { type FakeEngine, fakeEngine, type FakeVolume } from './fake-engine.ts'

const main = path.resolve(import.meta.dirname, '../../../dist/main.cjs')
const settings = '# as Colima writes it\ncpu: 2\nmemory: 2\nvmType: vz\nrosetta: true\nmounts: []\n'

let folder: string
let home: string
let colima: string
const engines: FakeEngine[] = []

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
  save) shift; for i; do grep " $i$" "$store" || { echo "no $i" >&2; exit 1; }; done ;;
  load) test -e "$store.full" && { echo 'no space left' >&2; exit 1; }; cat >>"$store" ;;
esac
`,
    { mode: 0o755 },
  )
})

afterEach(() => {
  for (const { server } of engines.splice(0)) {
    server.close()
    server.closeAllConnections()
  }
  rmSync(folder, { recursive: true, force: true })
})

function migrate(...words: string[]) {
  return execa(process.execPath, [main, 'migrate', 'colima', ...words], {
    reject: false,
    stdin: 'ignore',
    timeout: 30_000,
    env: { PATH: `${path.join(folder, 'bin')}:${process.env.PATH ?? ''}`, HOME: folder, TCOLIMA_HOME: home },
    extendEnv: false,
  })
}

/** An engine at a socket, with images for the client and volumes for its API. */
async function engine(
  socket: string,
  images = '',
  volumes: Record<string, FakeVolume> = {},
): Promise<FakeEngine> {
  const made = await fakeEngine(socket, volumes)
  engines.push(made)
  writeFileSync(`${socket}.images`, images)
  return made
}

const contents = ({ volumes }: FakeEngine) =>
  Object.fromEntries([...volumes].map(([name, { content }]) => [name, content]))

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

it('takes --dry-run for what it does anyway, and not together with --apply', async () => {
  const [plain, dry] = [await migrate(), await migrate('--dry-run')]
  expect([dry.exitCode, dry.stdout, dry.stderr]).toEqual([plain.exitCode, plain.stdout, plain.stderr])
  const both = await migrate('--dry-run', '--apply')
  expect([both.exitCode, both.stderr]).toEqual([2, expect.stringContaining('--dry-run')])
  expect(existsSync(path.join(home, 'default'))).toBe(false)
})

it('copies the images that are not here, when both run', async () => {
  await engine(
    path.join(colima, 'default', 'docker.sock'),
    'sha256:1 a:1\nsha256:2 b:1\nsha256:2 b:2\nsha256:3 <none>:<none>\n',
  )
  const before = await migrate('default')
  expect(before.stdout).toContain('a:1, b:1, b:2: start the machine to have them copied')
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

const colimas = {
  data: { content: 'rows of a database', labels: { of: 'compose' } },
  cache: { content: 'things' },
  used: { content: 'rows that change' },
  shared: { content: '', driver: 'nfs' },
  elsewhere: { content: '', options: { device: '/srv' } },
  ['a'.repeat(64)]: { content: 'of a container' },
  there: { content: 'from Colima' },
}

it('copies the volumes that are not here and at rest, with their labels, and leaves nothing of its own', async () => {
  const from = await engine(path.join(colima, 'default', 'docker.sock'), '', colimas)
  from.containers.set('db', { running: true, volume: 'used' })
  from.containers.set('old', { running: false, volume: 'data' })
  const dry = await migrate('default')
  expect(dry.stdout).toContain('volumes:  cache, data, there: start the machine to have them copied')
  const own = path.join(runningInstance(home, 'default'), 'docker.sock')
  const to = await engine(own, '', { there: { content: 'mine' } })
  const told = (await migrate('default')).stdout
  expect(told).toContain('volumes:  cache, data: to be copied')
  expect(told).toContain('used stays in Colima: in use: stop db first')
  expect(told).toContain('shared stays in Colima: its driver is nfs')
  expect(told).toContain('elsewhere stays in Colima: its data are elsewhere')
  expect([...from.requests, ...to.requests].filter((each) => !each.startsWith('GET'))).toEqual([])
  const done = await migrate('default', '--apply')
  expect([done.exitCode, done.stdout]).toEqual([0, expect.stringContaining('volumes:  cache, data: copied')])
  expect(contents(to)).toEqual({ there: 'mine', cache: 'things', data: 'rows of a database' })
  expect(to.volumes.get('data')?.labels).toEqual({ of: 'compose' })
  for (const { containers, images } of [from, to]) {
    expect(
      [...containers.keys()].filter((name) => name.startsWith('tcolima')),
      [...images].join(),
    ).toEqual([])
    expect([...images]).toEqual([])
  }
  expect((await migrate('default', '--apply')).stdout).toContain('volumes:  none that is not here')
  expect(contents(to)).toEqual({ there: 'mine', cache: 'things', data: 'rows of a database' })
})

it('interrupted at any request, the next run ends with each volume once and whole', async () => {
  const from = await engine(path.join(colima, 'default', 'docker.sock'), '', {
    data: { content: 'all rows' },
  })
  const own = path.join(runningInstance(home, 'default'), 'docker.sock')
  const to = await engine(own)
  let steps = 0
  for (let reached = true; reached; steps++) {
    reached = false
    let left = steps
    const child = migrate('default', '--apply')
    const cut = (request: string) => {
      // What only asks changes nothing; an archive is cut in its middle.
      if (request.startsWith('GET') || left-- > 0) return undefined
      reached = true
      child.kill('SIGKILL')
      return new Promise<void>(() => undefined)
    }
    from.before = cut
    to.before = cut
    await child
    for (const each of [from, to]) {
      each.server.closeAllConnections()
      each.before = () => undefined
    }
    const again = await migrate('default', '--apply')
    expect([again.exitCode, again.stderr], `after request ${steps}`).toEqual([0, expect.anything()])
    expect(contents(to), `after request ${steps}`).toEqual({ data: 'all rows' })
    for (const { containers, images } of [from, to]) {
      expect([[...containers.keys()], [...images]], `after request ${steps}`).toEqual([[], []])
    }
    to.volumes.clear()
  }
  expect(steps).toBeGreaterThan(10)
}, 120_000)

it('an archive that breaks off is no volume, and the next run copies it anew', async () => {
  const from = await engine(path.join(colima, 'default', 'docker.sock'), '', {
    data: { content: 'all rows' },
  })
  const to = await engine(path.join(runningInstance(home, 'default'), 'docker.sock'))
  from.before = (request) => {
    if (request.startsWith('in the middle')) from.server.closeAllConnections()
  }
  const broken = await migrate('default', '--apply')
  expect([broken.exitCode, broken.stderr]).toEqual([1, expect.stringContaining('archive')])
  expect(contents(to).data).toBe('')
  from.before = () => undefined
  expect((await migrate('default')).stdout).toContain('volumes:  data: to be copied')
  expect((await migrate('default', '--apply')).exitCode).toBe(0)
  expect(contents(to)).toEqual({ data: 'all rows' })
})

it('looks again at each volume before it is copied', async () => {
  const from = await engine(path.join(colima, 'default', 'docker.sock'), '', {
    data: { content: 'from Colima' },
    gone: { content: 'from Colima' },
    rows: { content: 'from Colima' },
  })
  const to = await engine(path.join(runningInstance(home, 'default'), 'docker.sock'))
  // The first request that changes anything: the plan is made.
  from.before = (request) => {
    if (request.startsWith('GET')) return
    to.volumes.set('data', { content: 'mine' })
    from.volumes.delete('gone')
    from.containers.set('db', { running: true, volume: 'rows' })
  }
  const done = await migrate('default', '--apply')
  expect([done.exitCode, contents(to)]).toEqual([0, { data: 'mine' }])
  expect(done.stdout).toContain('data stays in Colima: there is one of that name here by now')
  expect(done.stdout).toContain('rows stays in Colima: in use: stop db first')
  expect(done.stdout).toContain('volumes:  none that is not here')
  expect([...from.containers.keys(), ...to.containers.keys()]).toEqual(['db'])
  expect([...from.volumes.keys()]).toEqual(['data', 'rows'])
})

it('leaves what an interrupted copy began once a container here has used it, for good', async () => {
  const from = await engine(path.join(colima, 'default', 'docker.sock'), '', {
    data: { content: 'from Colima' },
  })
  const to = await engine(path.join(runningInstance(home, 'default'), 'docker.sock'), '', {
    data: { content: 'half, and then mine' },
  })
  to.containers.set('tcolima-migrate-unfinished-data', { running: false })
  to.containers.set('mine', { running: false, volume: 'data' })
  const done = await migrate('default', '--apply')
  expect([done.exitCode, done.stdout]).toEqual([
    0,
    expect.stringContaining('data stays in Colima: a container'),
  ])
  to.containers.delete('mine')
  expect((await migrate('default', '--apply')).exitCode).toBe(0)
  expect(contents(to)).toEqual({ data: 'half, and then mine' })
  expect([...from.containers.keys(), ...to.containers.keys()]).toEqual([])
})

it('keeps volumes apart whose names look like those of its containers, and removes what a killed run left', async () => {
  const from = await engine(path.join(colima, 'default', 'docker.sock'), '', {
    'unfinished-data': { content: 'one' },
    data: { content: 'from Colima' },
  })
  const to = await engine(path.join(runningInstance(home, 'default'), 'docker.sock'), '', {
    data: { content: 'mine' },
  })
  const child = migrate('default', '--apply')
  to.before = (request) => {
    if (!request.startsWith('PUT')) return undefined
    child.kill('SIGKILL')
    return new Promise<void>(() => undefined)
  }
  await child
  for (const each of [from, to]) each.server.closeAllConnections()
  to.before = () => undefined
  expect(to.containers.size).toBe(2)
  from.containers.set('my-tcolima-migrate-holder-x', { running: false })
  // What it was of is nowhere any more.
  from.volumes.delete('unfinished-data')
  expect((await migrate('default', '--apply')).exitCode).toBe(0)
  expect(contents(to).data).toBe('mine')
  expect([...from.containers.keys()]).toEqual(['my-tcolima-migrate-holder-x'])
  expect([...to.containers.keys()]).toEqual(['tcolima-migrate-unfinished-unfinished-data'])
})
