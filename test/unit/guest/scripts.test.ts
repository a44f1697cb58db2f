import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'

const guest = path.resolve(import.meta.dirname, '../../../guest')
const programs = path.join(guest, 'rootfs/usr/lib/tcolima')
const engines = readdirSync(path.join(guest, 'engines')).map((name) =>
  path.join(guest, 'engines', name, 'rootfs/usr/lib/tcolima'),
)
const scripts = [
  path.join(guest, 'customize.sh'),
  ...[programs, ...engines].flatMap((folder) =>
    readdirSync(folder)
      .map((name) => path.join(folder, name))
      .filter((file) => statSync(file).isFile()),
  ),
].map((file) => ({
  name: path.relative(guest, file),
  file,
  firstLine: readFileSync(file, 'utf8').split('\n')[0] ?? '',
}))

test('all are of a kind that is checked here', () => {
  for (const { firstLine } of scripts) expect(firstLine).toMatch(/^#!.*(sh|perl)$/)
  expect(scripts.length).toBeGreaterThanOrEqual(7)
})

test.each(scripts.filter(({ firstLine }) => firstLine.endsWith('sh')))('sh reads $name', ({ file }) => {
  execFileSync('sh', ['-n', file], { stdio: 'pipe' })
})

test.each(scripts.filter(({ firstLine }) => firstLine.endsWith('perl')))('perl reads $name', ({ file }) => {
  const said = execFileSync('sh', ['-c', 'perl -c "$1" 2>&1', 'sh', file], { encoding: 'utf8' })
  expect(said.trim()).toBe(`${file} syntax OK`)
})
