/** One thing `doctor` looked at. */
export interface Check {
  name: string
  status: 'ok' | 'warning' | 'error'
  /** What was found, as a phrase. */
  detail: string
  /** What to do about it; always there unless the status is `ok`. */
  fix?: string
}

/** A check that found nothing wrong. */
export function ok(name: string, detail: string): Check {
  return { name, status: 'ok', detail }
}

/** Whether a version (`20.19.1`) is at least another, compared by as many numbers as the other has. */
export function atLeast(version: string, least: number[]): boolean {
  const numbers = version.split('.').map((part) => Number.parseInt(part, 10))
  for (const [at, wanted] of least.entries()) {
    const got = numbers[at] ?? 0
    if (got !== wanted) return got > wanted
  }
  return true
}
