import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Names this boot of the host: another text after each restart, the same until then. */
export function bootId(platform: 'linux' | 'darwin'): string {
  return platform === 'linux'
    ? readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    : execFileSync('sysctl', ['-n', 'kern.bootsessionuuid'], { encoding: 'utf8' }).trim()
}
