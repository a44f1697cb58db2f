import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fx, Fxp } from '../../../../src/mounts/protocol.ts'
import type { Reply } from '../client.ts'
import { handleAims, pathAims } from './requests.ts'
import { type Attacker, World } from './world.ts'

// Whole sessions of requests that mostly mean something, with paths and link targets of a small and evil alphabet.

const plain = ['a', 'b', 'dir', 'file']
const evil = ['fifo', 'outside', 'secret', 'share', 'readonly', 'to-relative', 'to-parent', '..', '.', '']
const path = fc
  .array(fc.oneof(fc.constantFrom(...plain), fc.constantFrom(...evil)), { minLength: 1, maxLength: 3 })
  .map((parts) => `/${parts.join('/')}`)
const targets = [
  '..',
  '.',
  '/',
  '../outside',
  '../outside/secret',
  '../readonly',
  '../readonly/file',
  'a',
  '/a',
  'dir',
  '../share',
  '../../..',
]

/** One step of one of the sessions: what it does, and with which of the handles it got. */
type Step =
  | { do: 'aim'; at: number; path: string }
  | { do: 'two'; at: number; from: string; to: string }
  | { do: 'link'; target: string; path: string }
  | { do: 'open'; pflags: number; path: string }
  | { do: 'use'; at: number; handle: number }
  | { do: 'init' | 'reset' | 'wait' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({ do: fc.constant('aim' as const), at: fc.nat(pathAims.length - 1), path }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('two' as const), at: fc.nat(2), from: path, to: path }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('link' as const), target: fc.constantFrom(...targets), path }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('open' as const), pflags: fc.nat(63), path }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('use' as const),
      at: fc.nat(handleAims.length - 1),
      handle: fc.nat(9),
    }),
  },
  { weight: 3, arbitrary: fc.constant<Step>({ do: 'wait' }) },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ do: 'init' }, { do: 'reset' }) },
)

/** Sends a step's request; `handles` are those of all sessions. Steps that only start anew give no reply. */
function send({ client, session }: Attacker, step: Step, handles: string[]): Promise<Reply> | undefined {
  switch (step.do) {
    case 'aim': {
      const aim = pathAims[step.at]!
      return client.ask(aim.type, (writer) => aim.fill(writer, step.path))
    }
    case 'two': {
      if (step.at === 0) return client.two(Fxp.RENAME, step.from, step.to)
      return client.extended(
        step.at === 1 ? 'posix-rename@openssh.com' : 'hardlink@openssh.com',
        step.from,
        step.to,
      )
    }
    case 'link':
      return client.two(Fxp.SYMLINK, step.target, step.path)
    case 'open':
      return step.pflags === 0 ? client.path(Fxp.OPENDIR, step.path) : client.open(step.path, step.pflags)
    case 'use': {
      const aim = handleAims[step.at]!
      return client.ask(aim.type, (writer) =>
        aim.fill(writer, handles[step.handle % (handles.length + 1)] ?? ''),
      )
    }
    case 'wait':
      return client.path(Fxp.REALPATH, '')
    case 'init':
      return void client.init()
    case 'reset':
      session.reset()
      return void client.init()
  }
}

test('no session of requests changes or tells anything of the outside, nor changes the read-only share', async () => {
  const world = new World()
  let done = 0
  const session = fc.array(fc.tuple(fc.nat(2), step), { minLength: 5, maxLength: 60, size: 'max' })
  await fc.assert(
    fc.asyncProperty(session, async (steps) => {
      world.refill()
      const attackers = [await world.attack(), await world.attack(false), await world.attack(true, 'dir')]
      const handles: string[] = []
      for (const [who, step] of steps) {
        // Mostly not waited for: requests of all sessions overlap. Those before an INIT may never be answered.
        const asked = send(attackers[who]!, step, handles)
        void asked?.then(({ handle, status }) => {
          if (handle !== undefined) handles.push(handle)
          if (handle !== undefined || status === Fx.OK) done++
        })
        if (step.do === 'wait') await asked
      }
      await Promise.all(attackers.map(({ client }) => client.path(Fxp.REALPATH, '')))
      world.check()
      await Promise.all(attackers.map(({ session }) => session.close()))
    }),
    { numRuns: 30 },
  )
  // They were not all refused: the sessions did something.

  expect(done).toBeGreaterThan(20)
})
