// `npm run bench -- NAME [--runs N]`: builds, runs bench/NAME.ts, which prints a table and writes bench/results/NAME.json.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { build } from 'esbuild'

const [name = '', ...rest] = process.argv.slice(2)
const names = readdirSync('bench').flatMap((file) => (file.endsWith('.bench.ts') ? [file.slice(0, -9)] : []))
if (!names.includes(name)) {
  process.stderr.write(`usage: npm run bench -- ${names.join('|')} [--runs N]\n`)
  process.exit(2)
}
if (spawnSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' }).status !== 0) process.exit(1)
// Inside dist, so that packages and the installation's files are found from there.
const folder = mkdtempSync(path.join('dist', 'bench-'))
try {
  const outfile = path.join(folder, `${name}.mjs`)
  await build({
    entryPoints: [`bench/${name}.bench.ts`],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
  })
  process.exitCode = spawnSync(process.execPath, [outfile, ...rest], { stdio: 'inherit' }).status ?? 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
