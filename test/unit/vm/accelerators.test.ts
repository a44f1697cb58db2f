import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type ChoiceInput, chooseAccelerator, deviceObstacle } from '../../../src/vm/accelerators.ts'
import type { Proof } from '../../../src/vm/prove.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'tcolima-accel-'))
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

const linux = { platform: 'linux', arch: 'x86_64' } as const
const mac = { platform: 'darwin', arch: 'aarch64' } as const

/** A host where all is well, unless `over` says otherwise, and what was proved on it. */
function host(over: Partial<ChoiceInput> = {}, proof: Proof = { works: true }) {
  const proved: string[] = []
  const opened: string[] = []
  const input: ChoiceInput = {
    host: linux,
    guestArch: 'x86_64',
    wanted: 'auto',
    available: ['kvm', 'hvf', 'tcg'],
    key: 'boot 1',
    memory: path.join(dir, 'memory.json'),
    prove: async (name) => {
      proved.push(name)
      return proof
    },
    openDevice: (device) => {
      opened.push(device)
      return undefined
    },
    ...over,
  }
  return { input, proved, opened }
}

const broken: Proof = { works: false, reason: 'the guest stopped with an internal error' }

describe('where the hardware works', () => {
  test.each([
    ['auto', linux, 'x86_64', 'kvm'],
    ['kvm', linux, 'x86_64', 'kvm'],
    ['auto', mac, 'aarch64', 'hvf'],
    ['hvf', mac, 'aarch64', 'hvf'],
  ] as const)('%s on %j', async (wanted, machine, guestArch, accelerator) => {
    const { input, proved, opened } = host({ wanted, host: machine, guestArch })
    expect(await chooseAccelerator(input)).toEqual({ accelerator })
    expect(proved).toEqual([accelerator])
    expect(opened).toEqual(accelerator === 'kvm' ? ['/dev/kvm'] : [])
  })
})

test('tcg that was asked for needs no device, no proof and no warning', async () => {
  const { input, proved, opened } = host({ wanted: 'tcg', available: [] }, broken)
  expect(await chooseAccelerator(input)).toEqual({ accelerator: 'tcg' })
  expect([proved, opened]).toEqual([[], []])
})

const obstacles: [string, Partial<ChoiceInput>, Proof, RegExp, RegExp, number][] = [
  ['kvm missing', { openDevice: () => 'ENOENT' }, broken, /\/dev\/kvm is missing/, /modprobe/, 0],
  ['no permission', { openDevice: () => 'EACCES' }, broken, /no permission/, /usermod -aG kvm/, 0],
  ['not permitted', { openDevice: () => 'EPERM' }, broken, /no permission/, /usermod -aG kvm/, 0],
  ['another error', { openDevice: () => 'ENXIO' }, broken, /cannot be opened \(ENXIO\)/, /dmesg/, 0],
  ['not compiled in', { available: ['tcg'] }, broken, /built without kvm/, /Install the QEMU/, 0],
  ['kvm broken', {}, broken, /a guest does not run on it \(the guest stopped/, /nested virt/, 1],
]

describe.each(obstacles)('%s', (_, over, proof, reason, fix, proofs) => {
  test('auto: emulation with one warning', async () => {
    const { input, proved } = host(over, proof)
    const choice = await chooseAccelerator(input)
    expect(choice.accelerator).toBe('tcg')
    expect(choice.warning?.text).toMatch(reason)
    expect(choice.warning?.text).toMatch(/^software emulation is used, which is slow: /)
    expect(choice.warning?.hint).toMatch(fix)
    expect(proved).toHaveLength(proofs)
  })
  test('asked for: an error of the host', async () => {
    const { input } = host({ ...over, wanted: 'kvm' }, proof)
    await expect(chooseAccelerator(input)).rejects.toMatchObject({
      code: 'host',
      message: expect.stringMatching(reason),
      hint: expect.stringMatching(fix),
    })
  })
})

test('hvf that does not run a guest', async () => {
  const { input } = host({ host: mac, guestArch: 'aarch64' }, broken)
  expect((await chooseAccelerator(input)).warning?.hint).toContain('kern.hv_support')
})

test.each([
  ['hvf', linux, 'linux has no hvf', 'kvm'],
  ['kvm', mac, 'darwin has no kvm', 'hvf'],
] as const)('%s on the other platform', async (wanted, machine, reason, instead) => {
  const { input, proved } = host({ wanted, host: machine })
  await expect(chooseAccelerator(input)).rejects.toMatchObject({
    code: 'host',
    message: expect.stringContaining(reason),
    hint: expect.stringContaining(`--accel ${instead}`),
  })
  expect(proved).toEqual([])
})

describe('a guest of another architecture', () => {
  test('is emulated without a warning', async () => {
    const { input, proved } = host({ guestArch: 'aarch64' })
    expect(await chooseAccelerator(input)).toEqual({ accelerator: 'tcg' })
    expect(proved).toEqual([])
  })
  test('cannot have the hardware', async () => {
    const { input } = host({ guestArch: 'aarch64', wanted: 'kvm' })
    await expect(chooseAccelerator(input)).rejects.toMatchObject({ code: 'host' })
  })
})

describe('the memory of verdicts', () => {
  test.each<[string, Proof]>([
    ['good', { works: true }],
    ['bad', broken],
  ])('a %s one is proved once', async (_, proof) => {
    const { input, proved } = host({}, proof)
    const first = await chooseAccelerator(input)
    expect(await chooseAccelerator(input)).toEqual(first)
    expect(proved).toEqual(['kvm'])
  })

  test('another key: proved again, and the new verdict holds', async () => {
    await chooseAccelerator(host({}, broken).input)
    const later = host({ key: 'boot 2' })
    expect(await chooseAccelerator(later.input)).toEqual({ accelerator: 'kvm' })
    expect(await chooseAccelerator(later.input)).toEqual({ accelerator: 'kvm' })
    expect(later.proved).toEqual(['kvm'])
  })

  test('the device is looked at each time: permission may be gone since', async () => {
    await chooseAccelerator(host().input)
    const { input } = host({ openDevice: () => 'EACCES' })
    expect((await chooseAccelerator(input)).accelerator).toBe('tcg')
  })

  test.each([
    ['cut short', '{"version":1,"key":'],
    ['null', 'null'],
    ['another format', '{"version":2,"key":"boot 1","verdicts":{"kvm":{"works":true}}}'],
  ])('a file that is %s: proved again', async (_, text) => {
    const { input, proved } = host()
    await writeFile(input.memory, text)
    expect(await chooseAccelerator(input)).toEqual({ accelerator: 'kvm' })
    expect(proved).toEqual(['kvm'])
    expect(JSON.parse(await readFile(input.memory, 'utf8'))).toEqual({
      version: 1,
      key: 'boot 1',
      verdicts: { kvm: { works: true } },
    })
  })

  test('a proof that was cancelled leaves no verdict', async () => {
    const { input } = host({ prove: async () => Promise.reject(new Error('cancelled')) })
    await expect(chooseAccelerator(input)).rejects.toThrow('cancelled')
    await expect(readFile(input.memory)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

test('a device that opens is no obstacle', () => expect(deviceObstacle(undefined)).toBeUndefined())
