import { connect } from 'node:net'
import { afterAll, describe, expect, it } from 'vitest'
import { docker, eventually, tcolima } from './harness.ts'

const profile = 'shared'

// The issue asks for a second; software emulation on two cores has three times as long.
const limitMs = 3000

afterAll(async () => {
  await docker(profile, ['rm', '-f', 'web', 'echo'])
})

/** Sends `data`, closes the sending side, gives all that comes back. */
async function exchange(port: number, data: Buffer | string): Promise<string> {
  return await new Promise<string>((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    let answer = ''
    socket.setTimeout(60_000, () => socket.destroy(new Error('no answer')))
    socket.on('data', (chunk) => {
      answer += chunk.toString()
    })
    socket.on('end', () => resolve(answer))
    socket.on('error', reject)
    socket.end(data)
  })
}

async function refused(port: number): Promise<boolean> {
  return await new Promise<boolean>((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.once('error', () => resolve(true))
  })
}

describe('published ports', () => {
  it('appear on the host and go with the container', async () => {
    const server = 'mkdir /w; echo page >/w/index.html; exec httpd -f -p 80 -h /w'
    const started = await docker(profile, [
      'run',
      '-d',
      '--name',
      'web',
      '-p',
      '18080:80',
      'busybox',
      'sh',
      '-c',
      server,
    ])
    expect(started.exitCode, String(started.stderr)).toBe(0)
    const page = await eventually(async () => {
      const answer = await exchange(18080, 'GET / HTTP/1.0\r\n\r\n').catch(() => '')
      return answer.includes('page') ? answer : undefined
    }, limitMs)
    expect(page).toContain('200 OK')
    await docker(profile, ['rm', '-f', 'web'])
    await eventually(async () => ((await refused(18080)) ? true : undefined), limitMs)
  })

  it('carry a reply that comes after the sender has closed its side', async () => {
    // Counts what arrives until its end, and answers a second later.
    const script = `printf '%s\\n' 'n=$(wc -c); sleep 1; echo OK $n' >/serve; while true; do nc -l -p 81 -e sh /serve; done`
    const started = await docker(profile, [
      'run',
      '-d',
      '--name',
      'echo',
      '-p',
      '18081:81',
      'busybox',
      'sh',
      '-c',
      script,
    ])
    expect(started.exitCode, String(started.stderr)).toBe(0)
    await eventually(async () => ((await refused(18081)) ? undefined : true), limitMs)
    for (const size of [5, 1_000_000, 20_000_000]) {
      const answer = await eventually(async () => {
        const text = await exchange(18081, Buffer.alloc(size, 120)).catch(() => '')
        return text.startsWith('OK') ? text : undefined
      }, 30_000)
      expect(answer.trim()).toBe(`OK ${size}`)
    }
  })
})

describe('listeners on the guest loopback', () => {
  it('appear on the loopback of the host', async () => {
    const script =
      'nohup perl -MIO::Socket::INET -e \'my $l = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 18082, Listen => 5, ReuseAddr => 1) or die; while (my $c = $l->accept) { local $/; my $all = <$c>; print $c "OK ", length $all; close $c; exit }\' >/dev/null 2>&1 & '
    const started = await tcolima(['ssh', profile, '--', 'sh', '-c', script])
    expect(started.exitCode, String(started.stderr)).toBe(0)
    await eventually(async () => {
      const { stdout } = await tcolima(['status', profile, '--json'])
      return String(stdout).includes('18082') ? true : undefined
    }, limitMs)
    expect(await exchange(18082, Buffer.alloc(300_000, 120))).toBe('OK 300000')
    await eventually(async () => ((await refused(18082)) ? true : undefined), limitMs)
  })
})
