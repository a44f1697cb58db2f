// `npm run bench -- NAME [--runs N]`: builds what is stale, runs bench/NAME.bench.ts, which prints a table and writes
// bench/results/NAME.json.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { build } from 'esbuild'

const [name = '', ...rest] = process.argv.slice(2)
const names = readdirSync('bench').flatMap((file) => (file.endsWith('.bench.ts') ? [file.slice(0, -9)] : []))
if (!names.includes(name)) {
  process.stderr.write(`usage: npm run bench -- ${names.join('|')} [--runs N]\n`)
  process.exit(2)
}
// The launcher knows what is stale, and builds under a lock.
const built = spawnSync(path.resolve('tcolima'), ['version'], { stdio: ['ignore', 'ignore', 'inherit'] })
if (built.status !== 0) process.exit(1)
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
  const child = spawn(process.execPath, [outfile, ...rest], { stdio: 'inherit' })
  // It cleans up; this process only waits for it. A terminal's Ctrl-C reaches both, which does no harm.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  const [code] = await once(child, 'exit')
  process.exitCode = code ?? 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
