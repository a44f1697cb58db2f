// Bundles the command line and the agent into dist/. Heavy modules stay in chunks of their own, loaded when used.
import { chmod, rm, writeFile } from 'node:fs/promises'
import { build } from 'esbuild'

await rm('dist', { recursive: true, force: true })
await build({
  entryPoints: { main: 'src/main.ts', agent: 'src/agent/main.ts' },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  minify: true,
  keepNames: true,
  sourcemap: false,
  // ssh2 loads optional native parts by path and cannot be bundled.
  external: ['ssh2'],
  loader: { '.pl': 'text', '.sh': 'text' },
  banner: {
    js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);",
  },
  logLevel: 'warning',
})
await chmod('dist/main.js', 0o755)
await writeFile('dist/.built', '')
