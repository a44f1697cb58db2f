import { expect, test } from 'vitest'
import { ensureSshPort } from '../../../src/agent/ssh-port.ts'

/** A monitor of QEMU for which these ports are taken. */
function monitor(taken: number[]) {
  const asked: string[] = []
  const run = async (line: string) => {
    asked.push(line)
    return taken.some((port) => line.includes(`:${port}-`)) ? 'Could not set up host forwarding rule' : ''
  }
  return { run, asked }
}
const holder = () => 'sshd (process 7)'

test('the port of the settings is had, before the one of last time', async () => {
  const { run } = monitor([])
  expect(await ensureSshPort(run, [], { fixed: 2222, last: 4000, holder })).toBe(2222)
})

test('where it is taken no other is: the error names who has it', async () => {
  const { run, asked } = monitor([2222])
  const wanted = ensureSshPort(run, [], { fixed: 2222, last: 4000, holder })
  await expect(wanted).rejects.toMatchObject({
    code: 'host',
    message: 'port 2222 of this computer, sshPort of the settings, is taken: sshd (process 7) has it',
  })
  expect(asked).toHaveLength(1)
})

test('without one the port of last time is had, or any', async () => {
  expect(await ensureSshPort(monitor([]).run, [], { fixed: 0, last: 4000, holder })).toBe(4000)
  const other = await ensureSshPort(monitor([4000]).run, [], { fixed: 0, last: 4000, holder })
  expect(other).not.toBe(4000)
  expect(other).toBeGreaterThan(0)
})
