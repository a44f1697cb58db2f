import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { guestUser, standInName } from '../../../src/guest/user.ts'

const taken = ['root', 'daemon', 'docker', 'www-data', 'nogroup', 'tcolima-admin']

describe('names', () => {
  test.each(['ann', '_svc', 'a', 'jane-doe', 'jane_doe', 'u1234', 'x'.repeat(32)])('%s is kept', (user) => {
    expect(guestUser({ user, uid: 1000 }, taken)).toEqual({ name: user, uid: 1000 })
  })

  test.each([
    'Jane.Doe',
    'jane.doe',
    'jane@corp',
    String.raw`CORP\jane`,
    'jané',
    'Ann',
    '1234',
    '-a',
    'a b',
    'ann\n',
    "o'brien",
    'x'.repeat(33),
    '',
    'docker',
    'root',
    'nogroup',
  ])('%j becomes the stand-in', (user) => {
    expect(guestUser({ user, uid: 1000 }, taken)).toEqual({ name: standInName, uid: 1000 })
  })
})

describe('numbers', () => {
  test.each([
    [1, 1],
    [501, 501],
    [421_654_122, 421_654_122],
    [4_294_967_293, 4_294_967_293],
    [4_294_967_294, 1000],
    [4_294_967_295, 1000],
    [-2, 1000],
  ])('uid %d', (uid, expected) => {
    expect(guestUser({ user: 'ann', uid }, taken)).toEqual({ name: 'ann', uid: expected })
  })
  test('root gets an ordinary user, whatever its name', () => {
    expect(guestUser({ user: 'root', uid: 0 }, [])).toEqual({ name: standInName, uid: 1000 })
    expect(guestUser({ user: 'toor', uid: 0 }, [])).toEqual({ name: standInName, uid: 1000 })
  })
})

test('any user of a host gives one that useradd takes', () => {
  fc.assert(
    fc.property(fc.string(), fc.integer(), (user, uid) => {
      const guest = guestUser({ user, uid }, taken)
      expect(guest.name).toMatch(/^[a-z_][a-z0-9_-]*$/)
      expect(taken).not.toContain(guest.name)
      expect(guest.uid).toBeGreaterThan(0)
    }),
  )
})
