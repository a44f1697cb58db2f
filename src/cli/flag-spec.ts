import type { Flag } from './command.ts'

/** A flag's notation taken apart. */
export interface FlagSpec {
  short?: string
  long: string
  /** Whether a value follows. */
  value: 'none' | 'required' | 'optional'
}

/** Takes a flag's notation apart: `-m, --memory <GiB>`. Pure. */
export function flagSpec({ flags }: Pick<Flag, 'flags'>): FlagSpec {
  const {
    short,
    long = '',
    open,
  } = /^(?:(?<short>-\w), )?(?<long>--[\w-]+)(?: (?<open>[<[]).*)?$/.exec(flags)?.groups ?? {}
  const value = open === undefined ? 'none' : open === '<' ? 'required' : 'optional'
  return { ...(short === undefined ? {} : { short }), long, value }
}

/** The names of the positional arguments in commander's notation, and whether the last takes all that follow. Pure. */
export function argNames(args = ''): { names: string[]; rest: boolean } {
  const names = [...args.matchAll(/[<[]([\w-]+)/g)].map(([, name = '']) => name)
  return { names, rest: args.includes('...') }
}
