import path from 'node:path'
import { expect, test } from 'vitest'
import { Fx, Fxp } from '../../../../src/mounts/protocol.ts'
import type { Reply } from '../client.ts'
import { type Aim, pathAims } from './requests.ts'
import { World } from './world.ts'

// Every request, in every role of a path, against every form of a path that could lead out of the share (case B15:
// canonical/multipass#139).

/** A path; `other` is the share that the session does not serve. */
type Form = [name: string, of: (world: World, other: string) => string]

/** Paths through a link that leads out: nobody may learn even whether there is something behind it. */
const throughLinks: Form[] = [
  ...['to-absolute', 'to-relative', 'to-sibling', 'chain', 'chain-3'].flatMap((link): Form[] => [
    [`/${link}/secret`, () => `/${link}/secret`],
    [`/${link}/none`, () => `/${link}/none`],
  ]),
  ['/to-absolute/none/none', () => '/to-absolute/none/none'],
  ['/to-relative/secret/below', () => '/to-relative/secret/below'],
  ['dots behind a link', () => '/to-relative/./././secret'],
  ['slashes behind a link', () => '//to-relative////secret//'],
  ['a folder, then a link', () => '/dir/../dir/./../to-relative/secret'],
  ['the parent of the share', () => '/to-parent/outside'],
  ['the share, through its parent', () => '/to-parent/outside/../to-parent/share-sibling'],
  ['a link within what a link leads to', () => '/to-parent/readonly/to-relative/secret'],
  ['the other share', (_world, other) => `/to-parent/${other}/file`],
  ['the root of the host', () => '/to-root/etc/passwd'],
  ['the root of the host through /proc', () => '/to-proc/etc/passwd'],
  ['the share from the root of the host', ({ share }) => `/to-proc${share}/file`],
  ['a link to nothing', () => '/to-nothing/secret'],
  ['a link to nothing in nothing', () => '/to-no-folder/secret'],
  ['a link to a file', () => '/to-file/secret'],
  ['a link to a FIFO', () => '/to-fifo/secret'],
]

/** Paths that name nothing, and would name something if `..`, or an absolute path, left the share. */
const clamped: Form[] = [
  ['/../outside/secret', () => '/../outside/secret'],
  ['../outside/secret', () => '../outside/secret'],
  ['../../../../../../etc/passwd', () => '../../../../../../etc/passwd'],
  ['/dir/../../outside/secret', () => '/dir/../../outside/secret'],
  ['/none/../../outside/secret', () => '/none/../../outside/secret'],
  ['/dir/deep/../../../share-sibling/secret', () => '/dir/deep/../../../share-sibling/secret'],
  ['./.././../outside/./secret', () => './.././../outside/./secret'],
  ['//..//..//outside//secret', () => '//..//..//outside//secret'],
  ['a link, then ..', () => '/to-relative/../outside/secret'],
  ['the absolute path of a secret', ({ outside }) => path.join(outside, 'secret')],
  ['the absolute path of the sibling', ({ share }) => `${share}-sibling/secret`],
  ['the absolute path of the share', ({ share }) => `${share}/file`],
  ['the absolute path of the share and ..', ({ share }) => `${share}/../outside/secret`],
  ['/etc/passwd', () => '/etc/passwd'],
  ['/proc/self/root/etc/passwd', () => '/proc/self/root/etc/passwd'],
  ['three dots', () => '/.../outside/secret'],
  ['dots with a space', () => '/.. /outside/secret'],
  ['backslashes', () => '/..\\outside/secret'],
  ['percents', () => '/%2e%2e/outside/secret'],
  ['overlong UTF-8 dots', () => '/\xc0\xae\xc0\xae/outside/secret'],
  ['overlong UTF-8 slash', () => '/..\xc0\xaf../outside/secret'],
  ['full width dots', () => '/\xef\xbc\x8e\xef\xbc\x8e/outside/secret'],
  ['bytes that are not UTF-8', () => '/\xff\xfe\xed\xa0\x80/secret'],
  ['a tilde', () => '/~root/secret'],
  ['a drive', () => '/C:/outside/secret'],
]

/** Paths that nothing can have. */
const impossible: Form[] = [
  ['NUL alone', () => '\0'],
  ['NUL at the end', () => '/file\0'],
  ['NUL in front of a way out', () => '/file\0/../../outside/secret'],
  ['NUL in a name that .. removes', () => '/a\0b/../file'],
  ['NUL behind a link', () => '/to-relative/secret\0.txt'],
  ['a name of 256 bytes', () => `/${'x'.repeat(256)}`],
  ['a name of 256 bytes as a folder', () => `/${'x'.repeat(256)}/x`],
  ['a path of 5000 bytes', () => '/dir/deep'.concat('/none'.repeat(1000))],
  ['a name of 200 KiB', () => `/${'x'.repeat(200 * 1024)}`],
  ['100,000 names', () => '/x'.repeat(100_000)],
  ['a loop of links', () => '/loop/secret'],
  ['below a file', () => '/file/secret'],
  ['below a FIFO', () => '/fifo/secret'],
  ['below a socket', () => '/socket/secret'],
]

