import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { promises as fs, watch } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { Mirror } from './mirror.ts'

let mirror: Mirror
afterEach(() => mirror.end())

/** Runs a script in the mirror's folder as a program of its own, while this one goes on. */
async function run(script: string): Promise<void> {
  const shell = spawn('sh', ['-ec', script], { cwd: mirror.root, stdio: ['ignore', 'ignore', 'inherit'] })
  const [code] = await once(shell, 'exit')
  expect(code).toBe(0)
}

const counted = (kind: string) => mirror.told().filter((change) => change.startsWith(`${kind} `))

test('5,000 files made, changed and deleted: each is told', async () => {
  mirror = await Mirror.start()
  await run('i=0; while [ $i -lt 5000 ]; do echo x > f$i; i=$((i+1)); done')
  await mirror.matches()
  expect(new Set(counted('create')).size).toBe(5000)
  mirror.changes.length = 0
  await run('for f in *; do echo y > $f; done')
  await mirror.until(() => new Set(counted('modify')).size === 5000, '5,000 edits')
  mirror.changes.length = 0
  await run('rm -r ./*')
  await mirror.matches()
  expect(counted('delete')).toHaveLength(5000)
})

test('100 quick edits are one or two changes', async () => {
  mirror = await Mirror.start((at) => fs.writeFile(at('f'), ''))
  await mirror.settle()
  const file = await fs.open(mirror.at('f'), 'w')
  const start = performance.now()
  for (let i = 0; i < 100; i++) await file.write('x')
  await file.close()
  const windows = Math.ceil((performance.now() - start) / 50) + 1
  await mirror.settle()
  expect(new Set(mirror.told())).toEqual(new Set(['modify f']))
  expect(mirror.told().length).toBeLessThanOrEqual(windows)
})

test('events that the system dropped are made up for', async () => {
  // A system that keeps 200 events until they are fetched.
  let kept = 0
  let dropped = 0
  mirror = await Mirror.start(undefined, {
    queuedEvents: 200,
    watch: (folder, listener) =>
      watch(folder, { persistent: false }, (event, name) => {
        setImmediate(() => (kept = 0))
        if (kept++ < 200) listener(event, name)
        else dropped++
      }),
  })
  await mirror.settle()
  const script = 'i=0; while [ $i -lt 1000 ]; do echo x > f$i; i=$((i+1)); done'
  execFileSync('sh', ['-ec', script], { cwd: mirror.root })
  await mirror.matches()
  execFileSync('sh', ['-ec', 'rm f1*; mkdir f1; for f in f2*; do echo more >> $f; done'], {
    cwd: mirror.root,
  })
  await mirror.matches()
  await mirror.until(
    () => new Set(counted('modify').filter((c) => c.startsWith('modify f2'))).size === 111,
    'edits',
  )
  expect(dropped).toBeGreaterThan(1000)
})

test('git checkout between two branches', async () => {
  mirror = await Mirror.start(async (at) => {
    const script = `
      git init -q -b one . && git config user.email a@b && git config user.name n && git config gc.auto 0
      for d in a b c d e f g h; do mkdir -p src/$d/sub; for i in 1 2 3 4 5 6 7 8; do echo $d$i > src/$d/sub/$i; done; done
      git add . && git commit -qm one && git checkout -qb two
      git mv src/a src/z && git rm -rq src/b && echo changed | tee src/c/sub/* >/dev/null
      mkdir -p src/new/deep && echo n > src/new/deep/n && git add . && git commit -qm two && git checkout -q one`
    execFileSync('sh', ['-ec', script], { cwd: at('') })
  })
  for (const branch of ['two', 'one', 'two', 'one']) {
    await run(`git checkout -q ${branch}`)
    await mirror.matches()
    await mirror.settle()
    // Git deletes a file before it writes it anew.
    const changed = mirror.told().filter((change) => /^(modify|create) src\/c\/sub\/./.test(change))
    expect(new Set(changed.map((change) => change.replace(/^\w+ /, ''))).size).toBe(8)
    mirror.changes.length = 0
  }
})

test('a tree copied, moved about and removed', async () => {
  mirror = await Mirror.start(async (at) => {
    const script =
      'for a in 1 2 3 4 5; do for b in 1 2 3 4 5; do mkdir -p t/$a/$b; for c in 1 2 3 4; do : > t/$a/$b/$c; done; done; done'
    execFileSync('sh', ['-ec', script], { cwd: at('') })
  })
  await run('cp -r t u')
  await mirror.matches()
  await run(
    'mv u/1 v; mv t/2 u/1; mv v/3 t/2; mv t w; mv w/2/1 w/x; rm -r u/3; mkdir u/3; : > u/3/n; mv u/3 w/3/u3',
  )
  await mirror.matches()
  await run('rm -r t u v w 2>/dev/null || true')
  await mirror.matches()
  await mirror.settle()
})
