import { describe, expect, test } from 'vitest'
import { currentHost } from '../../../src/host/platform.ts'

describe('currentHost', () => {
  test.each([
    ['linux', 'x64', 'linux', 'x86_64'],
    ['linux', 'arm64', 'linux', 'aarch64'],
    ['darwin', 'arm64', 'darwin', 'aarch64'],
  ])('%s %s', (platform, arch, wantedPlatform, wantedArch) => {
    expect(currentHost({}, { platform, arch })).toMatchObject({ platform: wantedPlatform, arch: wantedArch })
  })

  test.each([
    ['win32', 'x64', 'not on win32'],
    ['linux', 'ia32', 'not on ia32'],
  ])('refuses %s %s', (platform, arch, message) => {
    expect(() => currentHost({}, { platform, arch })).toThrow(
      expect.objectContaining({ code: 'host', message: expect.stringContaining(message) }),
    )
  })

  test('takes home and user from the environment it is given, and overrides over all', () => {
    const env = { HOME: '/h', USER: 'ann' }
    expect(currentHost({ env, uid: 7, platform: 'darwin' })).toMatchObject({
      home: '/h',
      user: 'ann',
      uid: 7,
      platform: 'darwin',
      env,
    })
    expect(currentHost({ env: {} }).home).not.toBe('')
  })
})
