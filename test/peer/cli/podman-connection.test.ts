import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execaSync } from 'execa'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { run } from '../../../src/host/run.ts'
import { removeConnection, showConnection } from '../../../src/runtime/podman/connection.ts'

let folder: string
let home: string

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-connection-'))
  home = path.join(folder, 'home')
  for (const name of ['one', 'two']) mkdirSync(path.join(home, name), { recursive: true })
  writeFileSync(path.join(folder, 'containers.conf'), '')
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Podman's settings in a file of the test's own: version 4 has connections in the first one, 5 in the other. */
const env = (more: NodeJS.ProcessEnv = {}) => ({
  PATH: process.env.PATH,
  HOME: folder,
  CONTAINERS_CONF: path.join(folder, 'containers.conf'),
  PODMAN_CONNECTIONS_CONF: path.join(folder, 'connections.json'),
  ...more,
})

function podman(...args: string[]): string {
  return execaSync('podman', ['system', 'connection', ...args], { env: env(), extendEnv: false }).stdout
}

/** An instance as the functions take it; its podman client has this test's settings. */
function instance(name: string, more: NodeJS.ProcessEnv = {}) {
  const own: typeof run = (command, args, options) =>
    run(command, args, { ...options, env: { ...env(more), ...options?.env } })
  return { name: `tcolima-${name}`, folder: path.join(home, name), env: env(more), run: own }
}

const show = async (name: string, activate = true, more: NodeJS.ProcessEnv = {}) =>
  await showConnection({ ...instance(name, more), socket: `/s/${name}.sock`, activate })

/** All connections: names and places, the default one with a star. */
function all(): string[] {
  const listed = JSON.parse(podman('list', '--format', 'json')) as {
    Name: string
    URI: string
    Default: boolean
  }[]
  return listed.map(({ Name, URI, Default }) => `${Default ? '*' : ''}${Name} ${URI}`).sort()
}

const other = () => podman('add', 'other', 'unix:///o.sock')

describe('the podman connection', () => {
  it('is made and the default, and goes with the machine', async () => {
    expect(await show('one')).toEqual({ detail: 'tcolima-one' })
    expect(all()).toEqual(['*tcolima-one unix:///s/one.sock'])
    await removeConnection(instance('one'))
    expect(all()).toEqual([])
    await removeConnection(instance('one'))
  })

  it('leaves the user where they were', async () => {
    other()
    await show('one')
    expect(all()).toEqual(['*tcolima-one unix:///s/one.sock', 'other unix:///o.sock'])
    await removeConnection(instance('one'))
    expect(all()).toEqual(['*other unix:///o.sock'])
  })

  it('follows a socket that moved', async () => {
    other()
    await show('one')
    await showConnection({ ...instance('one'), socket: '/elsewhere.sock', activate: true })
    expect(all()).toEqual(['*tcolima-one unix:///elsewhere.sock', 'other unix:///o.sock'])
    await removeConnection(instance('one'))
    expect(all()).toEqual(['*other unix:///o.sock'])
  })

  it('is not the default when it is not to be active', async () => {
    other()
    expect(await show('one', false)).toEqual({ detail: 'tcolima-one, not active' })
    expect(all()).toEqual(['*other unix:///o.sock', 'tcolima-one unix:///s/one.sock'])
  })

  it('does not undo what the user chose meanwhile', async () => {
    other()
    await show('one')
    podman('add', 'third', 'unix:///t.sock')
    podman('default', 'third')
    await removeConnection(instance('one'))
    expect(all()).toEqual(['*third unix:///t.sock', 'other unix:///o.sock'])
  })

  it.each([
    ['the first stops first', ['one', 'two']],
    ['the last stops first', ['two', 'one']],
  ])('of two machines leads back where the user was: %s', async (_what, order) => {
    other()
    await show('one')
    await show('two')
    await removeConnection(instance(order[0]!))
    expect(all()[0]).toContain(`*tcolima-${order[1]}`)
    await removeConnection(instance(order[1]!))
    expect(all()).toEqual(['*other unix:///o.sock'])
  })
})

describe('what hides it or stands in its way', () => {
  it.each(['CONTAINER_HOST', 'CONTAINER_CONNECTION'])('is told: %s', async (variable) => {
    const { warning } = await show('one', true, { [variable]: 'x' })
    expect(warning).toMatchObject({ hint: `unset ${variable}` })
    expect(all()).toEqual(['*tcolima-one unix:///s/one.sock'])
  })

  it('is told: no client at all, or nothing where docker is there', async () => {
    const shown = async () =>
      await showConnection({ ...instance('one'), env: { PATH: folder }, socket: '/s.sock', activate: true })
    expect((await shown()).warning?.hint).toContain('export CONTAINER_HOST=unix:///s.sock')
    writeFileSync(path.join(folder, 'docker'), '', { mode: 0o755 })
    expect(await shown()).toEqual({ detail: 'none' })
  })

  it('is told: a client that does not work; its removal is no error', async () => {
    writeFileSync(path.join(folder, 'podman'), '#!/bin/sh\necho broken >&2\nexit 1\n', { mode: 0o755 })
    const input = { ...instance('one'), env: { PATH: folder }, run: failing }
    const shown = await showConnection({ ...input, socket: '/s.sock', activate: true })
    expect([shown.detail, shown.warning?.text]).toEqual(['not made', expect.stringContaining('broken')])
    await removeConnection(input)
  })
})

const failing: typeof run = (command, args, options) =>
  run(path.join(folder, command), args, { ...options, env: { ...options?.env } })
