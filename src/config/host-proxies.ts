const proxyNames = ['http_proxy', 'https_proxy', 'ftp_proxy', 'all_proxy']

/** The variables of this computer's environment that name proxies, and what is reached without one. Pure. */
export function hostProxies(env: NodeJS.ProcessEnv): Record<string, string> {
  const names = [...proxyNames, 'no_proxy'].flatMap((name) => [name, name.toUpperCase()])
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = env[name]
      // What the shell hands on may hold what no variable of the guest can.
      return value && !/[\p{Cc}]/u.test(value) ? [[name, value]] : []
    }),
  )
}

/**
 * The same variables with what is never to go through a proxy of theirs: the guest itself, and the host as the guest
 * sees it. Pure.
 */
export function withExceptions(env: Record<string, string>): Record<string, string> {
  if (!Object.entries(env).some(([name, value]) => proxyNames.includes(name.toLowerCase()) && value !== '')) {
    return env
  }
  const own = ['localhost', '127.0.0.1', '::1', '10.0.2.2', 'host.docker.internal']
  const names = ['no_proxy', 'NO_PROXY']
  const given = names.filter((name) => env[name])
  const more = (given.length > 0 ? given : names).map((name) => {
    const there = (env[name] ?? '').split(',').map((each) => each.trim())
    return [name, [...new Set([...there, ...own])].filter((each) => each !== '').join(',')]
  })
  return { ...env, ...Object.fromEntries(more) }
}
