import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import {
  type ClusterAccess,
  contextsIn,
  withCluster,
  withCurrent,
  withoutCluster,
} from '../../../../src/runtime/kubernetes/kubeconfig-text.ts'

const access: ClusterAccess = {
  server: 'https://127.0.0.1:6443',
  certificateAuthority: 'Y2E=',
  clientCertificate: 'Y2VydA==',
  clientKey: 'a2V5',
}

const add = (text: string, name = 'tcolima', to = access) => withCluster(text, 'config', name, to)
const remove = (text: string, name = 'tcolima') => withoutCluster(text, 'config', name)

interface File {
  clusters?: { name: string; cluster: object }[] | null
  contexts?: { name: string; context: object }[] | null
  users?: { name: string; user: object }[] | null
  [key: string]: unknown
}

/** Values with the lists that are empty or absent left out: they are the same to kubectl. */
function values(text: string): File {
  const read = (parse(text) ?? {}) as File
  return Object.fromEntries(
    Object.entries(read).filter(
      ([, value]) => value !== null && !(Array.isArray(value) && value.length === 0),
    ),
  )
}

const word = fc.stringMatching(/^[a-z][a-z0-9.-]{0,8}$/)
const leaf = fc.oneof(
  word,
  fc.integer(),
  fc.boolean(),
  fc.string({ maxLength: 12 }),
  fc.constant('a: b # c'),
  fc.constant('two\nlines\n'),
)
const fields = fc.dictionary(
  fc.oneof(word, fc.constantFrom('server', 'proxy-url', 'namespace', 'tls-server-name', 'extensions')),
  fc.oneof(leaf, fc.array(leaf, { maxLength: 3 }), fc.dictionary(word, leaf, { maxKeys: 3 })),
  { maxKeys: 4, noNullPrototype: true },
)
const list = (key: string) =>
  fc.option(
    fc.uniqueArray(fc.record({ name: word, [key]: fields }), { maxLength: 4, selector: ({ name }) => name }),
    { nil: undefined },
  )
const config = fc
  .record({
    apiVersion: fc.constant('v1'),
    kind: fc.constant('Config'),
    preferences: fc.constant({}),
    'current-context': word,
    clusters: list('cluster'),
    contexts: list('context'),
    users: list('user'),
  })
  .map((record) => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)))
const asText = fc
  .tuple(config, fc.constantFrom('block', 'indented', 'flow', 'json', 'pretty json', 'crlf'))
  .map(([file, style]) => {
    if (style === 'json') return JSON.stringify(file)
    if (style === 'pretty json') return JSON.stringify(file, undefined, 2)
    if (style === 'flow') {
      return Object.entries(file)
        .map(([key, value]) => `${key}: ${JSON.stringify(value)} # of ${key}\n`)
        .join('')
    }
    const text = stringify(file, { indentSeq: style === 'indented', lineWidth: 0 })
    return style === 'crlf' && !/[|>]/.test(text) ? text.replaceAll('\n', '\r\n') : text
  })

describe('any kubeconfig', () => {
  it('has the cluster after, and all else that it had', () => {
    fc.assert(
      fc.property(asText, (text) => {
        const before = values(text)
        const after = values(add(text))
        const own = { certificateAuthority: 'Y2E=' }
        expect(after.clusters?.at(-1)).toMatchObject({
          name: 'tcolima',
          cluster: { server: access.server, 'certificate-authority-data': own.certificateAuthority },
        })
        for (const key of ['clusters', 'contexts', 'users'] as const) {
          expect(after[key]?.slice(0, -1)).toEqual(before[key] ?? [])
        }
        const { clusters: _c, contexts: _x, users: _u, ...rest } = after
        const { clusters: _c2, contexts: _x2, users: _u2, ...restBefore } = before
        expect(rest).toEqual(restBefore)
      }),
      { numRuns: 60 },
    )
  })

  it('is as before once the cluster is taken away', () => {
    fc.assert(
      fc.property(asText, (text) => {
        expect(values(remove(add(text)))).toEqual(values(text))
      }),
      { numRuns: 60 },
    )
  })

  it('in the style of kubectl is the same to the character once the cluster is taken away', () => {
    const whole = config.filter(({ clusters, contexts, users }) =>
      [clusters, contexts, users].every((each) => Array.isArray(each) && each.length > 0),
    )
    fc.assert(
      fc.property(whole, fc.boolean(), (file, indentSeq) => {
        const text = stringify(file, { indentSeq, lineWidth: 0 })
        expect(remove(add(text))).toBe(text)
      }),
      { numRuns: 60 },
    )
  })

  it('is not touched by a second time', () => {
    fc.assert(
      fc.property(asText, (text) => {
        const once = add(text)
        expect(add(once)).toBe(once)
      }),
      { numRuns: 25 },
    )
  })

  it('gets another current context and nothing else', () => {
    fc.assert(
      fc.property(asText, word, (text, context) => {
        expect(values(withCurrent(text, 'config', context))).toEqual({
          ...values(text),
          'current-context': context,
        })
      }),
      { numRuns: 25 },
    )
  })
})

