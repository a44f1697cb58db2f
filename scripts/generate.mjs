// Writes what is made of the settings: schema/tcolima.schema.json, docs/configuration-reference.md,
// docs/errors.md and templates/default.yaml; and docs/commands.md and the manual pages
// in package.json of the commands. A unit test says when they are out of date.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { build } from 'esbuild'
import { commandTexts } from './commands.mjs'

const result = await build({
  stdin: {
    contents: `export * from './src/config/published.ts'\nexport * from './src/config/template.ts'`,
    resolveDir: '.',
    loader: 'ts',
  },
  bundle: true,
  write: false,
  format: 'esm',
  platform: 'node',
})
const code = Buffer.from(result.outputFiles[0].contents).toString('base64')
const { configTemplate, errorsText, jsonSchemaText, referenceText } = await import(
  `data:text/javascript;base64,${code}`
)
await mkdir('schema', { recursive: true })
await writeFile('schema/tcolima.schema.json', jsonSchemaText())
await writeFile('docs/configuration-reference.md', referenceText())
await writeFile('templates/default.yaml', configTemplate())
await writeFile('docs/errors.md', errorsText())
const { commandsReference, manPages } = await commandTexts()
await writeFile('docs/commands.md', commandsReference())
const manifest = JSON.parse(await readFile('package.json', 'utf8'))
// npm links only those that are listed.
manifest.man = Object.keys(manPages(manifest.version)).map((name) => `dist/man/${name}`)
await writeFile('package.json', `${JSON.stringify(manifest, undefined, 2)}\n`)
