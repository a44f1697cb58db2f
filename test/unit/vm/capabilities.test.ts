import { describe, expect, test } from 'vitest'
import type { Run } from '../../../src/host/run.ts'
import { parseAccelerators, parseVersion, qemuFacts } from '../../../src/vm/capabilities.ts'

const debian12 = `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)
Copyright (c) 2003-2022 Fabrice Bellard and the QEMU Project developers`
const source = `QEMU emulator version 8.2.1
Copyright (c) 2003-2023 Fabrice Bellard and the QEMU Project developers`
const trixie = `QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2+deb13u1)
Copyright (c) 2003-2025 Fabrice Bellard and the QEMU Project developers`
const homebrew = `QEMU emulator version 10.1.0
Copyright (c) 2003-2025 Fabrice Bellard and the QEMU Project developers`

const reporting = `virtio-balloon-pci options:
  free-page-hint=<bool>  - on/off (default: false)
  free-page-reporting=<bool> - on/off (default: false)
  guest-stats=<guest statistics>`

/** Answers like a QEMU; an answer that is missing fails. */
function qemu(
  version: string,
  accel = 'Accelerators supported in QEMU binary:\ntcg\nkvm',
  balloon = reporting,
) {
  const asked: string[] = []
  const run: Run = async (program, args) => {
    asked.push([program, ...args].join(' '))
    const stdout = args[0] === '--version' ? version : args[0] === '-accel' ? accel : balloon
    return { stdout, stderr: '', exitCode: 0 }
  }
  return { run, asked }
}

describe('parseVersion', () => {
  test.each([
    [debian12, '7.2.22'],
    [source, '8.2.1'],
    [trixie, '10.0.2'],
    [homebrew, '10.1.0'],
    ['QEMU emulator version 10.1.50 (v10.1.0-1234-gabcdef0123)', '10.1.50'],
    ['QEMU emulator version 9.2', '9.2'],
    ['zsh: command not found', undefined],
    ['', undefined],
  ])('%#', (text, version) => expect(parseVersion(text)).toBe(version))
})

describe('parseAccelerators', () => {
  test.each([
    ['Accelerators supported in QEMU binary:\ntcg\nkvm', ['kvm', 'tcg']],
    ['Accelerators supported in QEMU binary:\r\nhvf\r\ntcg\r\n', ['hvf', 'tcg']],
    ['Accelerators supported in QEMU binary:\ntcg\nxen\nqtest', ['tcg']],
    ['Possible accelerators: kvm, xen, hax, tcg', ['tcg']],
    ['', []],
  ])('%j', (text, names) => expect(parseAccelerators(text)).toEqual(names))
})

describe('qemuFacts', () => {
  test('asks the program three things', async () => {
    const { run, asked } = qemu(debian12)
    expect(await qemuFacts('qemu-system-x86_64', run)).toEqual({
      version: '7.2.22',
      accelerators: ['kvm', 'tcg'],
      capabilities: { freePageReporting: true },
    })
    expect(asked.sort()).toEqual([
      'qemu-system-x86_64 --version',
      'qemu-system-x86_64 -accel help',
      'qemu-system-x86_64 -device virtio-balloon-pci,help',
    ])
  })

  test('a balloon that only takes hints does not report', async () => {
    const { run } = qemu(homebrew, 'Accelerators:\nhvf\ntcg', 'options:\n  free-page-hint=<bool>  - on/off')
    expect(await qemuFacts('q', run)).toMatchObject({
      accelerators: ['hvf', 'tcg'],
      capabilities: { freePageReporting: false },
    })
  })

  test.each(['7.2', '7.2.0', '7.10.1', '8.0.0', '10.0.0'])('%s is new enough', async (version) => {
    const { run } = qemu(`QEMU emulator version ${version}`)
    expect((await qemuFacts('q', run)).version).toBe(version)
  })

  test.each(['7.1.9', '6.2.0', '2.11.1', '5.10'])('%s is too old', async (version) => {
    const { run } = qemu(`QEMU emulator version ${version} (Debian)`)
    await expect(qemuFacts('q', run)).rejects.toMatchObject({
      code: 'host',
      message: `q is version ${version}; tcolima needs 7.2 or newer`,
      hint: expect.stringContaining('newer QEMU'),
    })
  })

  test('no version at all', async () => {
    await expect(qemuFacts('q', qemu('hello').run)).rejects.toMatchObject({ code: 'host' })
  })
})
