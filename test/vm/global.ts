import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execa } from 'execa'
import type { TestProject } from 'vitest/node'
import { listInstances } from '../../src/instance/view.ts'
import { endProcesses, type Shared, userEnv } from './harness.ts'
import { buildImages } from './images.ts'

const applets = [
  'sh',
  'cat',
  'echo',
  'sleep',
  'wc',
  'sha256sum',
  'seq',
  'httpd',
  'true',
  'ls',
  'mkdir',
  'tail',
  'nc',
  'dd',
  'tee',
]

/** Builds the image once, starts the guest that tests share, and takes everything away at the end. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(path.join(tmpdir(), 'tcolima-vm-'))
  const shared: Shared = {
    home: path.join(folder, 'home'),
    userHome: path.join(folder, 'user'),
    oddFolder: path.join(folder, "a b 'dö-日本"),
    busyboxTar: path.join(folder, 'busybox.tar'),
  }
  let endBuilds = async () => {}
  const teardown = async () => {
    await endBuilds()
    for (const { name } of listInstances(shared.home)) await endProcesses(shared.home, name)
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    mkdirSync(path.join(shared.userHome, 'share'), { recursive: true })
    mkdirSync(shared.oddFolder)
    await makeBusybox(folder, shared.busyboxTar)
    const main = path.resolve(import.meta.dirname, '../../dist/main.cjs')
    // Packages are installed where they are missing: this is also the first command of the README.
    await execa(
      process.execPath,
      [
        ...[main, 'start', 'shared', '--yes', '--cpus', '2', '--memory', '2', '--disk', '20'],
        ...['--mount', `${shared.userHome}:w`, '--mount', `${shared.oddFolder}:w`],
      ],
      {
        env: userEnv(shared),
        extendEnv: false,
        stdin: 'ignore',
        stdout: 'inherit',
        stderr: 'inherit',
        timeout: 900_000,
      },
    )
    const socket = path.join(shared.home, 'shared', 'docker.sock')
    await execa('docker', ['import', shared.busyboxTar, 'busybox'], {
      env: { ...userEnv(shared), DOCKER_HOST: `unix://${socket}` },
      extendEnv: false,
      timeout: 120_000,
    })
  } catch (error) {
    await teardown()
    throw error
  }
  if (project.vitest.projects.length > 1) endBuilds = buildImages(shared.home)
  project.provide('shared', shared)
  return teardown
}

/** A root folder with busybox alone, as a tar file: what Debian ships instead of an image from a registry. */
async function makeBusybox(folder: string, tar: string): Promise<void> {
  const program = ['/bin/busybox', '/usr/bin/busybox'].find((file) => existsSync(file))
  if (program === undefined) throw new Error('busybox-static is not installed')
  const bin = path.join(folder, 'busybox', 'bin')
  mkdirSync(bin, { recursive: true })
  copyFileSync(program, path.join(bin, 'busybox'))
  chmodSync(path.join(bin, 'busybox'), 0o755)
  for (const applet of applets) symlinkSync('busybox', path.join(bin, applet))
  await execa('tar', ['-C', path.join(folder, 'busybox'), '--owner=0', '--group=0', '-cf', tar, '.'])
}
