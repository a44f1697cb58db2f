import path from 'node:path'
import { expect, test } from 'vitest'
import { homePaths, instancePaths } from '../../../src/instance/paths.ts'

test('everything of an instance lies in its folder, each under a name of its own', () => {
  const { profile, folder, agentSocketName, ...files } = instancePaths('/h/.tcolima', 'work')
  expect(profile).toBe('work')
  expect(folder).toBe('/h/.tcolima/work')
  const all = [
    ...Object.values(files).flatMap((file) => (typeof file === 'string' ? file : [file(0), file(1)])),
    path.join(folder, agentSocketName),
  ]
  for (const file of all) expect(path.dirname(file)).toBe(folder)
  expect(new Set(all).size).toBe(all.length)
})

test('what all instances share has names that no profile can have', () => {
  for (const file of Object.values(homePaths('/h/.tcolima'))) {
    expect(path.dirname(file)).toBe('/h/.tcolima')
    expect(path.basename(file)).toMatch(/^_/)
  }
})
