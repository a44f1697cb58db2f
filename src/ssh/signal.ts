import type { ClientChannel } from 'ssh2'

/** The parts of ssh2's channel that its types leave out. */
interface ChannelParts {
  outgoing: { id: number; state: string }
  _client: { _protocol: { signal: (channel: number, name: string) => void } }
}

/**
 * Sends a signal (`TERM`, `INT` …) to the command of a channel (RFC 4254, section 6.9). ssh2's own method sends none once
 * the input has ended, though a channel stays open for requests after that (section 5.3).
 */
export function signalCommand(channel: ClientChannel, name: string): void {
  const { outgoing, _client: client } = channel as unknown as ChannelParts
  if (outgoing.state !== 'open' && outgoing.state !== 'eof') return
  try {
    client._protocol.signal(outgoing.id, name)
  } catch {
    // A name that SSH does not know.
  }
}
