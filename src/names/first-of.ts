/** One of several ways to come by something; gives undefined where it does not. Never rejects. */
export type Attempt<T> = (signal: AbortSignal) => Promise<T | undefined>

/**
 * Tries one attempt after the other: the next when the last one gave nothing, or gave nothing yet after `staggerMs`. Gives
 * the first result that there is, of whichever; undefined when all failed or `limitMs` are over. The others are aborted.
 * `onSlow` is told the index of an attempt that failed or that the next one did not wait for.
 */
export async function firstOf<T>(
  attempts: readonly Attempt<T>[],
  { staggerMs, limitMs, onSlow }: { staggerMs: number; limitMs: number; onSlow: (index: number) => void },
): Promise<T | undefined> {
  const abort = new AbortController()
  return await new Promise<T | undefined>((resolve) => {
    let next = 0
    let underWay = 0
    let stagger: NodeJS.Timeout | undefined
    const limit = setTimeout(() => finish(undefined), limitMs)
    const finish = (result: T | undefined) => {
      clearTimeout(limit)
      clearTimeout(stagger)
      abort.abort()
      resolve(result)
    }
    const start = () => {
      clearTimeout(stagger)
      const index = next
      const attempt = attempts[index]
      if (attempt === undefined) {
        if (underWay === 0) finish(undefined)
        return
      }
      next++
      underWay++
      stagger = setTimeout(() => {
        onSlow(index)
        start()
      }, staggerMs)
      void attempt(abort.signal).then((result) => {
        underWay--
        if (abort.signal.aborted) return
        if (result !== undefined) {
          finish(result)
          return
        }
        onSlow(index)
        // One that came before the last is no reason to hurry.
        if (index === next - 1 || underWay === 0) start()
      })
    }
    start()
  })
}
