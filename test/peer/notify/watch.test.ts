import { execFileSync } from 'node:child_process'
import { promises as fs } from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { Mirror } from './mirror.ts'

let mirror: Mirror
afterEach(() => mirror.end())

const past = new Date('2001-02-03T04:05:06Z')

/** What is there at first: `f`, `g`, `link`, `d/x`, `d/deep/y`, `e/`. */
async function fill(at: (name: string) => string): Promise<void> {
  await fs.mkdir(at('d/deep'), { recursive: true })
  await fs.mkdir(at('e'))
  for (const name of ['f', 'g', 'd/x', 'd/deep/y']) await fs.writeFile(at(name), 'before\n')
  await fs.symlink('f', at('link'))
  for (const name of ['f', 'g', 'd/x', 'd/deep/y']) await fs.utimes(at(name), past, past)
}

const sh = (at: (name: string) => string, script: string) =>
  execFileSync('sh', ['-ec', script], { cwd: at('') })

describe('each kind of change is told, and nothing else', () => {
  test.each<[string, string, string[]]>([
    ['nothing', ':', []],
    ['a new file', ': > n', ['create n']],
    ['a new folder', 'mkdir n', ['create n/']],
    ['a new symbolic link', 'ln -s nowhere n', ['create n']],
    ['a new hard link', 'ln f n', ['create n']],
    ['an edit', 'echo more >> f', ['modify f']],
    ['an edit of the same size', 'printf "after.\\n" > f', ['modify f']],
    ['an edit through a link', 'echo more >> link', ['modify f']],
    ['touch', 'touch f', ['modify f']],
    ['the mode of a file', 'chmod 600 f', ['attributes f']],
    ['the mode of a folder', 'chmod 700 d', ['attributes d/']],
    ['the mode of a folder that is no entry of a watched one', 'chmod 711 .', ['attributes /']],
    ['times set by hand', 'touch -d 2011-01-01 f', ['attributes f']],
    ['an edit, then the old time', 'echo BEFORE > f; touch -d 2001-02-03T04:05:06Z f', ['modify f']],
    ['a file deleted', 'rm f', ['delete f']],
    ['a link deleted', 'rm link', ['delete link']],
    ['a folder deleted', 'rmdir e', ['delete e/']],
    ['a tree deleted', 'rm -r d', ['delete d/deep/y', 'delete d/deep/', 'delete d/x', 'delete d/']],
    ['a file renamed', 'mv f n', ['rename f -> n']],
    ['a file moved', 'mv f e/n', ['rename f -> e/n']],
    ['a file renamed over another', 'mv f g', ['rename f -> g']],
    ['a folder renamed', 'mv d n', ['rename d/ -> n/']],
    ['a folder moved', 'mv d e', ['rename d/ -> e/d/']],
    ['a file moved out', 'mv f ..', ['delete f']],
    ['a link pointed elsewhere', 'ln -sfn g link', ['delete link', 'create link']],
    ['a file made a folder', 'rm f; mkdir f', ['delete f', 'create f/']],
    ['a folder made a file', 'rmdir e; : > e', ['delete e/', 'create e']],
    ['two files exchanged', 'mv f t; mv g f; mv t g', ['modify f', 'modify g']],
    ['a chain of renames', 'mv g h; mv f g', ['rename g -> h', 'rename f -> g']],
    ['renamed and edited', 'mv f n; echo more >> n', ['rename f -> n', 'modify n']],
    ['renamed, and a new one in its place', 'mv f n; echo new > f', ['rename f -> n', 'create f']],
    ['moved into a renamed folder', 'mv d n; mv f n/f', ['rename d/ -> n/', 'rename f -> n/f']],
    ['a folder renamed after a move into it', 'mv f d/f; mv d n', ['rename d/ -> n/', 'rename f -> n/f']],
    ['out of a folder that is renamed', 'mv d/x x; mv d n', ['rename d/ -> n/', 'rename n/x -> x']],
    [
      'out of a folder that is deleted',
      'mv d/x x; rm -r d',
      ['rename d/x -> x', 'delete d/deep/y', 'delete d/deep/', 'delete d/'],
    ],
    [
      'renames below renames',
      'mv d n; mv n/deep n/low; mv n/low/y n/low/z',
      ['rename d/ -> n/', 'rename n/deep/ -> n/low/', 'rename n/low/y -> n/low/z'],
    ],
    [
      'a folder deleted and made anew',
      'rm -r d; mkdir d; : > d/x',
      ['delete d/deep/y', 'delete d/deep/', 'delete d/x', 'delete d/', 'create d/'],
    ],
    ['an editor that renames over', 'echo new > .f.swp; mv .f.swp f', ['modify f']],
    ['an editor that keeps a copy', 'mv f f~; echo new > f; rm f~', ['modify f']],
    ['a file that came and went', ': > n; rm n', []],
    [
      'names with any characters',
      `: > 'a b'; : > '-x"$'; : > 'ä\u0308\n'`,
      ['create a b', 'create -x"$', 'create ä\u0308\n'],
    ],
    ['a name like the folder it is in', 'mkdir d/d; chmod 700 d/d', ['create d/d/']],
  ])('%s', async (_, script, told) => {
    mirror = await Mirror.start(fill)
    await mirror.settle()
    mirror.changes.length = 0
    sh(mirror.at, script)
    await mirror.settle()
    // The order is checked by replaying them: which of two entries `rm -r` takes first is the file system's affair.
    expect(mirror.told().sort()).toEqual([...told].sort())
    await mirror.matches()
    await fs.rm(path.join(mirror.root, '../f'), { force: true })
  })
})

