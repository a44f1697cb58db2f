import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Run } from '../../../../src/host/run.ts'
import { leaveContext, removeContext, showContext } from '../../../../src/runtime/docker-api/context.ts'
import { client } from './client.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'tcolima-context-'))
  await mkdir(path.join(dir, 'bin'))
  await writeFile(path.join(dir, 'bin/docker'), '', { mode: 0o755 })
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

function input(run: Run, env: NodeJS.ProcessEnv = {}, name = 'tcolima') {
  const folder = path.join(dir, name)
  return { name, folder, env: { PATH: path.join(dir, 'bin'), ...env }, run }
}

async function show(run: Run, activate = true, env: NodeJS.ProcessEnv = {}, name = 'tcolima') {
  await mkdir(path.join(dir, name), { recursive: true })
  return await showContext({ ...input(run, env, name), socket: `/i/${name}.sock`, activate })
}

const memory = (name = 'tcolima') => path.join(dir, name, 'docker-context.json')

describe('showContext', () => {
  test('makes the context and the active one', async () => {
    const { docker, run } = client()
    expect(await show(run)).toEqual({ detail: 'tcolima' })
    expect(docker).toMatchObject({
      active: 'tcolima',
      contexts: { default: '', tcolima: 'host=unix:///i/tcolima.sock' },
    })
  })

  test('one that is there is changed, also when it has another socket', async () => {
    const { docker, run } = client({ contexts: { tcolima: 'host=unix:///old' }, active: 'tcolima' })
    await show(run)
    expect(docker.contexts.tcolima).toBe('host=unix:///i/tcolima.sock')
    // Nothing was active before it that could be gone back to.
    expect(existsSync(memory())).toBe(false)
  })

  test('not to be active: made, and no more', async () => {
    const { docker, run } = client()
    expect(await show(run, false)).toEqual({ detail: 'tcolima, not active' })
    expect(docker.active).toBe('default')
  })

  test.each(['DOCKER_HOST', 'DOCKER_CONTEXT'])('%s hides it: a warning', async (variable) => {
    const { docker, run } = client()
    const result = await show(run, true, { [variable]: 'x' })
    expect(result).toMatchObject({ detail: 'tcolima', warning: { hint: `unset ${variable}` } })
    expect(docker.active).toBe('tcolima')
  })

  test('no client: a warning that says what other programs need', async () => {
    const { docker, run } = client()
    const result = await show(run, true, { PATH: path.join(dir, 'none') })
    expect(result).toMatchObject({
      detail: 'none',
      warning: { hint: expect.stringContaining('export DOCKER_HOST=unix:///i/tcolima.sock') },
    })
    expect(docker.ran).toEqual([])
  })

  test.each(['ls', 'create', 'inspect', 'use'])(
    '`docker context %s` fails: a warning, no error',
    async (fails) => {
      const { run } = client({ fails })
      const result = await show(run)
      expect(result.detail).toBe('not made')
      expect(result.warning?.text).toContain(`docker context ${fails} failed`)
      expect(result.warning?.hint).toBe('export DOCKER_HOST=unix:///i/tcolima.sock')
    },
  )
})

describe('leaveContext', () => {
  test('goes back to the one before', async () => {
    const { docker, run } = client({ contexts: { desktop: '' }, active: 'desktop' })
    await show(run)
    await leaveContext(input(run))
    expect(docker.active).toBe('desktop')
    expect(docker.contexts).toHaveProperty('tcolima')
    expect(existsSync(memory())).toBe(false)
  })

  test('a second start does not forget it', async () => {
    const { docker, run } = client({ contexts: { desktop: '' }, active: 'desktop' })
    await show(run)
    await show(run)
    await leaveContext(input(run))
    expect(docker.active).toBe('desktop')
  })

  test("keeps the user's later choice", async () => {
    const { docker, run } = client({ contexts: { desktop: '', remote: '' }, active: 'desktop' })
    await show(run)
    docker.active = 'remote'
    await leaveContext(input(run))
    expect(docker.active).toBe('remote')
    expect(existsSync(memory())).toBe(false)
  })

  test.each<[string, (docker: { contexts: Record<string, string> }) => Promise<void>]>([
    ['it was removed since', async (docker) => void Reflect.deleteProperty(docker.contexts, 'desktop')],
    ['nobody knows it', async () => await rm(memory())],
    ['its file is broken', async () => await writeFile(memory(), '{"before":3}')],
    ['its file is cut short', async () => await writeFile(memory(), '{')],
  ])('goes to the default when %s', async (_, spoil) => {
    const { docker, run } = client({ contexts: { desktop: '' }, active: 'desktop' })
    await show(run)
    await spoil(docker)
    await leaveContext(input(run))
    expect(docker.active).toBe('default')
  })

  test('two machines, the later one stopped first', async () => {
    const { docker, run } = client({ contexts: { desktop: '' }, active: 'desktop' })
    await show(run)
    await show(run, true, {}, 'tcolima-b')
    await leaveContext(input(run, {}, 'tcolima-b'))
    expect(docker.active).toBe('tcolima')
    await leaveContext(input(run))
    expect(docker.active).toBe('desktop')
  })

  test('two machines, the earlier one stopped first: none goes back to one that is stopped', async () => {
    const { docker, run } = client({ contexts: { desktop: '' }, active: 'desktop' })
    await show(run)
    await show(run, true, {}, 'tcolima-b')
    await leaveContext(input(run))
    expect(docker.active).toBe('tcolima-b')
    await leaveContext(input(run, {}, 'tcolima-b'))
    expect(docker.active).toBe('desktop')
  })

  test.each(['inspect', 'ls', 'use'])('a client whose `%s` fails is no error', async (fails) => {
    const { run } = client({ contexts: { tcolima: '' }, active: 'tcolima', fails })
    await expect(leaveContext(input(run))).resolves.toBeUndefined()
  })
})

describe('removeContext', () => {
  test('leaves it and removes it', async () => {
    const { docker, run } = client({ contexts: { desktop: '' }, active: 'desktop' })
    await show(run)
    await removeContext(input(run))
    expect(docker).toMatchObject({ active: 'desktop', contexts: { default: '', desktop: '' } })
    expect(docker.contexts).not.toHaveProperty('tcolima')
  })
  test('no client, or one that fails: no error', async () => {
    await removeContext(input(client({ fails: 'rm' }).run))
    const { docker, run } = client()
    await removeContext(input(run, { PATH: '' }))
    expect(docker.ran).toEqual([])
  })
})
