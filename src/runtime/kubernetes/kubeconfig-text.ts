import { readDocument } from '../../config/document.ts'
import { TcolimaError } from '../../host/errors.ts'
import { findNamed, removeNamed, setKey, setNamed } from './named-list.ts'

/** How a cluster is reached and who one is there; certificates and key in base64, as kubeconfig files have them. */
export interface ClusterAccess {
  server: string
  certificateAuthority: string
  clientCertificate: string
  clientKey: string
}

/** What a kubeconfig file says about contexts. */
export interface Contexts {
  /** '' where it names none. */
  current: string
  names: string[]
}

/**
 * Takes the text of a kubeconfig file ('' for a new one) and its name for messages; gives it with cluster, user and context of
 * that name. Nothing else changes, nor what the user has added to these three (a namespace, `proxy-url`). Throws
 * `config` when it is no YAML, or no kubeconfig.
 */
export function withCluster(text: string, file: string, name: string, access: ClusterAccess): string {
  if (text.trim() === '') {
    return withCluster(
      'apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers: []\n',
      file,
      name,
      access,
    )
  }
  return edited(text, file, (text, values) => {
    const fields = (list: string, key: string) => {
      const entry = findNamed(values, list, name)
      const inner = entry?.[key]
      return { entry, inner: typeof inner === 'object' && inner !== null ? inner : {} }
    }
    const cluster = fields('clusters', 'cluster')
    const user = fields('users', 'user')
    const context = fields('contexts', 'context')
    const changes = [
      setNamed('clusters', {
        ...cluster.entry,
        name,
        cluster: {
          ...cluster.inner,
          server: access.server,
          'certificate-authority-data': access.certificateAuthority,
        },
      }),
      setNamed('users', {
        ...user.entry,
        name,
        user: {
          ...user.inner,
          'client-certificate-data': access.clientCertificate,
          'client-key-data': access.clientKey,
        },
      }),
      setNamed('contexts', {
        ...context.entry,
        name,
        context: { ...context.inner, cluster: name, user: name },
      }),
    ]
    let state = { text, values }
    for (const change of changes) state = change(state.text, state.values)
    return state
  })
}

/** Takes cluster, user and context of a name out of a kubeconfig file. Throws like `withCluster`. */
export function withoutCluster(text: string, file: string, name: string): string {
  return edited(text, file, (text, values) => {
    let state = { text, values }
    for (const list of ['contexts', 'clusters', 'users']) {
      state = removeNamed(list, name)(state.text, state.values)
    }
    return state
  })
}

/** Sets the current context of a kubeconfig file. Throws like `withCluster`. */
export function withCurrent(text: string, file: string, context: string): string {
  return edited(text, file, setKey('current-context', context))
}

/** What a kubeconfig file says about contexts. Throws like `withCluster`. */
export function contextsIn(text: string, file: string): Contexts {
  const { 'current-context': current, contexts } = valuesOf(text, file)
  const names = Array.isArray(contexts) ? contexts.map((each: { name?: unknown } | null) => each?.name) : []
  return {
    current: typeof current === 'string' ? current : '',
    names: names.filter((each) => typeof each === 'string'),
  }
}

type Edit = (text: string, values: Record<string, unknown>) => { text: string }

function edited(text: string, file: string, edit: Edit): string {
  if (text.trim() === '') return text
  try {
    return edit(text, valuesOf(text, file)).text
  } catch (thrown) {
    const error = TcolimaError.from(thrown)
    if (error.code !== 'config' || error.message.includes(file)) throw error
    throw new TcolimaError('config', `${file}: ${error.message}`, { cause: error })
  }
}

function valuesOf(text: string, file: string): Record<string, unknown> {
  const { values } = readDocument(text, file)
  const { kind } = values
  if (kind === undefined || kind === null || kind === 'Config') return values
  throw new TcolimaError('config', `${file} is no kubeconfig file: its kind is ${JSON.stringify(kind)}`)
}
