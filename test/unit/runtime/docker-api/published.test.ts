import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { publishedPorts } from '../../../../src/runtime/docker-api/published.ts'

const answer = (pid: unknown, ports: unknown) =>
  JSON.stringify({ Id: 'x', State: { Pid: pid }, NetworkSettings: { Ports: ports } })
const host = [{ HostIp: '0.0.0.0', HostPort: '8080' }]

test.each<[string, string, ReturnType<typeof publishedPorts>]>([
  ['one', answer(7, { '80/tcp': host }), { pid: 7, ports: [80] }],
  [
    'several',
    answer(7, { '80/tcp': [...host, { HostIp: '::', HostPort: '8080' }], '81/tcp': host }),
    { pid: 7, ports: [80, 81] },
  ],
  [
    'only some are published',
    answer(7, { '80/tcp': host, '81/tcp': null, '82/tcp': [] }),
    { pid: 7, ports: [80] },
  ],
  ['UDP needs no listener', answer(7, { '53/udp': host, '53/sctp': host }), undefined],
  ['none', answer(7, {}), undefined],
  ['no network', answer(7, null), undefined],
  ['it does not run', answer(0, { '80/tcp': host }), undefined],
  ['nonsense', answer('7', { '80/tcp': host }), undefined],
  ['more nonsense', answer(7, { '800000/tcp': host, 'x/tcp': host }), undefined],
  ['not what it should be', '[]', undefined],
  ['no JSON', '{', undefined],
])('%s', (_name, text, wanted) => {
  expect(publishedPorts(text)).toEqual(wanted)
})

test('anything: no error', () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void publishedPorts(text)))
})