test('a name that is not UTF-8 is left out and disturbs nothing', async () => {
  mirror = await Mirror.start()
  await mirror.settle()
  await fs.writeFile(Buffer.concat([Buffer.from(mirror.at('x')), Buffer.from([0xff])]), '')
  await fs.writeFile(mirror.at('y'), '')
  await mirror.settle()
  expect(mirror.told()).toEqual(['create y'])
})

test('an edit right after a folder was added is told, whatever it is', async () => {
  mirror = await Mirror.start()
  for (let round = 0; round < 20; round++) {
    const d = `d${round}`
    await fs.mkdir(mirror.at(d))
    await mirror.hears(`create ${d}/`)
  }
  // Folders of their own, filled beforehand, so that reading them takes a while.
  await mirror.watcher.close()
  await mirror.end()
  mirror = await Mirror.start(async (at) => {
    for (const name of Array.from({ length: 300 }, (_, i) => at(`f${i}`))) await fs.writeFile(name, '')
  })
  await fs.appendFile(mirror.at('f7'), 'x')
  await fs.rm(mirror.at('f8'))
  await fs.writeFile(mirror.at('n'), '')
  await mirror.hears('modify f7', 'delete f8', 'create n')
})

test('edits at any moment after add are told', async () => {
  mirror = await Mirror.start()
  for (let wait = 0; wait < 12; wait++) {
    const folder = await fs.mkdtemp(`${mirror.root}-gap-`)
    const names = Array.from({ length: 100 }, (_, i) => path.join(folder, String(i)))
    for (const name of names) await fs.writeFile(name, '')
    mirror.watcher.add(folder)
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait - 1))
    await fs.appendFile(names[99]!, 'x')
    await mirror.until(
      () => mirror.changes.some((change) => change.kind === 'modify' && change.path === names[99]),
      `an edit ${wait} ms after add`,
    )
    await fs.rm(folder, { recursive: true })
  }
})

test('a folder is forgotten by remove, and what is below it is not', async () => {
  mirror = await Mirror.start(fill)
  await mirror.settle()
  mirror.watcher.remove(mirror.at('d'))
  await fs.writeFile(mirror.at('d/n'), '')
  await fs.writeFile(mirror.at('d/deep/n'), '')
  await mirror.hears('create d/deep/n')
  await mirror.settle()
  expect(mirror.told()).toEqual(['create d/deep/n'])
})

test('after a deep rename every folder is watched under its new name', async () => {
  mirror = await Mirror.start((at) => fs.mkdir(at('a/b/c/d/e'), { recursive: true }).then(() => {}))
  await mirror.settle()
  await fs.rename(mirror.at('a/b'), mirror.at('z'))
  await mirror.hears('rename a/b/ -> z/')
  await fs.rename(mirror.at('z/c'), mirror.at('a/y'))
  await mirror.hears('rename z/c/ -> a/y/')
  await fs.writeFile(mirror.at('a/y/d/e/f'), '')
  await mirror.hears('create a/y/d/e/f')
  await fs.rename(mirror.at('a'), mirror.at('q'))
  await fs.appendFile(mirror.at('q/y/d/e/f'), 'x')
  await mirror.hears('rename a/ -> q/', 'modify q/y/d/e/f')
  await mirror.matches()
})

test('the watched folder itself goes away: told, and nothing breaks', async () => {
  mirror = await Mirror.start(fill)
  await mirror.settle()
  await fs.rm(mirror.root, { recursive: true })
  await mirror.hears('delete /', 'delete f', 'delete d/deep/y')
})
