import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execaSync } from 'execa'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { leaveCluster, removeCluster, showCluster } from '../../../src/runtime/kubernetes/kubeconfig.ts'

const access = {
  server: 'https://127.0.0.1:6443',
  certificateAuthority: Buffer.from('ca').toString('base64'),
  clientCertificate: Buffer.from('cert').toString('base64'),
  clientKey: Buffer.from('key').toString('base64'),
}

const work = `apiVersion: v1
kind: Config
current-context: work # of the office
clusters: [{name: work, cluster: {server: "https://192.0.2.9"}}]
contexts: [{name: work, context: {cluster: work, user: work, namespace: ns}}]
users: [{name: work, user: {token: t}}]
`

let folder: string
let home: string
let real: string
let list: string

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-kubeconfig-'))
  home = path.join(folder, 'home')
  for (const name of ['default', 'two']) mkdirSync(path.join(home, '.tcolima', name), { recursive: true })
  real = path.join(folder, 'real')
  writeFileSync(real, work, { mode: 0o600 })
  symlinkSync('real', path.join(folder, 'a'))
  list = [path.join(folder, 'a'), path.join(folder, 'b')].join(':')
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

function kubectl(args: string[], KUBECONFIG = list): string {
  const env = { PATH: process.env.PATH, HOME: home, ...(KUBECONFIG === '' ? {} : { KUBECONFIG }) }
  return execaSync('kubectl', args, { env, extendEnv: false }).stdout
}

/** The current context and all of them, as kubectl sees them. */
function seen(files = list): [string, string[]] {
  const view = JSON.parse(kubectl(['config', 'view', '-o', 'json'], files)) as {
    'current-context': string
    contexts: { name: string }[] | null
  }
  return [view['current-context'], (view.contexts ?? []).map(({ name }) => name).sort()]
}

const contexts = (files = list) => seen(files)[1]
const current = (files = list) => seen(files)[0]

function instance(name = 'tcolima', KUBECONFIG = list) {
  const profile = name === 'tcolima' ? 'default' : name.slice('tcolima-'.length)
  const env = KUBECONFIG === '' ? {} : { KUBECONFIG }
  return { name, folder: path.join(home, '.tcolima', profile), env, home }
}

const show = async (activate = true, of = instance()) => await showCluster({ ...of, access, activate })

describe('several files in KUBECONFIG (B45)', () => {
  it('the cluster gets the file that is not there yet, and the others keep their entries, links and modes', async () => {
    expect(await show()).toEqual({ detail: `tcolima in ${path.join(folder, 'b')}` })
    expect(seen()).toEqual(['tcolima', ['tcolima', 'work']])
    expect(lstatSync(path.join(folder, 'a')).isSymbolicLink()).toBe(true)
    expect(statSync(real).mode & 0o777).toBe(0o600)
    expect(statSync(path.join(folder, 'b')).mode & 0o777).toBe(0o600)
    // The current context is named in this file: nothing else of it is another.
    expect(readFileSync(real, 'utf8')).toBe(work.replace('current-context: work', 'current-context: tcolima'))
    expect(
      kubectl([
        'config',
        'view',
        '--raw',
        '-o',
        'jsonpath={.users[?(@.name=="tcolima")].user.client-key-data}',
      ]),
    ).toBe(access.clientKey)
  })

  it('a stop puts the current context back, a delete takes all of it away', async () => {
    await show()
    expect(await leaveCluster(instance())).toEqual([])
    expect(seen()).toEqual(['work', ['tcolima', 'work']])
    await show()
    expect(current()).toBe('tcolima')
    expect(await removeCluster(instance())).toEqual([])
    expect(readFileSync(real, 'utf8')).toBe(work)
    expect(kubectl(['config', 'view', '--raw', '-o', 'json'])).toBe(
      kubectl(['config', 'view', '--raw', '-o', 'json'], real),
    )
  })

  it('a delete with another KUBECONFIG finds the files of the start', async () => {
    await show()
    await removeCluster(instance('tcolima', path.join(folder, 'elsewhere')))
    expect(seen()).toEqual(['work', ['work']])
  })

  it('is not activated when that is not wanted', async () => {
    expect((await show(false)).detail).toContain('not current')
    expect(seen()).toEqual(['work', ['tcolima', 'work']])
    expect(readFileSync(real, 'utf8')).toBe(work)
    await removeCluster(instance())
    expect(contexts()).toEqual(['work'])
  })

  it('the context that the user chose meanwhile stays', async () => {
    await show()
    kubectl(['config', 'use-context', 'work'])
    await leaveCluster(instance())
    expect(current()).toBe('work')
  })

  it('of two instances none goes back to one that is stopped', async () => {
    await show()
    await show(true, instance('tcolima-two'))
    expect(current()).toBe('tcolima-two')
    await leaveCluster(instance())
    await leaveCluster(instance('tcolima-two'))
    expect(current()).toBe('work')
  })
})

