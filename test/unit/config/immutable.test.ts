import { expect, test } from 'vitest'
import { refusedChanges } from '../../../src/config/immutable.ts'
import { GIB } from '../../../src/config/units.ts'

const fixed = {
  arch: 'x86_64',
  distro: 'debian-13',
  runtime: 'docker',
  disk: 10 * GIB,
  rootDisk: 20 * GIB,
}
const same = {
  arch: 'x86_64',
  distro: 'debian-13',
  runtime: 'docker',
  disk: 10 * GIB,
  rootDisk: 20 * GIB,
  mountType: 'sshfs',
} as const

test.each([
  [same, []],
  [{ ...same, disk: 15 * GIB }, []],
  [{ ...same, mountType: 'virtiofs' as const }, []],
  [{ ...same, mountType: '9p' as const }, [/^mountType: .*no 9p.*tcolima delete keeps/]],
  [
    { ...same, arch: 'aarch64' as const },
    [/^arch: .* made with x86_64 and cannot become aarch64; .*-p NAME/],
  ],
  [
    { ...same, distro: 'debian-12' as const },
    [/^distro: .* made with debian-13 and cannot become debian-12; .*-p NAME/],
  ],
  [
    { ...same, disk: 5 * GIB },
    [/^disk: the data disk has 10GiB and cannot shrink to 5GiB; keep 10GiB or more/],
  ],
  [{ ...same, rootDisk: 30 * GIB }, []],
  [{ ...same, rootDisk: 10 * GIB }, [/^rootDisk: the system disk has 20GiB and cannot shrink to 10GiB/]],
  [{ ...same, arch: 'aarch64' as const, disk: GIB }, [/^arch: /, /^disk: /]],
])('%j', (wanted, messages) => {
  const refused = refusedChanges(fixed, wanted)
  expect(refused).toHaveLength(messages.length)
  for (const [i, message] of messages.entries()) expect(refused[i]).toMatch(message)
})

test('an instance made with 9p may change the type at every start, and back', () => {
  for (const mountType of ['9p', 'sshfs', 'virtiofs'] as const) {
    expect(refusedChanges({ ...fixed, kernel: 'general' }, { ...same, mountType })).toEqual([])
  }
})

const runtimes = ['docker', 'containerd', 'podman', 'none'] as const
const changes = runtimes.flatMap((from) =>
  runtimes.filter((to) => to !== from).map((to) => [from, to] as const),
)
test.each(changes)('made with %s, it does not become %s', (from, to) => {
  expect(refusedChanges({ ...fixed, runtime: from }, { ...same, runtime: to })).toEqual([
    `runtime: this instance was made with ${from} and cannot become ${to}; keep ${from}, use another profile (-p NAME), or delete this instance and its data (tcolima delete --data) and start again`,
  ])
})
