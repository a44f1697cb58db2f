import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { execa } from 'execa'
import { k3sImages, k3sProgram } from '../../src/artifacts/catalog.ts'
import { currentHost } from '../../src/host/platform.ts'
import { docker } from './harness.ts'

const standIn = path.resolve(import.meta.dirname, '../fixtures/k3s-stand-in')

/**
 * Makes a mirror with the stand-in as k3s, and the busybox of the machine `shared` as its images, by the name `brought`, in one of the forms
 * of a release.
 */
export async function makeK3sMirror(
  mirror: string,
  version: string,
  brought: string,
  form: 'tar' | 'tar.zst' = 'tar',
): Promise<void> {
  const { arch } = currentHost()
  const program = k3sProgram(arch, version)
  const images = k3sImages(arch, version).find((each) => each.path.endsWith(`.${form}`))!
  const inMirror = (file: string) => path.join(mirror, file)
  mkdirSync(path.dirname(inMirror(program.path)), { recursive: true })
  copyFileSync(standIn, inMirror(program.path))
  const tar = path.join(mirror, 'images.tar')
  await docker('shared', ['tag', 'busybox', brought])
  await docker('shared', ['save', '-o', tar, brought])
  await docker('shared', ['rmi', brought])
  if (form === 'tar.zst') await execa('zstd', ['-q', '--rm', tar, '-o', inMirror(images.path)])
  else renameSync(tar, inMirror(images.path))
  const line = (file: string) => {
    const digest = createHash('sha256')
      .update(readFileSync(inMirror(file)))
      .digest('hex')
    return `${digest}  ${path.basename(file)}\n`
  }
  writeFileSync(inMirror(program.checksums.path), line(program.path) + line(images.path))
}
