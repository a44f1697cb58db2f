import type { Stats } from 'node:fs'

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const HALF_A_YEAR = 182 * 24 * 3600 * 1000
const TYPES: Record<number, string> = {
  0o140000: 's',
  0o120000: 'l',
  0o100000: '-',
  0o060000: 'b',
  0o040000: 'd',
  0o020000: 'c',
  0o010000: 'p',
}

/**
 * The line of `ls -l` for a file, which SSH_FXP_NAME carries for people (draft section 7). Owners stay numbers: their
 * names on the host mean nothing to the client. Times are UTC.
 */
export function longnameOf(name: string, stats: Stats, now = Date.now()): string {
  const owner = `${pad(stats.uid, 8)} ${pad(stats.gid, 8)}`
  return `${modeText(stats.mode)} ${pad(stats.nlink, 4)} ${owner} ${pad(stats.size, 8)} ${dateText(stats.mtimeMs, now)} ${name}`
}

function pad(value: number, width: number): string {
  return String(value).padStart(width)
}

function modeText(mode: number): string {
  let text = TYPES[mode & 0o170000] ?? '?'
  for (let bit = 8; bit >= 0; bit--) text += mode & (1 << bit) ? 'xwr'[bit % 3] : '-'
  return text
}

function dateText(milliseconds: number, now: number): string {
  const date = new Date(milliseconds)
  const day = `${MONTHS[date.getUTCMonth()]} ${pad(date.getUTCDate(), 2)}`
  if (Math.abs(now - milliseconds) > HALF_A_YEAR) return `${day}  ${date.getUTCFullYear()}`
  const minutes = String(date.getUTCMinutes()).padStart(2, '0')
  return `${day} ${String(date.getUTCHours()).padStart(2, '0')}:${minutes}`
}
