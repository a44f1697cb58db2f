import { linkSync, readdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { errnoOf, messageOf, TcolimaError } from './errors.ts'
import { identify, isAlive, type ProcessId } from './processes.ts'

/** Who holds a lock, and for what. */
export interface LockHolder {
  owner: ProcessId
  /** What it does, as a phrase a user reads: `start`, `delete`. */
  purpose: string
}

/** A lock this process holds; it counts as free as soon as this process is gone, however it ends. */
export interface Lock extends LockHolder {
  /** Gives the lock back, when it is still this one; safe to call twice, and from an exit handler (synchronous). */
  release: () => void
}

/** How to wait for a lock. */
export interface LockOptions {
  purpose: string
  /** Milliseconds to wait while another holds it; 0 unless told. */
  waitMs?: number
  signal?: AbortSignal | undefined
}

interface Claim extends LockHolder {
  /** Unique for each acquisition, so that a process that locks twice never mistakes one for the other. */
  token: string
}

const retryMs = 50

/**
 * Takes the lock file of something; gives the lock. The folder has to exist.
 *
 * The file appears complete, by `link`, and at most one process wins. A dead owner's file is moved aside under a unique
 * name and looked at again: two that steal at once could otherwise remove a fresh lock instead of the stale one. While
 * a fresh lock is aside by such an accident it still counts, because every winner looks at the files set aside
 * before it trusts its own.
 *
 * Throws `busy` with the holder's pid and purpose when the wait is over, `cancelled` on abort.
 */
export async function acquireLock(file: string, options: LockOptions): Promise<Lock> {
  const { purpose, waitMs = 0, signal } = options
  const owner = identify(process.pid)
  if (owner === undefined) throw new TcolimaError('failed', 'cannot find this process in the process table')
  const claim: Claim = { owner, purpose, token: crypto.randomUUID() }
  const deadline = performance.now() + waitMs
  for (;;) {
    if (signal?.aborted) throw new TcolimaError('cancelled', `gave up waiting for the lock ${file}`)
    const holder = tryLock(file, claim)
    if (holder === undefined) return { owner, purpose, release: () => release(file, claim) }
    const left = deadline - performance.now()
    if (left <= 0) throw busy(holder)
    await sleep(Math.min(retryMs, left), undefined, signal ? { signal } : {}).catch(() => {})
  }
}

/** Who holds the lock, or undefined when nobody living does. Synchronous. */
export function readLock(file: string): LockHolder | undefined {
  const claim = readClaim(file)
  const holder = isHeld(claim) ? claim : setAside(file).map(readClaim).find(isHeld)
  return holder && { owner: holder.owner, purpose: holder.purpose }
}

/** One attempt; gives the holder that stands in the way, or undefined when the claim now holds the lock. */
function tryLock(file: string, claim: Claim): LockHolder | undefined {
  for (;;) {
    if (!linkClaim(file, claim)) {
      const content = readText(file)
      if (content === undefined) continue // Released in between.
      const held = parseClaim(content)
      if (isHeld(held)) return held
      steal(file, content)
      continue
    }
    const rival = otherAside(file, claim)
    removeUnused(file)
    if (rival === undefined) return undefined
    release(file, claim)
    return rival
  }
}

// The claim is written under another name first: a reader never sees half of it, and the owner's death leaves no half.
function linkClaim(file: string, claim: Claim): boolean {
  const complete = `${file}.new.${claim.token}`
  try {
    writeFileSync(complete, JSON.stringify(claim), { mode: 0o600 })
    return linkOnce(complete, file)
  } catch (error) {
    throw new TcolimaError('host', `cannot write the lock ${file}: ${messageOf(error)}`, {
      hint: 'The folder has to exist, be writable, and lie on a file system with hard links.',
      cause: error,
    })
  } finally {
    remove(complete)
  }
}

function steal(file: string, stale: string): void {
  takeAway(file, (aside) => readText(aside) === stale)
}

/**
 * Removes the lock file when it is the one that is meant. What lies at a path can change between a look and an unlink,
 * so the file is moved under a name nobody else uses before the look that counts.
 */
function takeAway(file: string, isMeant: (aside: string) => boolean): void {
  const aside = `${file}.stale.${crypto.randomUUID()}`
  try {
    renameSync(file, aside)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return // Another was faster.
    throw error
  }
  // Another one that is held: where putting it back finds the place taken, it stays aside and still counts; whoever
  // took the place sees it there and steps back.
  if (!isMeant(aside) && isHeld(readClaim(aside)) && !putBack(aside, file)) return
  remove(aside)
}

function putBack(aside: string, file: string): boolean {
  try {
    return linkOnce(aside, file)
  } catch (error) {
    // Its owner released it while it was aside: nothing is left to put back.
    if (errnoOf(error) === 'ENOENT') return true
    throw error
  }
}

/** A living claim that was set aside and is not ours; removes those of the dead on the way. */
function otherAside(file: string, claim: Claim): Claim | undefined {
  for (const aside of setAside(file)) {
    const other = readClaim(aside)
    if (!isHeld(other)) remove(aside)
    else if (other.token !== claim.token) return other
  }
  return undefined
}

function release(file: string, claim: Claim): void {
  const isOurs = (name: string) => readClaim(name)?.token === claim.token
  // A thief may move our file aside and back between two looks: only not seeing it twice running says it is gone.
  for (let unseen = 0; unseen < 2; unseen++) {
    if (isOurs(file)) {
      takeAway(file, isOurs)
      unseen = -1
    }
    for (const aside of setAside(file)) {
      if (!isOurs(aside)) continue
      remove(aside)
      unseen = -1
    }
  }
}

/** Removes claims of processes that were killed before they could lay one; one that is being written is none yet. */
function removeUnused(file: string): void {
  for (const name of beside(file, 'new')) {
    const claim = readClaim(name)
    if (claim !== undefined && !isAlive(claim.owner)) remove(name)
  }
}

function setAside(file: string): string[] {
  return beside(file, 'stale')
}

function beside(file: string, kind: 'new' | 'stale'): string[] {
  const prefix = `${path.basename(file)}.${kind}.`
  const dir = path.dirname(file)
  try {
    return readdirSync(dir)
      .filter((name) => name.startsWith(prefix))
      .map((name) => path.join(dir, name))
  } catch {
    return []
  }
}

function isHeld(claim: Claim | undefined): claim is Claim {
  return claim !== undefined && isAlive(claim.owner)
}

function readClaim(file: string): Claim | undefined {
  const text = readText(file)
  return text === undefined ? undefined : parseClaim(text)
}

// A file that is not a claim was cut short by a crash of the whole machine: nobody holds it.
function parseClaim(text: string): Claim | undefined {
  try {
    const value = JSON.parse(text) as Partial<Claim> | null
    const { owner, purpose, token } = value ?? {}
    if (typeof owner?.pid !== 'number' || typeof owner.started !== 'string') return undefined
    if (typeof purpose !== 'string' || typeof token !== 'string') return undefined
    return { owner: { pid: owner.pid, started: owner.started }, purpose, token }
  } catch {
    return undefined
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
    throw error
  }
}

function linkOnce(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false
    throw error
  }
}

function remove(file: string): void {
  try {
    unlinkSync(file)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
  }
}

function busy(holder: LockHolder): TcolimaError {
  return new TcolimaError('busy', `"${holder.purpose}" (process ${holder.owner.pid}) is at work on it`, {
    hint: `Wait until it has ended, or end it with: kill ${holder.owner.pid}`,
  })
}
