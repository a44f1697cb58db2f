import path from 'node:path'

/**
 * Takes a path that is absolute or begins with `~`; gives it absolute, without `..`, doubled or trailing slashes.
 * Undefined for every other path, `~name` (another user's home) among them.
 */
export function absolutePath(text: string, home: string): string | undefined {
  const expanded = text === '~' || text.startsWith('~/') ? home + text.slice(1) : text
  return path.isAbsolute(expanded) ? withoutTrailingSlash(path.normalize(expanded)) : undefined
}

function withoutTrailingSlash(normal: string): string {
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal
}
