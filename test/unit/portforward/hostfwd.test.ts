import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import {
  addHostfwd,
  addLoopbackHostfwd,
  hostfwdRules,
  parseUsernet,
  removeHostfwd,
} from '../../../src/portforward/hostfwd.ts'

/** A monitor that says the same to everything. */
function monitor(answer: string) {
  const lines: string[] = []
  return {
    lines,
    ask: async (line: string) => {
      lines.push(line)
      return answer
    },
  }
}

const refusal = "Could not set up host forwarding rule 'tcp:0.0.0.0:80-:80'"

describe('rules', () => {
  test('that are there already are forwards, removed like others', async () => {
    const { ask, lines } = monitor('')
    const [rule] = hostfwdRules(ask, [
      { proto: 'tcp', hostAddress: '0.0.0.0', hostPort: 8080, guestPort: 80 },
    ])
    expect(rule?.planned).toEqual({
      proto: 'tcp',
      hostAddress: '0.0.0.0',
      hostPort: 8080,
      via: 'hostfwd',
      guestAddress: '',
      guestPort: 80,
    })
    await rule?.close()
    expect(lines).toEqual(['hostfwd_remove net0 tcp:0.0.0.0:8080'])
  })

  test('are added and removed in the words of the monitor', async () => {
    const { ask, lines } = monitor('')
    await addHostfwd(ask, '0.0.0.0', 8080, 80)
    await removeHostfwd(ask, '0.0.0.0', 8080)
    expect(lines).toEqual(['hostfwd_add net0 tcp:0.0.0.0:8080-:80', 'hostfwd_remove net0 tcp:0.0.0.0:8080'])
  })

  test('on some port of the loopback: the one wanted, else a free one', async () => {
    const { ask, lines } = monitor('')
    expect(await addLoopbackHostfwd(ask, 80, 'tcp', 18_998)).toBe(18_998)
    const port = await addLoopbackHostfwd(ask, 53, 'udp')
    expect(port).toBeGreaterThan(1023)
    expect(lines).toEqual([
      'hostfwd_add net0 tcp:127.0.0.1:18998-:80',
      `hostfwd_add net0 udp:127.0.0.1:${port}-:53`,
    ])
    const never = monitor(refusal)
    await expect(addLoopbackHostfwd(never.ask, 80)).rejects.toThrow(
      'no free port of the host for port 80 of the guest',
    )
    expect(never.lines).toHaveLength(20)
  })

  test('of UDP too', async () => {
    const { ask, lines } = monitor('')
    await addHostfwd(ask, '0.0.0.0', 5353, 53, 'udp')
    await removeHostfwd(ask, '0.0.0.0', 5353, 'udp')
    expect(lines).toEqual(['hostfwd_add net0 udp:0.0.0.0:5353-:53', 'hostfwd_remove net0 udp:0.0.0.0:5353'])
  })

  test('a port that is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    try {
      await expect(addHostfwd(monitor(refusal).ask, '127.0.0.1', port, 80)).rejects.toMatchObject({
        code: 'failed',
        message: `port ${port} of the host is taken`,
        cause: { code: 'EADDRINUSE' },
      })
    } finally {
      server.close()
    }
  })

  test('an address that is none of the host', async () => {
    await expect(addHostfwd(monitor(refusal).ask, '192.0.2.7', 8080, 80)).rejects.toMatchObject({
      message: 'the host has no address 192.0.2.7',
    })
  })

  test('another reason stands in the cause', async () => {
    await expect(addHostfwd(monitor(refusal).ask, '127.0.0.1', 18_999, 80)).rejects.toMatchObject({
      message: 'QEMU could not take port 18999 of the host',
      cause: { message: refusal },
    })
  })

  test('removing one that is not there is no error', async () => {
    const { ask } = monitor('host forwarding rule for tcp:0.0.0.0:1 not found')
    await expect(removeHostfwd(ask, '0.0.0.0', 1)).resolves.toBeUndefined()
  })
})

describe('info usernet', () => {
  const text = [
    'Hub -1 (net0):',
    '  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ',
    '  TCP[ESTABLISHED]   24       10.0.2.15 39220    151.101.2.132   443     0     0',
    '  TCP[HOST_FORWARD]   8               * 40124       10.0.2.15    80     0     0',
    '  TCP[HOST_FORWARD]  13       127.0.0.1 40123       10.0.2.15    22     0     0',
    '  TCP[ESTABLISHED]   14       127.0.0.1 40123       10.0.2.15    22     0     0',
    '  UDP[236 sec]       20       10.0.2.15 51234        10.0.2.3    53     0     0',
    '  UDP[HOST_FORWARD]  21               *  5353       10.0.2.15    53     0     0',
  ]
  const rules = [
    { proto: 'tcp', hostAddress: '0.0.0.0', hostPort: 40_124, guestPort: 80 },
    { proto: 'tcp', hostAddress: '127.0.0.1', hostPort: 40_123, guestPort: 22 },
    { proto: 'udp', hostAddress: '0.0.0.0', hostPort: 5353, guestPort: 53 },
  ]
  test.each([
    ['\n', 'as sent'],
    ['\r\n', 'with carriage returns'],
  ])('%j', (end) => expect(parseUsernet(text.join(end))).toEqual(rules))

  test.each(['', 'Hub -1 (net0):', "unknown command: 'info usernet'"])('no rules in %j', (none) => {
    expect(parseUsernet(none)).toEqual([])
  })
})
