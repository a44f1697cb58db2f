import { expect, test } from 'vitest'
import { KnownFolders } from '../../../src/notify/known-folders.ts'

test('keeps the folders that were looked at last', () => {
  const folders = new KnownFolders(2)
  expect(folders.add('/a')).toEqual({ added: true })
  expect(folders.add('/b')).toEqual({ added: true })
  expect(folders.add('/a')).toEqual({ added: false })
  expect(folders.add('/c')).toEqual({ added: true, dropped: '/b' })
  expect(folders.list()).toEqual(['/a', '/c'])
})
