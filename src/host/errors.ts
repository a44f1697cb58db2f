/** Why something failed, as one closed set; the exit code follows from it. */
export type ErrorCode =
  | 'usage' // the command line is wrong
  | 'config' // the configuration is wrong
  | 'not-found' // no such instance
  | 'not-running' // the instance exists but does not run
  | 'busy' // another command works on the instance
  | 'cancelled' // the user gave up
  | 'host' // the host lacks something: a program, a permission, space
  | 'failed' // anything else

/** Lines of a log that explain a failure: where they stand, and the last of them. */
export interface LogExcerpt {
  /** Path of the log file. */
  path: string
  lines: string[]
}

/** What an error carries beside its message; all of it survives the trip from the agent to the command line. */
export interface ErrorDetails {
  /** What the user can do next, as a sentence or a command. */
  hint?: string | undefined
  /** The step of a start or stop in which it happened. */
  step?: string | undefined
  log?: LogExcerpt | undefined
  cause?: unknown
}

/** The form of an error on the agent's socket and in `--json` output. */
export interface ErrorRecord {
  code: ErrorCode
  message: string
  hint?: string | undefined
  step?: string | undefined
  log?: LogExcerpt | undefined
}

/** The one error class of tcolima. */
export class TcolimaError extends Error {
  override name = 'TcolimaError'
  readonly code: ErrorCode
  readonly hint: string | undefined
  step: string | undefined
  log: LogExcerpt | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause })
    this.code = code
    this.hint = details.hint
    this.step = details.step
    this.log = details.log
  }

  /** The error as plain data. */
  toRecord(): ErrorRecord {
    return { code: this.code, message: this.message, hint: this.hint, step: this.step, log: this.log }
  }

  /** Takes anything thrown; gives it back as a TcolimaError (itself where it is one, else code `failed`). */
  static from(thrown: unknown): TcolimaError {
    if (thrown instanceof TcolimaError) return thrown
    return new TcolimaError('failed', messageOf(thrown), { cause: thrown })
  }

  /** Takes what `toRecord` gave, after a trip through JSON. */
  static fromRecord(record: ErrorRecord): TcolimaError {
    return new TcolimaError(record.code, record.message, record)
  }
}

/** The exit code of the command line for an error: 2 wrong usage or config, 3 not found or not running, else 1. */
export function exitCodeOf(code: ErrorCode): number {
  switch (code) {
    case 'usage':
    case 'config':
      return 2
    case 'not-found':
    case 'not-running':
      return 3
    case 'cancelled':
      return 130
    case 'busy':
    case 'host':
    case 'failed':
      return 1
  }
}

/** The message of anything thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** The system's error code (`ENOENT` …) of anything thrown, where it has one. */
export function errnoOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string'
    ? thrown.code
    : undefined
}
