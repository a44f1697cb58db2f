import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { ReusingSocket } from './reusing-socket.ts'

/** What bytes pass through between two streams: from the first to the second, and back. */
export interface Between {
  forth?: Duplex
  back?: Duplex
}

/**
 * Joins two streams in both directions. The end of one direction passes on as an end while the other direction goes on
 * (half close); a reset of either resets the other. Back-pressure is kept, and what one side sent before it closed
 * still arrives. Each direction may pass through a stream of its own.
 */
export function joinStreams(a: Duplex, b: Duplex, by: Between = {}): void {
  const { forth, back } = by
  if (forth) a.pipe(forth).pipe(b)
  else a.pipe(b)
  if (back) b.pipe(back).pipe(a)
  else if (b instanceof ReusingSocket) b.sendTo(a)
  else b.pipe(a)
  a.on('error', () => cut(b))
  b.on('error', () => cut(a))
  a.on('close', () => follow(a, b))
  b.on('close', () => follow(b, a))
}

/** `closed` has closed in both directions: `other` closes too, after what is on its way to it. */
function follow(closed: Duplex, other: Duplex): void {
  if (!closed.readableEnded) cut(other)
  else if (other.writableFinished) other.destroy()
  else other.once('finish', () => other.destroy())
}

/** Ends a stream so that its other end does not take what came for all: by a reset, where there is such a thing. */
function cut(stream: Duplex): void {
  if (stream instanceof Socket && stream.remoteAddress !== undefined) stream.resetAndDestroy()
  else stream.destroy()
}
