import * as z from 'zod'
import { type Checked, good } from './checked.ts'
import { checkJoin, checkK3sArg, checkKubernetesPort, parseK3sVersion } from './kubernetes.ts'

/** The schema of `kubernetes`; `disable`, `ingress` and `listenPort` are former keys of Colima. */
export function kubernetesSchema() {
  const words = (check: (value: unknown) => Checked<string>, message: string) =>
    z.array(judged(check), message).nullish()
  const port = () => judged((value) => checkKubernetesPort(value ?? 0)).nullish()
  return z.strictObject(
    {
      enabled: z.boolean('must be true or false').nullish(),
      version: judged((value) =>
        value === '' || value === null ? good('') : parseK3sVersion(value),
      ).nullish(),
      k3sArgs: words(checkK3sArg, 'must be a list of arguments of k3s server'),
      port: port(),
      listenPort: port(),
      join: judged((value) => checkJoin(value ?? '')).nullish(),
      disable: words(checkK3sArg, 'must be a list of parts of k3s, such as [traefik]'),
      ingress: z.boolean('must be true or false').nullish(),
    },
    { error: (issue) => (issue.code === 'invalid_type' ? 'must be a map' : undefined) },
  )
}

function judged<T>(check: (value: unknown) => Checked<T>) {
  return z.unknown().transform((value, ctx): T => {
    const result = check(value)
    if (result.ok) return result.value
    ctx.issues.push({ code: 'custom', message: result.problem, input: value })
    return z.NEVER
  })
}
