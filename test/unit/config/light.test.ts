import path from 'node:path'
import { expect, test } from 'vitest'
import { build } from 'esbuild'

test.each(['profile', 'home', 'units', 'immutable', 'mounts', 'flags'])(
  '%s.ts does not load yaml or zod: list and status must not wait for them',
  async (name) => {
    const entry = path.join(import.meta.dirname, `../../../src/config/${name}.ts`)
    const result = await build({
      entryPoints: [entry],
      bundle: true,
      platform: 'node',
      packages: 'external',
      write: false,
      metafile: true,
      format: 'esm',
    })
    const imports = Object.values(result.metafile.outputs).flatMap((output) =>
      output.imports.map((i) => i.path),
    )
    expect(imports.filter((name) => !name.startsWith('node:'))).toEqual([])
  },
)
