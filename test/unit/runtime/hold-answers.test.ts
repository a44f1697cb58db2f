import { once } from 'node:events'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type HoldRule, holdAnswers } from '../../../src/runtime/hold-answers.ts'

/** A connection whose held answers go on when `free` is called; `held` names their requests. */
function fixture(rule: HoldRule = () => undefined) {
  const { requests, answers } = holdAnswers(rule)
  const sent: Buffer[] = []
  const received: Buffer[] = []
  requests.on('data', (bytes: Buffer) => sent.push(bytes))
  answers.on('data', (bytes: Buffer) => received.push(bytes))
  const settle = async () => {
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
  }
  return {
    requests,
    answers,
    ask: async (text: string) => {
      requests.write(text)
      await settle()
    },
    answer: async (text: string) => {
      answers.write(text)
      await settle()
    },
    settle,
    sent: () => Buffer.concat(sent).toString('latin1'),
    received: () => Buffer.concat(received).toString('latin1'),
  }
}

/** Holds every POST to /held; gives the free-ing of each in turn. */
function holding() {
  const free: (() => void)[] = []
  const rule: HoldRule = (method, target) =>
    method === 'POST' && target === '/held'
      ? () =>
          new Promise((resolve) => {
            free.push(resolve)
          })
      : undefined
  return { ...fixture(rule), free }
}

const held = 'POST /held HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}'
const plain = 'GET /plain HTTP/1.1\r\nHost: x\r\n\r\n'
const done = 'HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n'
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

describe('an answer is held', () => {
  test.each([
    ['204', done],
    ['304', 'HTTP/1.1 304 Not Modified\r\n\r\n'],
    ['200 with a body', ok],
    ['after a 100', `HTTP/1.1 100 Continue\r\n\r\n${done}`],
  ])('%s: until it is freed, and the next is not', async (_name, answer) => {
    const connection = holding()
    await connection.ask(held)
    expect(connection.sent()).toBe(held)
    await connection.answer(answer)
    expect(connection.received()).toBe('')
    connection.free[0]?.()
    await connection.settle()
    expect(connection.received()).toBe(answer)
    await connection.ask(plain)
    await connection.answer(ok)
    expect(connection.received()).toBe(answer + ok)
    expect(connection.free).toHaveLength(1)
  })

  test('when it comes in pieces, its end', async () => {
    const connection = holding()
    await connection.ask(held)
    await connection.answer(done.slice(0, 20))
    await connection.answer(done.slice(20, -1))
    expect(connection.free).toHaveLength(0)
    await connection.answer(done.slice(-1))
    expect(connection.received()).toBe(done.slice(0, -1))
    connection.free[0]?.()
    await connection.settle()
    expect(connection.received()).toBe(done)
  })

  test('on a connection that was used before, and again after it', async () => {
    const connection = holding()
    for (let turn = 0; turn < 3; turn++) {
      await connection.ask(plain)
      await connection.answer(ok)
      await connection.ask(held)
      await connection.answer(done)
      expect(connection.received()).toBe((ok + done).repeat(turn) + ok)
      connection.free[turn]?.()
      await connection.settle()
    }
    expect(connection.received()).toBe((ok + done).repeat(3))
  })

  test('also when what it waits for fails', async () => {
    const connection = fixture(() => () => Promise.reject(new Error('no')))
    await connection.ask(plain)
    await connection.answer(ok)
    expect(connection.received()).toBe(ok)
  })

  test('and the end of the connection after it', async () => {
    const connection = holding()
    await connection.ask(held)
    connection.answers.end(done)
    let ended = false
    void once(connection.answers, 'end').then(() => {
      ended = true
    })
    await connection.settle()
    expect([connection.received(), ended]).toEqual(['', false])
    connection.free[0]?.()
    await connection.settle()
    expect([connection.received(), ended]).toEqual([done, true])
  })
})

describe('nothing is held', () => {
  test.each([
    ['an error', held, 'HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno'],
    ['another request', plain, ok],
    [
      'an upgrade',
      held.replace('Host', 'Upgrade: tcp\r\nConnection: Upgrade\r\nHost'),
      'HTTP/1.1 101 UPGRADED\r\n\r\nraw',
    ],
    ['HTTP/2', `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${held}`, done],
    ['no HTTP', `hello\r\n\r\n${held}`, done],
    ['an answer that is none', held, `hello\r\n\r\n${done}`],
    ['an answer without a request', '', done],
    ['an upgrade that nobody asked for', held, `HTTP/1.1 101 Switching Protocols\r\n\r\n${done}`],
  ])('%s', async (_name, request, answer) => {
    const connection = holding()
    await connection.ask(request)
    await connection.answer(answer)
    expect([connection.sent(), connection.received(), connection.free.length]).toEqual([request, answer, 0])
  })

  test('once the connection has become another: what looks like answers are bytes', async () => {
    const connection = holding()
    await connection.ask(plain)
    await connection.answer('HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n')
    await connection.ask(held)
    await connection.answer(done)
    expect(connection.free).toHaveLength(0)
    expect(connection.received()).toContain(done)
  })

  test('a HEAD has no body, whatever its length says', async () => {
    const connection = holding()
    await connection.ask('HEAD /_ping HTTP/1.1\r\n\r\n')
    await connection.answer('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n')
    await connection.ask(held)
    await connection.answer(done)
    expect(connection.free).toHaveLength(1)
  })
})

test('pipelined requests: answers keep their order', async () => {
  const connection = holding()
  await connection.ask(held + plain + held)
  await connection.answer(done)
  await connection.answer(ok)
  expect(connection.received()).toBe('')
  connection.free[0]?.()
  await connection.settle()
  expect(connection.received()).toBe(done + ok)
  await connection.answer(done)
  connection.free[1]?.()
  await connection.settle()
  expect(connection.received()).toBe(done + ok + done)
})

test('any bytes in any pieces pass unchanged', async () => {
  const piece = fc.oneof(
    fc.constantFrom(
      held,
      plain,
      ok,
      done,
      '\r\n',
      'HTTP/1.1 101 UPGRADED\r\n\r\n',
      '5\r\nhello\r\n',
      'Transfer-Encoding: chunked\r\n',
    ),
    fc.string({ unit: 'binary' }).map((text) => Buffer.from(text).toString('latin1')),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.boolean(), piece)), async (pieces) => {
      const connection = fixture(() => () => Promise.resolve())
      const texts = { ask: '', answer: '' }
      for (const [forth, text] of pieces) {
        const way = forth ? 'ask' : 'answer'
        const stream = forth ? connection.requests : connection.answers
        stream.write(Buffer.from(text, 'latin1'))
        texts[way] += text
      }
      connection.requests.end()
      connection.answers.end()
      await Promise.all([once(connection.requests, 'end'), once(connection.answers, 'end')])
      expect([connection.sent(), connection.received()]).toEqual([texts.ask, texts.answer])
    }),
  )
})