/** Paths of the share itself. */
const theShare: Form[] = [
  '',
  '/',
  '.',
  './',
  '..',
  '/..',
  '/../..',
  '//',
  '/dir/..',
  '/to-relative/..',
  '/none/../.',
].map((form) => [JSON.stringify(form), () => form])

/** Links that lead out, as the last name. */
const links = [
  'absolute',
  'relative',
  'sibling',
  'parent',
  'root',
  'proc',
  'nothing',
  'no-folder',
  'file',
  'fifo',
]
  .map((name) => `to-${name}`)
  .concat('chain', 'chain-2')
  .map((name): Form => [name, () => `/${name}`])

/** What a request does with a link as the last name: the link itself is the share's, what it leads to is not. */
const withLink: Record<string, number | 'done'> = {
  LSTAT: 'done',
  READLINK: 'done',
  REMOVE: 'done',
  'SETSTAT times': 'done',
  'SETSTAT mode': Fx.OP_UNSUPPORTED,
  // Only root may give files away.
  'SETSTAT owner': process.getuid?.() === 0 ? 'done' : Fx.PERMISSION_DENIED,
  'RENAME from': 'done',
  'posix-rename from': 'done',
  'posix-rename to': 'done',
  'hardlink from': process.platform === 'linux' ? 'done' : Fx.PERMISSION_DENIED,
  STAT: Fx.PERMISSION_DENIED,
  REALPATH: Fx.PERMISSION_DENIED,
  statvfs: Fx.PERMISSION_DENIED,
  RMDIR: Fx.NO_SUCH_FILE,
}

type Judge = (reply: Reply, aim: Aim, path: string) => void

function group(title: string, forms: Form[], judge: Judge): void {
  test.each(forms)(`${title}: %s`, async (_name, of) => {
    const world = new World()
    for (const writable of [true, false]) {
      const attacker = await world.attack(writable)
      const at = of(world, writable ? 'readonly' : 'share')
      for (const aim of pathAims) {
        const reply = await attacker.client.ask(aim.type, (writer) => aim.fill(writer, at))
        if (aim.changes && !writable) expect(reply.status, aim.name).toBe(Fx.PERMISSION_DENIED)
        else judge(reply, aim, at)
        world.check(aim.name)
        if (writable && forms === links) world.refill()
      }
      await world.checkAlive(attacker)
    }
  })
}

group('through a link', throughLinks, ({ status }, { name }) =>
  expect(status, name).toBe(Fx.PERMISSION_DENIED),
)

group('not below the share', clamped, ({ status }, { name }) => expect(status, name).toBe(Fx.NO_SUCH_FILE))

group('impossible', impossible, ({ status, names }, { name }, at) => {
  // A last name that does not exist stays as it is, even one that cannot.
  if (name === 'REALPATH' && names) expect(names[0]?.name, name).toBe(at)
  else expect([Fx.FAILURE, Fx.NO_SUCH_FILE], name).toContain(status)
})

group('the share', theShare, ({ status, names, attrs, type }, { name, entry }) => {
  if (entry) expect(status, name).toBe(Fx.PERMISSION_DENIED)
  else if (name === 'REALPATH') expect(names?.[0]?.name, name).toBe('/')
  else if (name.startsWith('OPEN to') || name === 'READLINK' || name === 'SETSTAT size') {
    expect(status, name).toBe(Fx.FAILURE)
  } else if (attrs) expect((attrs.mode ?? 0) & 0o170000, name).toBe(0o040000)
  else expect([Fxp.HANDLE, Fxp.STATUS, Fxp.EXTENDED_REPLY], name).toContain(type)
})

group('a link', links, ({ status, type }, { name }) => {
  const expected = withLink[name] ?? Fx.FAILURE
  if (expected !== 'done') expect(status, name).toBe(expected)
  else if (type === Fxp.STATUS) expect(status, name).toBe(Fx.OK)
})

test('the tables hold more than a thousand attacks', () => {
  const forms = [throughLinks, clamped, impossible, theShare, links].flat()
  expect(new Set(forms.map(([name]) => name)).size).toBe(forms.length)
  expect(forms.length * pathAims.length).toBeGreaterThan(1000)
})