describe('the usual file', () => {
  const usual = () => path.join(home, '.kube', 'config')

  it('is made with mode 0600, and what kubectl adds stays', async () => {
    await show(true, instance('tcolima', ''))
    expect(statSync(usual()).mode & 0o777).toBe(0o600)
    expect(current('')).toBe('tcolima')
    kubectl(['config', 'set-cluster', 'other', '--server=https://192.0.2.1'], '')
    kubectl(['config', 'set-context', '--current', '--namespace=mine'], '')
    await show(true, instance('tcolima', ''))
    expect(kubectl(['config', 'view', '--minify', '-o', 'jsonpath={..namespace}'], '')).toBe('mine')
    await removeCluster(instance('tcolima', ''))
    expect(
      kubectl(['config', 'view', '-o', 'jsonpath={.clusters[*].name} {.contexts} {.users}'], ''),
    ).toMatch(/^other/)
  })

  it('has a copy of what it was beside it', async () => {
    mkdirSync(path.dirname(usual()))
    writeFileSync(usual(), work, { mode: 0o640 })
    chmodSync(usual(), 0o640)
    await show(true, instance('tcolima', ''))
    await show(true, instance('tcolima', ''))
    expect(readFileSync(`${usual()}.before-tcolima`, 'utf8')).toBe(work)
    expect(statSync(`${usual()}.before-tcolima`).mode & 0o777).toBe(0o600)
    expect(statSync(usual()).mode & 0o777).toBe(0o640)
  })

  it('is changed after kubectl, which holds its lock', async () => {
    mkdirSync(path.dirname(usual()))
    writeFileSync(usual(), work)
    writeFileSync(`${usual()}.lock`, '')
    const shown = show(true, instance('tcolima', ''))
    await new Promise((resolve) => setImmediate(resolve))
    expect(readFileSync(usual(), 'utf8')).toBe(work)
    rmSync(`${usual()}.lock`)
    expect((await shown).warning).toBeUndefined()
    expect(existsSync(`${usual()}.lock`)).toBe(false)
  })
})

describe('a file that cannot be changed', () => {
  it.each([
    ['that is broken', (file: string) => writeFileSync(file, 'clusters: [\n')],
    ['that is a folder', (file: string) => mkdirSync(file)],
  ])('%s stays as it is, with a warning that says how to go on', async (_what, make) => {
    const file = path.join(folder, 'odd')
    make(file)
    const before = statSync(file).isFile() ? readFileSync(file, 'utf8') : ''
    const { warning } = await show(true, instance('tcolima', file))
    expect(warning?.text).toContain(file)
    expect(warning?.hint).toContain('tcolima kubernetes kubeconfig')
    if (statSync(file).isFile()) expect(readFileSync(file, 'utf8')).toBe(before)
    expect(readdirSync(folder).filter((name) => name.includes('odd'))).toEqual(['odd'])
  })

  it('that broke since keeps the cluster, with a warning, and a later delete takes it away', async () => {
    await show()
    const file = path.join(folder, 'b')
    const good = readFileSync(file, 'utf8')
    writeFileSync(file, `${good}\tbroken`)
    expect(await removeCluster(instance())).toEqual([expect.stringContaining(file)])
    expect(readFileSync(file, 'utf8')).toBe(`${good}\tbroken`)
    expect(readFileSync(real, 'utf8')).toBe(work)
    writeFileSync(file, good)
    expect(await removeCluster(instance())).toEqual([])
    expect(contexts()).toEqual(['work'])
  })
})
