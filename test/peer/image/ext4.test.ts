import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { run } from '../../../src/host/run.ts'
import { ext4Script } from '../../../src/image/ext4.ts'

let dir: string
let work: string
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` }
const root = process.getuid?.() === 0

beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'tcolima-ext4-'))
  work = path.join(dir, "wo'rk dir")
  await mkdir(work)
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

/** A root folder as mmdebstrap leaves it, in short. */
async function tree(): Promise<void> {
  const folder = path.join(dir, 'tree')
  const files: Record<string, string> = {
    'boot/tcolima-kernel': 'the kernel',
    'boot/tcolima-initrd': 'the initrd',
    'boot/vmlinuz-6.1': 'x',
    'usr/lib/tcolima/names': 'root\ndocker\n',
    'etc/hello': 'hello\n',
    'dev/leftover': 'x',
  }
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true })
    await writeFile(path.join(folder, name), text)
  }
  await chmod(path.join(folder, 'etc/hello'), 0o4755)
  await symlink('/nowhere', path.join(folder, 'etc/link'))
  execFileSync('tar', ['-C', folder, '--owner=1234', '--group=0', '-cf', path.join(work, 'root.tar'), '.'])
}

function debugfs(request: string): string {
  return execFileSync('debugfs', ['-R', request, path.join(work, 'root.img')], {
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
}

test('root.tar becomes a file system, a kernel, an initrd and the names', async () => {
  await tree()
  const [program, ...args] = ext4Script(work, root)
  await run(program, args, { env: { PATH: env.PATH } })
  expect((await readdir(work)).sort()).toEqual(['initrd', 'kernel', 'names', 'root.img'])
  expect(await readFile(path.join(work, 'kernel'), 'utf8')).toBe('the kernel')
  expect(await readFile(path.join(work, 'initrd'), 'utf8')).toBe('the initrd')
  expect(await readFile(path.join(work, 'names'), 'utf8')).toBe('root\ndocker\n')
  const image = await stat(path.join(work, 'root.img'))
  expect(image.mode & 0o777).toBe(0o444)
  expect(image.size).toBeGreaterThanOrEqual(256 * 2 ** 20)

  expect(debugfs('cat /etc/hello')).toBe('hello\n')
  const info = debugfs('stat /etc/hello')
  expect(info).toMatch(/Mode: {2}04755/)
  expect(info).toMatch(/User: {2}1234/)
  expect(debugfs('stat /etc/link')).toContain('/nowhere')
  // The kernel is QEMU's, device nodes are the guest kernel's.
  expect(debugfs('ls -p /boot')).not.toMatch(/vmlinuz|tcolima/)
  expect(debugfs('ls -p /dev')).not.toContain('leftover')
  execFileSync('e2fsck', ['-fn', path.join(work, 'root.img')], { env, stdio: 'ignore' })
})

test('a tree without a kernel fails and leaves no image', async () => {
  await mkdir(path.join(dir, 'empty'))
  execFileSync('tar', ['-C', path.join(dir, 'empty'), '-cf', path.join(work, 'root.tar'), '.'])
  const [program, ...args] = ext4Script(work, root)
  await expect(run(program, args, { env: { PATH: env.PATH } })).rejects.toMatchObject({ code: 'failed' })
  expect(await readdir(work)).toEqual([])
})
