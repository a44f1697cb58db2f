import { describe, expect, test } from 'vitest'
import type { Run } from '../../../src/host/run.ts'
import { type MountTypeInput, refuseByPlatform, requireMountType } from '../../../src/vm/mount-types.ts'
import { virtiofsdCommand } from '../../../src/vm/virtiofsd.ts'

const helpOfC =
  '    --socket-path=PATH         path for the vhost-user socket\n    -o source=PATH   shared directory tree\n'
const rust110 = '      --shared-dir <SHARED_DIR>\n      --sandbox <SANDBOX>\n      --uid-map <UID_MAP>\n'
const rust113 = `${rust110}      --readonly\n      --translate-uid <TRANSLATE_UID>\n`
const devices = 'name "virtio-9p-pci", bus PCI\nname "vhost-user-fs-pci", bus PCI\n'

function input(over: Partial<MountTypeInput>, help = rust113, offered = devices): MountTypeInput {
  const run: Run = async (program) => ({
    stdout: program === 'qemu' ? offered : help,
    stderr: '',
    exitCode: 0,
  })
  const which = () => '/usr/libexec/virtiofsd'
  return { type: 'virtiofs', host: { platform: 'linux', uid: 1000 }, qemu: 'qemu', which, run, ...over }
}

const root = { platform: 'linux', uid: 0 } as const

describe('what works', () => {
  test('sshfs asks nothing', async () => {
    const run: Run = () => Promise.reject(new Error('asked'))
    expect(await requireMountType(input({ type: 'sshfs', run }))).toBeUndefined()
  })
  test('9p, on macOS too', async () => {
    const host = { platform: 'darwin', uid: 501 } as const
    expect(await requireMountType(input({ type: '9p', host }))).toBeUndefined()
    expect(() => refuseByPlatform('9p', 'darwin')).not.toThrow()
  })
  test.each([
    ['a new daemon for a user', rust113, 1000, { kind: 'rust', readonly: true, translates: true }],
    ['an old one for root', rust110, 0, { kind: 'rust', readonly: false, translates: false }],
    ["QEMU's former one for root", helpOfC, 0, { kind: 'c', readonly: false, translates: false }],
  ])('%s', async (_, help, uid, daemon) => {
    const found = await requireMountType(input({ host: { platform: 'linux', uid } }, help))
    expect(found).toEqual({ program: '/usr/libexec/virtiofsd', ...daemon })
  })
})

describe('what cannot work is refused with its reason and what to do', () => {
  test.each<[string, MountTypeInput, string]>([
    ['macOS', input({ host: { platform: 'darwin', uid: 501 } }), 'virtiofsd runs on Linux hosts only'],
    ['no daemon', input({ which: () => undefined }), 'virtiofsd is not installed'],
    [
      'a QEMU without virtiofs',
      input({}, rust113, ''),
      'qemu was built without the device vhost-user-fs-pci',
    ],
    [
      'a QEMU without 9p',
      input({ type: '9p' }, '', 'name "virtio-9p-device", bus virtio-bus'),
      'qemu was built without the device virtio-9p-pci',
    ],
    ["QEMU's former daemon for a user", input({}, helpOfC), 'which only root can run'],
    ['an old daemon for a user', input({}, rust110), 'too old to serve a user that is not root'],
  ])('%s', async (_, given, reason) => {
    await expect(requireMountType(given)).rejects.toMatchObject({
      code: 'host',
      message: expect.stringMatching(
        new RegExp(`^the mount type ${given.type} does not work here: .*${reason}$`),
      ),
      hint: expect.stringContaining('--mount-type sshfs'),
    })
  })
  test('before anything is asked or installed on macOS', () => {
    expect(() => refuseByPlatform('virtiofs', 'darwin')).toThrow('Linux hosts only')
  })
})

describe('the command of a daemon', () => {
  const share = { folder: '/a,b\\c', socket: '/s', guestUid: 1000, host: { uid: 0, gid: 0 } }
  const commandOf = async (help: string, writable: boolean) => {
    const daemon = await requireMountType(input({ host: root }, help))
    return virtiofsdCommand(daemon!, { ...share, writable })
  }

  test("QEMU's former one: a path may hold what separates options", async () => {
    expect(await commandOf(helpOfC, true)).toEqual([
      '/usr/libexec/virtiofsd',
      '--socket-path=/s',
      '-o',
      'source=/a\\,b\\\\c,cache=auto,sandbox=namespace,modcaps=-mknod',
    ])
  })
  test('the new one shows all files as the guest user, and makes all as the host user', async () => {
    const command = await commandOf(rust113, true)
    expect(command).toEqual(
      expect.arrayContaining([
        '--shared-dir=/a,b\\c',
        '--translate-uid=squash-guest:0:0:4294967295',
        '--translate-gid=squash-host:0:1000:4294967295',
      ]),
    )
    expect(command).not.toContain('--readonly')
  })
  test('a read-only share: by the daemon itself where it can', async () => {
    expect(await commandOf(rust113, false)).toContain('--readonly')
  })
  test.each([helpOfC, rust110])('else by a mount that the kernel holds read-only', async (help) => {
    const command = await commandOf(help, false)
    expect(command.slice(0, 2)).toEqual(['unshare', '--mount'])
    expect(command.join(' ')).toContain('mount --bind -o ro')
    expect(command.slice(command.indexOf('sh', 7) + 1, -4)).toContain('/a,b\\c')
  })
})
