import { EventEmitter } from 'node:events'
import type { ClientChannel } from 'ssh2'
import { expect, test } from 'vitest'
import { waitForProbes } from '../../../src/agent/probes.ts'

/** A guest in which each command ends at once with the next of these statuses, or never for undefined. */
function guest(statuses: (number | undefined)[], says = '') {
  const commands: string[] = []
  const exec = async (command: string): Promise<ClientChannel> => {
    commands.push(command)
    const status = statuses.shift()
    const channel = Object.assign(new EventEmitter(), {
      stderr: new EventEmitter(),
      close: () => channel.emit('close'),
      end: () => {
        if (status === undefined) return
        setImmediate(() => {
          channel.stderr.emit('data', Buffer.from(says))
          channel.emit('exit', status)
          channel.emit('close')
        })
      },
    })
    return channel as unknown as ClientChannel
  }
  return { exec, commands }
}

const probe = { script: 'nc -z localhost 5432', description: 'the database', hint: 'see docker logs db' }
const signal = () => new AbortController().signal

test('a probe is tried until it succeeds', async () => {
  const { exec, commands } = guest([1, 0, 0])
  await waitForProbes([probe, { ...probe, description: '' }], exec, () => undefined, signal())
  expect(commands).toHaveLength(3)
  expect(commands[0]).toContain("'#!/bin/sh\nnc -z localhost 5432'")
})

test('one that fails to the end is named, with what it said and the hint of the user', async () => {
  const { exec } = guest([2], 'refused\n')
  const waiting = waitForProbes([probe], exec, () => undefined, signal(), 500)
  await expect(waiting).rejects.toMatchObject({
    message: 'probes[0] (the database) ended with status 2 within 1 s: refused',
    hint: 'see docker logs db',
    step: 'probes',
  })
})

test('one that never ends is ended', async () => {
  const { exec } = guest([undefined])
  const waiting = waitForProbes([probe], exec, () => undefined, signal(), 100)
  await expect(waiting).rejects.toThrow('did not end within')
})

test('an abort ends it', async () => {
  const { exec } = guest([undefined])
  const abort = new AbortController()
  const waiting = waitForProbes([probe], exec, () => undefined, abort.signal)
  abort.abort(new Error('gone'))
  await expect(waiting).rejects.toThrow('gone')
})
