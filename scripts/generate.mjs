// Writes what is made of the settings: schema/tcolima.schema.json and docs/configuration-reference.md. A unit test says
// when they are out of date.
import { mkdir, writeFile } from 'node:fs/promises'
import { build } from 'esbuild'

const result = await build({
  stdin: { contents: `export * from './src/config/published.ts'`, resolveDir: '.', loader: 'ts' },
  bundle: true,
  write: false,
  format: 'esm',
  platform: 'node',
})
const code = Buffer.from(result.outputFiles[0].contents).toString('base64')
const { jsonSchemaText, referenceText } = await import(`data:text/javascript;base64,${code}`)
await mkdir('schema', { recursive: true })
await writeFile('schema/tcolima.schema.json', jsonSchemaText())
await writeFile('docs/configuration-reference.md', referenceText())
