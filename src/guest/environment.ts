import { shellQuote } from './quote.ts'

/**
 * The user's variables in the forms of those who read them in the guest, as files of the seed; for scripts with the
 * parameters of the settings, as in Lima. Pure.
 */
export function environmentFiles(
  env: Readonly<Record<string, string>>,
  param: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const params = Object.entries(param).map(([name, value]) => [`PARAM_${name}`, value] as const)
  return {
    'env.units': unitsText(env),
    'env.sshd': sshdText(env),
    'env.pam': pamText(env),
    'env.shell': lines(
      { ...env, ...Object.fromEntries(params) },
      (name, value) => `${name}=${shellQuote(value)}`,
    ),
  }
}

/** For EnvironmentFile= of units (systemd.exec(5)): a backslash before what means something in double quotes. */
function unitsText(env: Readonly<Record<string, string>>): string {
  return lines(env, (name, value) => `${name}="${value.replaceAll(/["\\$`]/g, String.raw`\$&`)}"`)
}

/** For sshd_config(5): of several SetEnv lines only the first would count. */
function sshdText(env: Readonly<Record<string, string>>): string {
  const words = Object.entries(env).map(
    ([name, value]) => `${name}="${value.replaceAll(/["\\]/g, String.raw`\$&`)}"`,
  )
  return words.length === 0 ? '' : `SetEnv ${words.join(' ')}\n`
}

/**
 * For pam_env(8), which serves su and cron. Its file has no way to write `#`, a quote at the beginning, or space at
 * either end: those are left out.
 */
function pamText(env: Readonly<Record<string, string>>): string {
  const plain = Object.entries(env).filter(([, value]) => !/#|^["'\s]|\s$/.test(value))
  return lines(Object.fromEntries(plain), (name, value) => `${name}=${value}`)
}

function lines(env: Readonly<Record<string, string>>, line: (name: string, value: string) => string): string {
  return Object.entries(env)
    .map(([name, value]) => `${line(name, value)}\n`)
    .join('')
}
