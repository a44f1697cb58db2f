import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { withMount, withoutMount } from '../../../src/config/mount-list.ts'
import type { MountSpec } from '../../../src/config/mounts.ts'
import { configTemplate } from '../../../src/config/template.ts'
import { errorOf } from './facts.ts'

const home = '/home/ann'
const spec = (location: string, mountPoint = location, writable = true): MountSpec => ({
  location,
  mountPoint,
  writable,
})
const add = (text: string, mount: MountSpec) => withMount(text, mount, home, 'f.yaml')
const remove = (text: string, mountPoint: string) => withoutMount(text, mountPoint, home, 'f.yaml')

const commented = `# mine
mounts: # what I work on
  # the sources
  - location: ~/src   # big
    writable: true

  # only read
  - location: /data
    mountPoint: /mnt/data
# processors
cpu: 4
`

describe('withMount', () => {
  test('comments, blank lines and spacing of a list stay; the new one comes last, indented alike', () => {
    expect(add(commented, spec('/new', '/opt/new', false))).toBe(
      commented.replace(
        '    mountPoint: /mnt/data\n',
        '    mountPoint: /mnt/data\n  - location: /new\n    mountPoint: /opt/new\n    writable: false\n',
      ),
    )
  })

  test.each([
    [
      'a list without indentation',
      'mounts:\n- location: /a\n',
      'mounts:\n- location: /a\n- location: /b\n  writable: true\n',
    ],
    [
      'no newline at the end',
      'mounts:\n  - location: /a',
      'mounts:\n  - location: /a\n  - location: /b\n    writable: true\n',
    ],
    [
      'Windows newlines',
      'mounts:\r\n  - location: /a\r\ncpu: 1\r\n',
      'mounts:\r\n  - location: /a\r\n  - location: /b\r\n    writable: true\r\ncpu: 1\r\n',
    ],
    [
      'nothing was mounted',
      'mounts: null # none\n',
      'mounts: # none\n  - location: /b\n    writable: true\n',
    ],
    // The default becomes a list, of which the home folder would be no part.
    [
      'the default',
      'mounts: []\ncpu: 1\n',
      'mounts:\n  - location: /home/ann\n    writable: true\n  - location: /b\n    writable: true\ncpu: 1\n',
    ],
  ])('%s', (_, before, after) => expect(add(before, spec('/b'))).toBe(after))

  test('a list on one line, and no file at all, hold it too', () => {
    expect(parse(add('mounts: [{location: /a}] # one\n', spec('/b')))).toEqual({
      mounts: [{ location: '/a' }, { location: '/b', writable: true }],
    })
    const made = add('', spec('/b'))
    expect(made).toContain('# Processors of the virtual machine.')
    expect(parse(made).mounts).toHaveLength(2)
  })

  test.each([
    [commented, spec('/x', '/mnt/data')],
    [commented, spec('/x', '/home/ann/src')],
    [configTemplate(), spec('/x', '/home/ann')],
  ])('a place that is taken is refused', (text, mount) => {
    expect(errorOf(() => add(text, mount))).toMatchObject({
      code: 'config',
      message: `f.yaml: ${mount.mountPoint} is the place of a mount already`,
    })
  })
})

describe('withoutMount', () => {
  test('takes the lines of one away, and nothing else', () => {
    expect(remove(commented, '/mnt/data')).toBe(
      commented.replace('  - location: /data\n    mountPoint: /mnt/data\n', ''),
    )
    expect(remove(commented, '/home/ann/src')).toBe(
      commented.replace('  - location: ~/src   # big\n    writable: true\n', ''),
    )
  })

  test('the last one leaves none, not the home folder', () => {
    expect(remove('mounts:\n  - location: /a\ncpu: 1\n', '/a')).toBe('mounts: null\ncpu: 1\n')
    expect(remove('mounts: []\n', '/home/ann')).toBe('mounts: null\n')
  })

  test('what the file does not mount', () => {
    expect(remove(commented, '/data')).toBeUndefined()
    expect(remove('mounts: null\n', '/home/ann')).toBeUndefined()
  })
})

test('what was added and is removed again leaves the text as it was', () => {
  const path = fc.stringMatching(/^\/[a-z '"#:é-]{1,12}[a-z]$/)
  const layout = fc.constantFrom(
    commented,
    'mounts:\n- location: /a\n',
    'mounts:\n  - {location: /a} # x\n\n# end\n',
  )
  fc.assert(
    fc.property(layout, path, path, (text, location, place) => {
      const mountPoint = `/mnt${place}`
      const more = add(text, spec(location, mountPoint))
      expect(parse(more).mounts.at(-1)).toMatchObject({ location, mountPoint })
      expect(remove(more, mountPoint)).toBe(text)
    }),
  )
})
