import { bad, type Checked, good } from './checked.ts'

/** Takes the name of a variable of the guest's environment. */
export function checkEnvName(name: string): Checked<string> {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return good(name)
  return bad('is no name of a variable: letters, digits and "_", not beginning with a digit')
}

/** Takes the name of a parameter of the settings; scripts find it as the variable `PARAM_NAME`. */
export function checkParamName(name: string): Checked<string> {
  const same = checkEnvName(name)
  return same.ok
    ? same
    : bad('is no name of a parameter: letters, digits and "_", not beginning with a digit')
}

/** Takes the value of a variable: text, or a number or truth value as YAML reads them; gives text of one line. */
export function checkEnvValue(value: unknown): Checked<string> {
  const plain = typeof value === 'number' || typeof value === 'boolean' ? String(value) : value
  if (plain === null) return good('')
  if (typeof plain !== 'string') return bad('must be text')
  return /[\p{Cc}]/u.test(plain) ? bad('must be text of one line') : good(plain)
}

const proxyName = /^(?:https?|ftp|all)_proxy$/i
const hostItself = /^([a-z][a-z0-9+.-]*:\/\/(?:[^@/]*@)?)?(?:localhost|127(?:\.\d+){3}|\[::1\])(?=[:/]|$)/i

/**
 * The environment as it is right in the guest: a proxy that listens on this computer's loopback is reached there under
 * another address. Pure.
 */
export function guestEnv(env: Record<string, string>): Record<string, string> {
  // QEMU's user network shows the host there (QEMU manual, "Using the user mode network stack").
  const seen = (value: string) =>
    value.replace(hostItself, (_, before: string | undefined) => `${before ?? ''}10.0.2.2`)
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => [name, proxyName.test(name) ? seen(value) : value]),
  )
}
