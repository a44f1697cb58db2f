import type { Duplex } from 'node:stream'

/**
 * Joins two streams in both directions. The end of one direction passes on as an end while the other direction goes on
 * (half close); a reset of either resets the other. Back-pressure is kept, and what one side sent before it closed
 * still arrives.
 */
export function joinStreams(a: Duplex, b: Duplex): void {
  a.pipe(b)
  b.pipe(a)
  a.on('error', () => b.destroy())
  b.on('error', () => a.destroy())
  a.on('close', () => follow(a, b))
  b.on('close', () => follow(b, a))
}

/** `closed` has closed in both directions: `other` closes too, after what is on its way to it. */
function follow(closed: Duplex, other: Duplex): void {
  if (!closed.readableEnded || other.writableFinished) other.destroy()
  else other.once('finish', () => other.destroy())
}
