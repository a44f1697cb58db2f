import { expect, test } from 'vitest'
import { GuestAsks } from '../../../src/agent/guest-asks.ts'
import type { HostMessage } from '../../../src/guest/protocol.ts'

function fixture() {
  const sent: HostMessage[] = []
  const asks = new GuestAsks((message) => sent.push(message))
  const ids = () => sent.map((message) => ('id' in message ? message.id : 0))
  return { asks, sent, ids }
}

const never = new AbortController().signal

test('each question is answered by its own number', async () => {
  const { asks, sent, ids } = fixture()
  const order: string[] = []
  const one = asks.look(never).then(() => order.push('one'))
  const two = asks.listening(7, [80, 81], 999.5, never).then(() => order.push('two'))
  expect(sent).toMatchObject([{ type: 'look' }, { type: 'await', pid: 7, ports: [80, 81], limit: 1000 }])
  const [first = 0, second = 0] = ids()
  expect(second).not.toBe(first)
  asks.take({ type: 'looked', id: second + 1 })
  asks.take({ type: 'awaited', id: second })
  await two
  asks.take({ type: 'looked', id: first })
  await one
  expect(order).toEqual(['two', 'one'])
})

test("the guest's script finds the parts of a question in their order", () => {
  const { asks, sent } = fixture()
  void asks.listening(7, [80, 81], 1000, never)
  expect(JSON.stringify(sent[0])).toMatch(
    /^\{"type":"await","id":\d+,"pid":7,"ports":\[80,81\],"limit":1000\}$/,
  )
})

test('nobody waits after an abort, and a late answer is nothing', async () => {
  const { asks, sent, ids } = fixture()
  const abort = new AbortController()
  const looked = asks.look(abort.signal)
  abort.abort()
  await looked
  asks.take({ type: 'looked', id: ids()[0] ?? 0 })
  await asks.look(abort.signal)
  expect(sent).toHaveLength(1)
})
