import { expect, test } from 'vitest'
import { tcolimaHome } from '../../../src/config/home.ts'
import { externalName, profileName } from '../../../src/config/profile.ts'
import { errorOf } from './facts.ts'

test.each([
  ['', 'default', 'tcolima'],
  ['default', 'default', 'tcolima'],
  ['tcolima', 'default', 'tcolima'],
  ['colima', 'default', 'tcolima'],
  ['dev', 'dev', 'tcolima-dev'],
  ['a.b_c-1', 'a.b_c-1', 'tcolima-a.b_c-1'],
  ['a'.repeat(63), 'a'.repeat(63), `tcolima-${'a'.repeat(63)}`],
])('profile %j', (text, profile, outside) => {
  expect(profileName(text)).toBe(profile)
  expect(externalName(profile)).toBe(outside)
})

test.each([
  ['_images', 'names that begin with "_" are reserved'],
  ['a'.repeat(64), 'it has 64 characters'],
  ['..', 'it begins with "."'],
  ['-p', 'it begins with "-"'],
  ['a/b', 'it contains "/"'],
  ['a b', 'it contains " "'],
  ['dev\n', 'it contains "\\n"'],
  ['größe', 'it contains "ö"'],
  ['😀', 'it contains "😀"'],
])('profile %j is refused', (text, message) => {
  const error = errorOf(() => profileName(text))
  expect(error.code).toBe('usage')
  expect(error.message).toContain(message)
})

test.each([
  [{}, '/home/ann/.tcolima'],
  [{ TCOLIMA_HOME: '' }, '/home/ann/.tcolima'],
  [{ TCOLIMA_HOME: '/x/y/' }, '/x/y'],
  [{ TCOLIMA_HOME: '~/vms' }, '/home/ann/vms'],
])('home for %j', (env, folder) => expect(tcolimaHome(env, '/home/ann')).toBe(folder))

test.each(['vms', './vms', '~bob/vms'])('TCOLIMA_HOME=%s is refused', (TCOLIMA_HOME) => {
  expect(errorOf(() => tcolimaHome({ TCOLIMA_HOME }, '/home/ann'))).toMatchObject({
    code: 'usage',
    message: `TCOLIMA_HOME must be an absolute path, not "${TCOLIMA_HOME}"`,
  })
})
