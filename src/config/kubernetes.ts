import { bad, type Checked, good } from './checked.ts'

/**
 * A release of k3s: `v1.34.2+k3s1`, as its project names it, also without the v, and with the - that tags of images have. Pure.
 */
export function parseK3sVersion(value: unknown): Checked<string> {
  const [, version, suffix] =
    (typeof value === 'string' ? /^v?(\d+\.\d+\.\d+(?:-rc\d+)?)[+-](k3s\d+)$/ : /$^/).exec(String(value)) ??
    []
  if (version !== undefined && suffix !== undefined) return good(`v${version}+${suffix}`)
  return bad('must be a release of k3s such as "v1.34.2+k3s1"')
}
