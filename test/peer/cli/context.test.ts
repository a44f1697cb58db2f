import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { execaSync } from 'execa'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { run } from '../../../src/host/run.ts'
import { leaveContext, removeContext, showContext } from '../../../src/runtime/docker-api/context.ts'

let folder: string
let home: string
let dockerConfig: string

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-context-'))
  home = path.join(folder, 'home')
  dockerConfig = path.join(folder, 'docker')
  mkdirSync(dockerConfig)
  for (const name of ['one', 'two']) mkdirSync(path.join(home, name), { recursive: true })
  const settings = { credsStore: 'none', auths: { 'r.test': { auth: 'eDp5' } }, psFormat: 'x' }
  writeFileSync(path.join(dockerConfig, 'config.json'), JSON.stringify(settings), { mode: 0o600 })
  docker('context', 'create', 'other', '--docker', 'host=unix:///tmp/other.sock')
  docker('context', 'use', 'other')
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

const env = (more: NodeJS.ProcessEnv = {}) => ({
  PATH: process.env.PATH,
  HOME: folder,
  DOCKER_CONFIG: dockerConfig,
  ...more,
})

function docker(...args: string[]): string {
  return execaSync('docker', args, { env: env(), extendEnv: false }).stdout
}

/** An instance as the functions take it; its docker client has this test's settings. */
function instance(name: string, more: NodeJS.ProcessEnv = {}) {
  const own: typeof run = (command, args, options) =>
    run(command, args, { ...options, env: { ...env(more), ...options?.env } })
  return { name: `tcolima-${name}`, folder: path.join(home, name), env: env(more), run: own }
}

const show = async (name: string, activate = true, more: NodeJS.ProcessEnv = {}) =>
  await showContext({ ...instance(name, more), socket: `/s/${name}.sock`, activate })

const active = () => docker('context', 'inspect', '--format', '{{.Name}}')
const hostOf = (name: string) =>
  docker('context', 'inspect', '-f', '{{.Endpoints.docker.Host}}', `tcolima-${name}`)
const all = () => docker('context', 'ls', '-q').split('\n')

describe('the docker context (B46)', () => {
  it('is made and active, and the user is back where they were after a stop', async () => {
    expect(await show('one')).toEqual({ detail: 'tcolima-one' })
    expect([active(), hostOf('one')]).toEqual(['tcolima-one', 'unix:///s/one.sock'])
    await leaveContext(instance('one'))
    expect(active()).toBe('other')
    expect(all()).toContain('tcolima-one')
  })

  it('is gone after a delete', async () => {
    await show('one')
    await removeContext(instance('one'))
    expect([active(), all().includes('tcolima-one')]).toEqual(['other', false])
    await removeContext(instance('one'))
  })

  it('keeps the rest of the settings of docker, and their mode', async () => {
    await show('one')
    const file = path.join(dockerConfig, 'config.json')
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
      credsStore: 'none',
      auths: { 'r.test': { auth: 'eDp5' } },
      psFormat: 'x',
    })
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  it('follows a socket that moved', async () => {
    await show('one')
    await showContext({ ...instance('one'), socket: '/elsewhere.sock', activate: true })
    expect(hostOf('one')).toBe('unix:///elsewhere.sock')
    await leaveContext(instance('one'))
    expect(active()).toBe('other')
  })

  it('is left alone when it is not to be active', async () => {
    expect(await show('one', false)).toEqual({ detail: 'tcolima-one, not active' })
    expect(active()).toBe('other')
    await leaveContext(instance('one'))
    expect(active()).toBe('other')
  })

  it('does not undo what the user chose meanwhile', async () => {
    await show('one')
    docker('context', 'use', 'default')
    await leaveContext(instance('one'))
    expect(active()).toBe('default')
  })

  it('gives way to default when the former one is gone', async () => {
    await show('one')
    docker('context', 'rm', 'other')
    await leaveContext(instance('one'))
    expect(active()).toBe('default')
  })

  it.each([
    ['the first stops first', ['one', 'two']],
    ['the last stops first', ['two', 'one']],
  ])('of two machines leads back where the user was: %s', async (_what, order) => {
    await show('one')
    await show('two')
    await leaveContext(instance(order[0]!))
    expect(active()).toBe(`tcolima-${order[1]}`)
    await leaveContext(instance(order[1]!))
    expect(active()).toBe('other')
  })
})

describe('what hides it or stands in its way', () => {
  it('is told: DOCKER_HOST', async () => {
    const { warning } = await show('one', true, { DOCKER_HOST: 'unix:///x.sock' })
    expect(warning?.text).toContain('DOCKER_HOST is set')
    expect(active()).toBe('tcolima-one')
    await leaveContext(instance('one', { DOCKER_HOST: 'unix:///x.sock' }))
    expect(active()).toBe('other')
  })

  it('is told: no docker client', async () => {
    const shown = await showContext({
      ...instance('one'),
      env: { PATH: folder },
      socket: '/s.sock',
      activate: true,
    })
    expect(shown.warning?.hint).toContain('export DOCKER_HOST=unix:///s.sock')
  })

  it('is told: a client that fails', async () => {
    const bin = path.join(folder, 'bin')
    mkdirSync(bin)
    writeFileSync(path.join(bin, 'docker'), '#!/bin/sh\necho broken >&2\nexit 1\n')
    chmodSync(path.join(bin, 'docker'), 0o755)
    const shown = await show('one', true, { PATH: `${bin}:${process.env.PATH}` })
    expect(shown.warning?.text).toContain('broken')
    await leaveContext(instance('one', { PATH: `${bin}:${process.env.PATH}` }))
  })
})
