import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { run } from '../src/host/run.ts'

/** How much is measured. */
export interface Sizes {
  /** Of the sequential file, in MiB. */
  megabytes: number
  smallFiles: number
  repositoryFiles: number
  treeFiles: number
}

/** Packages of this checkout that the small project uses; they use none themselves. */
const packages = ['b4a', 'commander', 'human-signals', 'signal-exit', 'undici-types', 'yaml', 'yoctocolors']

/**
 * Fills a new folder that is going to be shared: `repo`, a git repository, and `tools.tar`, which the guest unpacks on
 * its own disk: the script, git, node and npm of this host with their libraries, a tree to unpack, a project for npm.
 */
export async function fillShare(share: string, sizes: Sizes): Promise<void> {
  const tools = path.join(share, 'tools')
  const repo = path.join(share, 'repo')
  mkdirSync(tools, { recursive: true })
  await makeRepository(repo, sizes.repositoryFiles)
  await run('tar', ['-cf', path.join(tools, 'repo.tar'), '-C', share, 'repo'])
  const tree = path.join(share, 'tree')
  makeFiles(tree, sizes.treeFiles, 50, 8000)
  await run('tar', ['-cf', path.join(tools, 'tree.tar'), '-C', tree, '.'])
  copyFileSync('bench/mounts-guest.sh', path.join(tools, 'mounts-guest.sh'))
  await copyProgram(tools, 'git', await whereIs('git'))
  await copyProgram(tools, 'node', process.execPath)
  const npm = path.dirname(path.dirname(realpathSync(await whereIs('npm'))))
  cpSync(npm, path.join(tools, 'npm'), { recursive: true })
  await makeProject(path.join(tools, 'project'))
  await run('tar', ['-cf', path.join(share, 'tools.tar'), '-C', tools, '.'])
}

function makeFiles(folder: string, count: number, perFolder: number, size: number): void {
  for (let index = 0; index < count; index++) {
    const sub = path.join(folder, `folder-${Math.floor(index / perFolder)}`)
    if (index % perFolder === 0) mkdirSync(sub, { recursive: true })
    const file = path.join(sub, `file-${index}.txt`)
    writeFileSync(file, `${index}\n`.padEnd(size, 'some text '))
    // Older than git's index: git reads files again that are as young as it.
    utimesSync(file, 1_700_000_000, 1_700_000_000)
  }
}

async function makeRepository(folder: string, files: number): Promise<void> {
  makeFiles(folder, files, 50, 500)
  const git = async (...args: string[]) =>
    run('git', ['-C', folder, '-c', 'user.name=bench', '-c', 'user.email=bench@localhost', ...args])
  await git('init', '-q')
  await git('add', '.')
  await git('commit', '-q', '-m', 'files')
}

async function whereIs(program: string): Promise<string> {
  return (await run('which', [program])).stdout
}

/** A program with the loader and the libraries it was built with. */
async function copyProgram(tools: string, name: string, file: string): Promise<void> {
  const folder = path.join(tools, name)
  mkdirSync(folder)
  copyFileSync(file, path.join(folder, name))
  for (const [, library] of (await run('ldd', [file])).stdout.matchAll(/^\s+(?:\S+ => )?(\/\S+)/gm)) {
    if (library === undefined) continue
    const base = path.basename(library)
    copyFileSync(library, path.join(folder, base.startsWith('ld-') ? 'loader' : base))
  }
}

/** A project whose packages lie beside it as archives, so that `npm ci` needs no registry. */
async function makeProject(folder: string): Promise<void> {
  mkdirSync(folder)
  const dependencies: Record<string, string> = {}
  const locked: Record<string, object> = {}
  for (const name of packages) {
    const source = path.resolve('node_modules', name)
    const { version } = JSON.parse(readFileSync(path.join(source, 'package.json'), 'utf8')) as {
      version: string
    }
    const archive = `file:${name}.tgz`
    dependencies[name] = archive
    locked[`node_modules/${name}`] = { version, resolved: archive }
    const target = path.join(folder, `${name}.tgz`)
    await run('tar', ['-czf', target, '-C', source, '--transform', 's,^[.],package,', '.'])
  }
  const project = { name: 'project', version: '1.0.0', dependencies }
  const lock = { ...project, lockfileVersion: 3, requires: true, packages: { '': project, ...locked } }
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify(project))
  writeFileSync(path.join(folder, 'package-lock.json'), JSON.stringify(lock))
}
