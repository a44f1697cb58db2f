/** Every kind of failure: the exit code of the command line, what it means, and what helps in general. */
export const errorCodes = {
  usage: { exit: 2, text: 'the command line is wrong', help: 'The error names the word; see `--help`.' },
  config: {
    exit: 2,
    text: 'the settings are wrong, or ask for what the machine cannot become',
    help: 'The error names file, line and column, or the flag. Nothing was changed.',
  },
  'not-found': { exit: 3, text: 'there is no such machine', help: 'See `tcolima list`.' },
  'not-running': { exit: 3, text: 'the machine does not run', help: 'Start it: `tcolima start`.' },
  busy: {
    exit: 1,
    text: 'another command works on the machine, or something uses what is to go',
    help: 'Wait for it, or end what is named.',
  },
  cancelled: {
    exit: 130,
    text: 'you gave up: Ctrl-C, an emptied file',
    help: 'What was begun was taken back.',
  },
  host: {
    exit: 1,
    text: 'this computer lacks something: a program, a permission, space, a port',
    help: 'The hint says what; `tcolima doctor` looks at everything.',
  },
  failed: { exit: 1, text: 'anything else', help: 'The error shows the end of the log that explains it.' },
} as const satisfies Record<string, { exit: number; text: string; help: string }>

/** Why something failed, as one closed set; the exit code follows from it. */
export type ErrorCode = keyof typeof errorCodes

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
  return errorCodes[code].exit
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