const kubectlStyle = `# mine
apiVersion: v1
clusters:
- cluster: # of the office
    server: https://192.0.2.9
    proxy-url: socks5://localhost:1080
  name: work
# the end of the clusters
contexts:
- context: {cluster: work, user: work, namespace: ns}
  name: work
current-context: "work" # quoted
kind: Config
preferences: {}
users:

- name: work   # the last
  user:
    exec:
      command: get-token
      args: [ a,  b ]
`

describe('odd files', () => {
  it('keep comments, quotes and spacing', () => {
    const text = add(kubectlStyle)
    let rest = text
    for (const line of kubectlStyle.split('\n')) {
      expect(rest).toContain(line)
      rest = rest.slice(rest.indexOf(line) + line.length)
    }
    expect(remove(text)).toBe(kubectlStyle)
  })

  it('keep what the user added to the entries of tcolima', () => {
    const own = add(kubectlStyle)
      .replace('cluster: tcolima\n', 'cluster: tcolima\n    namespace: mine\n')
      .replace('server: https://127.0.0.1:6443', 'server: https://127.0.0.1:6443\n    proxy-url: http://p')
    const moved = add(own, 'tcolima', { ...access, server: 'https://127.0.0.1:7000' })
    expect(moved).toContain('namespace: mine')
    expect(moved).toContain('proxy-url: http://p')
    expect(moved).toContain('https://127.0.0.1:7000')
    expect(moved).not.toContain('6443')
  })

  it.each([
    ['an empty file', ''],
    ['blank lines', '\n\n'],
    ['a comment alone', '# nothing yet\n'],
    ['a document mark', '---\napiVersion: v1\nkind: Config\n'],
    ['lists that are null', 'clusters: null\ncontexts:\nusers: ~\n'],
    ['lists that are empty', 'clusters: []\ncontexts: [] # none\nusers: [\n]\n'],
    ['no newline at the end', kubectlStyle.trimEnd()],
    ['a byte order mark', `\uFEFF${kubectlStyle}`],
    ['Windows lines', kubectlStyle.replaceAll('\n', '\r\n')],
    [
      'flow lists',
      'current-context: work\nclusters: [{name: work, cluster: {server: "https://192.0.2.9"}}]\ncontexts: [{name: work, context: {cluster: work, user: work, namespace: ns}}]\nusers: [{name: work, user: {token: t}}]\n',
    ],
    ['all in one line', '{"clusters":[{"name":"work","cluster":{}}],"contexts":null,"users":[]}'],
    [
      'anchors',
      'clusters:\n- &c {name: work, cluster: {server: x}}\ncontexts: []\nusers: []\nextensions: [*c]\n',
    ],
    [
      'a literal block at the end of a list',
      'clusters:\n- name: work\n  cluster:\n    note: |\n      a\n      b\n# after\ncontexts: []\nusers: []\n',
    ],
    [
      'dashes with comments',
      'clusters:\n- # - one\n  name: work\n  cluster: {}\n-\n  name: two\n  cluster: {}\ncontexts: []\nusers: []\n',
    ],
    ['an entry without a name', 'clusters:\n- cluster: {server: x}\n- null\ncontexts: []\nusers: []\n'],
    [
      'an entry that is there twice',
      'clusters:\n- {name: tcolima, cluster: {}}\n- {name: tcolima, cluster: {}}\ncontexts: []\nusers: []\n',
    ],
  ])('%s', (_what, text) => {
    const comments = (from: string) => from.match(/# [a-z -]*/g) ?? []
    const added = add(text)
    expect(contextsIn(added, 'config').names).toContain('tcolima')
    expect(comments(added)).toEqual(comments(text))
    const removed = remove(added)
    expect(contextsIn(removed, 'config').names).not.toContain('tcolima')
    expect(removed).not.toContain('tcolima')
    expect(comments(removed)).toEqual(comments(text))
    if (!text.includes('tcolima')) {
      const { apiVersion: _a, kind: _k, ...rest } = values(removed)
      const { apiVersion: _b, kind: _l, ...before } = values(text)
      expect(rest).toEqual(before)
    }
  })

  it.each([
    ['broken YAML', 'clusters: [\n', /config:\d+:\d+/],
    ['a list', '- a\n', /config:1:1/],
    ['a key twice', 'kind: Config\nkind: Config\n', /twice/],
    ['two documents', 'kind: Config\n---\nkind: Config\n', /one YAML document/],
    ['a list that is none', 'clusters: {a: b}\n', /clusters is no list/],
    ['another kind', 'kind: Pod\n', /kind/],
  ])('%s is refused by name', (_what, text, message) => {
    expect(() => add(text)).toThrow(message)
    expect(() => add(text)).toThrow(/config/)
  })

  it('several instances stand side by side', () => {
    const both = add(add(kubectlStyle), 'tcolima-work')
    expect(contextsIn(both, 'config')).toEqual({
      current: 'work',
      names: ['work', 'tcolima', 'tcolima-work'],
    })
    expect(remove(remove(both), 'tcolima-work')).toBe(kubectlStyle)
  })
})
