import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ClusterLink, clusterCard, plugLink, unplugLink } from '../../../src/vm/cluster-link.ts'
import type { Qmp } from '../../../src/vm/qmp.ts'
import { firstConnection } from './first-connection.ts'

let dir: string
const running: ChildProcess[] = []
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tcolima,link-'))
})
afterEach(async () => {
  for (const child of running.splice(0)) {
    const ended = once(child, 'exit')
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await ended
    }
  }
  rmSync(dir, { recursive: true, force: true })
})

const link = (number: number): ClusterLink => ({
  number,
  local: path.join(dir, `server-${number}`),
  remote: path.join(dir, `worker-${number}`),
})

/** A QEMU that has no processor to run, only a card and links. */
async function server(links: ClusterLink[]): Promise<Qmp> {
  const socket = path.join(dir, 'qmp.sock')
  const args = ['-machine', 'q35', '-accel', 'tcg', '-nodefaults', '-no-user-config', '-display', 'none']
  const monitor = ['-qmp', `unix:${socket.replaceAll(',', ',,')},server=on,wait=off`]
  // The card's own program would be looked for.
  const card = clusterCard('52:54:00:01:02:03', links).map((word) =>
    word.startsWith('virtio-net-pci') ? `${word},romfile=` : word,
  )
  const child = spawn('qemu-system-x86_64', [...args, ...monitor, ...card], { stdio: 'ignore' })
  running.push(child)
  return await firstConnection(child, socket)
}

/** Sends a frame from one worker's place and gives what comes out at the other's: a process of their own each time. */
async function carried(from: number, to: number, words: string): Promise<string> {
  const script = `
    use Socket;
    my ($to, $from, $server, $words) = @ARGV;
    unlink $to, $from;
    socket(my $in, AF_UNIX, SOCK_DGRAM, 0); bind($in, sockaddr_un($to)) or die $!;
    socket(my $out, AF_UNIX, SOCK_DGRAM, 0); bind($out, sockaddr_un($from)) or die $!;
    my $frame = "\\xff" x 6 . "\\x56" x 6 . "\\x08\\x00" . $words;
    send($out, $frame, 0, sockaddr_un($server)) or die $!;
    my $bits = ''; vec($bits, fileno($in), 1) = 1;
    select($bits, undef, undef, 3) or exit;
    recv($in, my $got, 2000, 0); print substr($got, 14);`
  const { stdout } = await promisify(execFile)('perl', [
    '-e',
    script,
    link(to).remote,
    link(from).remote,
    link(from).local,
    words,
  ])
  return stdout
}

describe('the network between the nodes of a cluster (QEMU; the workers are played)', () => {
  it('leads from worker to worker through the server, whoever starts anew', async () => {
    const qmp = await server([link(2), link(3)])
    expect(await carried(2, 3, 'there')).toBe('there')
    expect(await carried(3, 2, 'and back')).toBe('and back')
    // As for a worker that comes again: the link was in the command line.
    await plugLink(qmp, link(3))
    expect(await carried(2, 3, 'again')).toBe('again')
    qmp.close()
  })

  it('takes and loses links while the machine runs', async () => {
    const qmp = await server([])
    await plugLink(qmp, link(2))
    await plugLink(qmp, link(3))
    expect(await carried(2, 3, 'one')).toBe('one')
    await plugLink(qmp, link(3))
    expect(await carried(2, 3, 'two')).toBe('two')
    await unplugLink(qmp, 3)
    expect(await carried(2, 3, 'three')).toBe('')
    await unplugLink(qmp, 3)
    qmp.close()
  })

  it('leaves nothing of a link that cannot be', async () => {
    const qmp = await server([])
    const wrong = { ...link(2), local: path.join(dir, 'no/such/folder') }
    await expect(plugLink(qmp, wrong)).rejects.toThrow(/QEMU/)
    await plugLink(qmp, link(2))
    qmp.close()
  })
})
