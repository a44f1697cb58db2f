/**
 * Takes patterns for names of files and folders; gives a function that takes a path relative to the share's root and
 * tells whether it, or a folder it lies in, is ignored.
 *
 * In a pattern `*` stands for any characters, `?` for one; all else for itself, capital letters too. A pattern with
 * slashes is for names one below the other (`docs/build`), at any depth. A slash at its start or end means nothing.
 */
export function ignores(patterns: readonly string[]): (relative: string) => boolean {
  const sources = patterns.map(sourceOf).filter((source) => source !== '')
  if (sources.length === 0) return () => false
  const any = new RegExp(`(?:^|/)(?:${sources.join('|')})(?:/|$)`, 's')
  return (relative) => any.test(relative)
}

function sourceOf(pattern: string): string {
  return pattern
    .replace(/^\/+|\/+$/g, '')
    .replace(/[\\^$.*+?()[\]{}|]/g, (char) => (char === '*' ? '[^/]*' : char === '?' ? '[^/]' : `\\${char}`))
}
