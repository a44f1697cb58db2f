// Bundles the command line and the agent into dist/. Heavy modules stay in chunks of their own, loaded when used.
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { build } from 'esbuild'
import { commandTexts } from './commands.mjs'

await rm('dist', { recursive: true, force: true })
// The first file to load is one script without ESM's loader and further files: `list` is as fast as Node.js starts.
await build({
  entryPoints: { main: 'src/main.ts' },
  outdir: 'dist',
  outExtension: { '.js': '.cjs' },
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node20',
  minify: true,
  keepNames: true,
  define: { 'import.meta.url': '__file_url' },
  banner: { js: "const __file_url=require('node:url').pathToFileURL(__filename).href;" },
  plugins: [
    {
      name: 'the-rest-is-loaded-when-needed',
      setup(bundle) {
        bundle.onResolve({ filter: /cli\/program\.ts$/ }, () => ({ path: './program.js', external: true }))
      },
    },
  ],
  logLevel: 'warning',
})
await build({
  entryPoints: { program: 'src/cli/program.ts', agent: 'src/agent/main.ts' },
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
// For who installs the package: npm links the manual pages itself.
const { manPages, completionScript, shells, programHelp, writtenHelp } = await commandTexts()
const { version } = JSON.parse(await readFile('package.json', 'utf8'))
const fileNames = { bash: 'tcolima', zsh: '_tcolima', fish: 'tcolima.fish', powershell: 'tcolima.ps1' }
await mkdir('dist/man')
for (const [name, page] of Object.entries(manPages(version))) await writeFile(`dist/man/${name}`, page)
for (const shell of shells) {
  await mkdir(`dist/completions/${shell}`, { recursive: true })
  await writeFile(`dist/completions/${shell}/${fileNames[shell]}`, completionScript(shell))
}
await mkdir('dist/help')
for (const [name, text] of Object.entries(writtenHelp(programHelp)))
  await writeFile(`dist/help/${name}`, text)
await chmod('dist/main.cjs', 0o755)
await writeFile('dist/.built', '')
