import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type GuestMessage, parseGuestMessage } from '../../../src/guest/protocol.ts'

const good: GuestMessage[] = [
  { type: 'hello', version: 1, boot: '3f1c' },
  { type: 'ready', subject: 'boot' },
  { type: 'failed', subject: 'docker' },
  { type: 'ports', add: ['tcp 0100007F 1F90'], remove: [], whole: true },
  { type: 'ports', add: [], remove: ['tcp6 00000000000000000000000000000000 0050'], whole: false },
  { type: 'mount', index: 0, state: 'failed', detail: 'no' },
  { type: 'unmounted', index: 0, problem: 'it is in use' },
  { type: 'watched', indexes: [0, 2] },
  { type: 'replayed', index: 0, id: 7, failed: -1 },
  { type: 'looked', id: 7 },
  { type: 'awaited', id: 7 },
  { type: 'clock', id: 7 },
  { type: 'set', seconds: -600.5 },
]

test.each(good)('reads %j', (message) => {
  expect(parseGuestMessage(JSON.stringify(message))).toEqual(message)
})

test('leaves out what it does not know, and fills in what may be missing', () => {
  expect(parseGuestMessage('{"type":"ready","subject":"ssh","more":1}')).toEqual({
    type: 'ready',
    subject: 'ssh',
  })
  expect(parseGuestMessage('{"type":"ports","add":[],"remove":[],"whole":"yes"}')).toMatchObject({
    whole: false,
  })
  expect(parseGuestMessage('{"type":"mount","index":1,"state":"mounted"}')).toMatchObject({ detail: '' })
})

describe('no message', () => {
  test.each([
    '',
    '{',
    'null',
    '1',
    '"hello"',
    '[]',
    '{}',
    '{"type":"hello"}',
    '{"type":"hello","version":"1","boot":"x"}',
    '{"type":"ready"}',
    '{"type":"ready","subject":["boot"]}',
    '{"type":"ports","add":"tcp","remove":[]}',
    '{"type":"ports","add":[1],"remove":[]}',
    '{"type":"ports","add":[]}',
    '{"type":"mount","index":"0","state":"mounted"}',
    '{"type":"mount","index":0,"state":"gone"}',
    '{"type":"unmounted","index":0}',
    '{"type":"watched","indexes":["0"]}',
    '{"type":"watched","indexes":0}',
    '{"type":"replayed","index":0,"id":"7","failed":0}',
    '{"type":"looked"}',
    '{"type":"awaited","id":"7"}',
    '{"type":"poweroff"}',
    '{"type":"__proto__"}',
    '{"type":{"toString":1}}',
  ])('%s', (line) => expect(parseGuestMessage(line)).toBeUndefined())
})

describe('garbage never throws', () => {
  test('any text, any JSON', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (line) => void parseGuestMessage(line)))
    fc.assert(fc.property(fc.json(), (line) => void parseGuestMessage(line)))
  })

  test('messages with any fields give undefined or a well-formed message', () => {
    const type = fc.constantFrom(
      'hello',
      'ready',
      'failed',
      'ports',
      'mount',
      'unmounted',
      'watched',
      'replayed',
      'looked',
      'awaited',
    )
    const field = fc.oneof(
      fc.jsonValue({ maxDepth: 1 }),
      fc.constantFrom<unknown>('mounted', 'failed', [], ['a'], [1], 1),
    )
    const names = [
      'version',
      'boot',
      'subject',
      'add',
      'remove',
      'whole',
      'index',
      'state',
      'detail',
      'indexes',
      'id',
      'failed',
    ]
    const fields = fc.dictionary(fc.constantFrom(...names), field)
    fc.assert(
      fc.property(type, fields, (type, more) => {
        const message = parseGuestMessage(JSON.stringify({ ...more, type }))
        if (message === undefined) return
        expect(message.type).toBe(type)
        // What was read is a message again.
        expect(parseGuestMessage(JSON.stringify(message))).toEqual(message)
      }),
    )
  })
})
