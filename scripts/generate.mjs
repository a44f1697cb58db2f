// Writes what is made of the settings: schema/tcolima.schema.json, docs/configuration-reference.md,
// docs/errors.md and templates/default.yaml. A unit test says when they are out of date.
import { mkdir, writeFile } from 'node:fs/promises'
import { build } from 'esbuild'

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
