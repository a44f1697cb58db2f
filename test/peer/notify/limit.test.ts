import { execFileSync, spawnSync } from 'node:child_process'
import { promises as fs } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { build } from 'esbuild'
import { expect, test } from 'vitest'

const LIMIT = 20
const FOLDERS = 40

// A user namespace has limits of its own, which its root may lower: the machine's stay as they are.
const inNamespace = [
  '-Ur',
  'sh',
  '-ec',
  `echo ${LIMIT} > /proc/sys/user/max_inotify_watches; exec "$@"`,
  'sh',
]
const possible = spawnSync('unshare', [...inNamespace, 'true']).status === 0

test.skipIf(!possible)(
  'past a real limit of watches: one warning, and the folders before it go on',
  async () => {
    const top = await fs.realpath(await fs.mkdtemp(path.join(os.tmpdir(), 'tcolima-limit-')))
    try {
      await fs.writeFile(path.join(top, 'program.ts'), program)
      await build({
        entryPoints: [path.join(top, 'program.ts')],
        outfile: path.join(top, 'program.mjs'),
        alias: { watcher: path.resolve('src/notify/fs-watcher.ts') },
        bundle: true,
        platform: 'node',
        format: 'esm',
      })
      await fs.mkdir(path.join(top, 'w'))
      const args = [...inNamespace, process.execPath, path.join(top, 'program.mjs'), path.join(top, 'w')]
      const said = JSON.parse(execFileSync('unshare', args, { encoding: 'utf8', timeout: 30_000 }))
      expect(said.warnings).toHaveLength(1)
      expect(said.warnings[0].text).toMatch(/max_user_watches \(\d+\)/)
      expect(said.told).toBe(path.join(top, 'w/0/new'))
    } finally {
      await fs.rm(top, { recursive: true, force: true })
    }
  },
)

const program = `
import fs from 'node:fs'
import { FsWatcher } from 'watcher'
const root = process.argv[2]
const watcher = new FsWatcher()
const warnings = []
watcher.on('warning', (warning) => warnings.push(warning))
for (let i = 0; i < ${FOLDERS}; i++) {
  fs.mkdirSync(root + '/' + i)
  watcher.add(root + '/' + i)
}
const alive = setTimeout(() => process.exit(1), 20_000)
watcher.once('changes', ([change]) => {
  console.log(JSON.stringify({ warnings, told: change.path }))
  process.exit(0)
})
fs.writeFileSync(root + '/0/new', '')
`
