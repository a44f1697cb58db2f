import { readdir } from 'node:fs/promises'
import { makeRoom } from './make-room.ts'
import { bytesOf } from './share-path.ts'

/** Milliseconds until a walk is over, and until a folder's names are read again. */
export const PAUSE_MS = 1000
/** Milliseconds until a name is worth telling again: the client keeps it for half a second. */
export const TOLD_MS = 400
/** Names told at the second look into a folder, and at most; each look doubles it. */
const FIRST = 32
const MOST = 256
/** Entries of a folder that is too large to be read for the sake of hints. */
const LARGEST = 50_000
/** Folders that are walked through at once. */
const WALKS = 16

interface Walk {
  looks: number
  lookedAt: number
  last: string
  listedAt: number
  /** Names in the order in which a listing gives them, and in that of their bytes; and the places in both. */
  listed: Order
  sorted: Order
  told: Map<string, number>
}

interface Order {
  names: string[]
  places: Map<string, number>
}

/** Notices clients that look at one file of a folder after the other, and says which they come to next. */
export class Walks {
  readonly #walks = new Map<string, Walk>()

  /**
   * Takes a look at an entry of a folder: the client's path of the folder, the name, and the folder's place on the host (byte
   * strings). Gives the names to come; none at a first look. Rejects when the folder cannot be read.
   */
  async next(folder: string, name: string, place: string): Promise<string[]> {
    const now = performance.now()
    const walk = this.#walks.get(folder)
    if (!walk || now - walk.lookedAt > PAUSE_MS) {
      this.#begin(folder, name, now)
      return []
    }
    walk.looks++
    walk.lookedAt = now
    if (now - walk.listedAt > PAUSE_MS) await list(walk, place, now)
    // Told, and asked for all the same: the client has forgotten what it was told.
    if (walk.told.has(name)) walk.told.clear()
    const count = Math.min(MOST, FIRST * 2 ** Math.min(walk.looks - 2, 8))
    const names = ahead(walk, name, count).filter(
      (each) => now - (walk.told.get(each) ?? -TOLD_MS) >= TOLD_MS,
    )
    for (const each of names) walk.told.set(each, now)
    walk.last = name
    return names
  }

  #begin(folder: string, last: string, now: number): void {
    this.#walks.delete(folder)
    makeRoom(this.#walks, WALKS)
    const none = { names: [], places: new Map() }
    const walk = {
      looks: 1,
      lookedAt: now,
      last,
      listedAt: Number.NEGATIVE_INFINITY,
      listed: none,
      sorted: none,
    }
    this.#walks.set(folder, { ...walk, told: new Map() })
  }
}

async function list(walk: Walk, place: string, now: number): Promise<void> {
  walk.listedAt = now
  walk.told.clear()
  const names = (await readdir(bytesOf(place), { encoding: 'buffer' })).map((name) => name.toString('latin1'))
  if (names.length > LARGEST) names.length = 0
  walk.listed = orderOf(names)
  walk.sorted = orderOf(names.toSorted())
}

function orderOf(names: string[]): Order {
  return { names, places: new Map(names.map((name, index) => [name, index])) }
}

/** The names behind one, in the order in which the client seems to go. */
function ahead({ listed, sorted, last }: Walk, name: string, count: number): string[] {
  const step = (order: Order) => (order.places.get(name) ?? 0) - (order.places.get(last) ?? 0)
  const order = nearness(step(sorted)) < nearness(step(listed)) ? sorted : listed
  const { names } = order
  const at = order.places.get(name) ?? 0
  // All of a small folder, whichever way it is gone through.
  if (names.length <= count) return names.filter((each) => each !== name)
  return names.slice(at + 1, at + 1 + count)
}

function nearness(step: number): number {
  return step > 0 ? step : Number.POSITIVE_INFINITY
}
