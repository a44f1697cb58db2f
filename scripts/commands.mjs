// The texts made of the commands data, for the build and for scripts/generate.mjs.
import { build } from 'esbuild'

const modules = ['man-pages', 'commands-reference', 'completion-script', 'shells', 'parser', 'written-help']

/** Loads what makes them, without the commands themselves. */
export async function commandTexts() {
  const result = await build({
    stdin: {
      contents: modules.map((name) => `export * from './src/cli/${name}.ts'`).join('\n'),
      resolveDir: '.',
      loader: 'ts',
    },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    external: ['./commands/*'],
    // commander is CommonJS; what is imported from data has no place to require from.
    banner: {
      js: `import{createRequire}from'node:module';const require=createRequire('${import.meta.url}');`,
    },
  })
  const code = Buffer.from(result.outputFiles[0].contents).toString('base64')
  return await import(`data:text/javascript;base64,${code}`)
}
