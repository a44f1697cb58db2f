/** What stands in a secret's place. */
export const redacted = '***'

const patterns: [RegExp, string][] = [
  // Private keys, whole.
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, redacted],
  // What stands before the host in a URL: a proxy's user and password.
  [/(?<=\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@"']+(?=@)/gi, redacted],
  // Headers, with the kind of what follows.
  [
    /(\b(?:proxy-)?authorization["']?\s*[:=]\s*["']?)(?:(?:basic|bearer|token)\s+)?[^\s"',}]+/gi,
    `$1${redacted}`,
  ],
  // A value whose name says that it is secret; in quotes it may hold spaces. Nothing is repeated before the word itself:
  // a log can have lines of a megabyte.
  [
    /((?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)[\w.-]{0,64}["']?\s{0,8}[:=]\s{0,8})(?:"[^"\n]*"|'[^'\n]*'|[^\s,}"']+)/gi,
    `$1${redacted}`,
  ],
  // Tokens by their own form: GitHub, GitLab, AWS, Slack, npm, JSON Web Tokens.
  [
    /\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|AKIA[0-9A-Z]{16}|xox[abprs]-[\w-]{10,}|npm_\w{30,})/g,
    redacted,
  ],
  [/\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, redacted],
]

/** A text without what looks like a secret, and without these values. Pure. */
export function redactText(text: string, values: readonly string[] = []): string {
  let result = text
  // The longest first: one may be a part of another.
  for (const value of [...values].sort((a, b) => b.length - a.length)) {
    // A short one stands in half of all words.
    if (value.length >= 6) result = result.replaceAll(value, redacted)
  }
  for (const [pattern, by] of patterns) result = result.replaceAll(pattern, by)
  return result
}

/** The values of environment variables, and the scripts, in settings of any shape. Pure. */
export function secretValues(settings: unknown): string[] {
  if (typeof settings !== 'object' || settings === null) return []
  return Object.entries(settings).flatMap(([key, value]: [string, unknown]) => {
    if (key === 'env') return leaves(value)
    if (key === 'script') return typeof value === 'string' ? [value] : []
    return secretValues(value)
  })
}

/** Settings with those taken out, whatever their length. Pure. */
export function redactSettings(settings: unknown): unknown {
  if (Array.isArray(settings)) return settings.map(redactSettings)
  if (typeof settings !== 'object' || settings === null) return settings
  return Object.fromEntries(
    Object.entries(settings).map(([key, value]: [string, unknown]) => {
      if (key === 'env' && typeof value === 'object' && value !== null) {
        return [key, Object.fromEntries(Object.keys(value).map((name) => [name, redacted]))]
      }
      if (key === 'script' && typeof value === 'string')
        return [key, `${redacted} (${value.length} characters)`]
      return [key, redactSettings(value)]
    }),
  )
}

function leaves(value: unknown): string[] {
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(leaves)
  if (typeof value === 'string') return [value]
  return value === null || value === undefined ? [] : [JSON.stringify(value)]
}
