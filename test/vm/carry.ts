import { copyFileSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { execa } from 'execa'

/**
 * Puts a program of the host into `folder`, with all libraries and the loader it needs, under its own name: it runs there,
 * or wherever the folder is copied to, in any Linux of the same kind of processor, without anything being installed.
 */
export async function carry(name: string, folder: string): Promise<void> {
  const found = await execa('sh', ['-c', 'command -v "$0"', name])
  const program = realpathSync(found.stdout)
  const parts = path.join(folder, `${name}.parts`)
  mkdirSync(parts, { recursive: true })
  copyFileSync(program, path.join(parts, 'program'))
  // "libz.so.1 => /lib/libz.so.1 (0x…)", and the loader: "/lib64/ld-linux-x86-64.so.2 (0x…)".
  const { stdout } = await execa('ldd', [program])
  let loader = ''
  for (const [, file = ''] of stdout.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)) {
    copyFileSync(file, path.join(parts, path.basename(file)))
    if (path.basename(file).startsWith('ld-')) loader = path.basename(file)
  }
  const start = `exec "$parts/${loader}" --library-path "$parts" --argv0 ${name} "$parts/program" "$@"`
  writeFileSync(path.join(folder, name), `#!/bin/sh\nparts=\${0%/*}/${name}.parts\n${start}\n`, {
    mode: 0o755,
  })
}
