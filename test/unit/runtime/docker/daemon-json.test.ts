import { describe, expect, test } from 'vitest'
import { daemonJson } from '../../../../src/runtime/docker/daemon-json.ts'
import { engineNamed } from '../../../../src/runtime/engines.ts'

const settings = (docker: Record<string, unknown>, ociRuntime: '' | 'runc' | 'crun' = '') => ({
  docker,
  ociRuntime,
  rootless: false,
})
const gateway = { 'host-gateway-ip': '10.0.2.2' }

describe('daemonJson', () => {
  test.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ['nothing of the user', {}, gateway],
    [
      'keys beside ours',
      { features: { buildkit: true }, 'insecure-registries': ['r:5000'] },
      { ...gateway, features: { buildkit: true }, 'insecure-registries': ['r:5000'] },
    ],
    ['the user wins', { 'host-gateway-ip': '1.2.3.4' }, { 'host-gateway-ip': '1.2.3.4' }],
    ['also with another kind of value', { 'host-gateway-ip': null }, { 'host-gateway-ip': null }],
    [
      'deep values stay whole',
      { a: { b: { c: [1, { d: 2 }] } } },
      { ...gateway, a: { b: { c: [1, { d: 2 }] } } },
    ],
  ])('%s', (_, user, expected) => {
    const text = daemonJson(settings(user))
    expect(JSON.parse(text)).toEqual(expected)
    expect(text.endsWith('}\n')).toBe(true)
  })

  test('crun, with runtimes of the user beside it', () => {
    const user = { runtimes: { kata: { path: '/k' } } }
    expect(JSON.parse(daemonJson(settings(user, 'crun')))).toEqual({
      ...gateway,
      'default-runtime': 'crun',
      runtimes: { crun: { path: '/usr/bin/crun' }, kata: { path: '/k' } },
    })
    expect(JSON.parse(daemonJson(settings({}, 'runc')))).toEqual(gateway)
  })

  test('takes nothing over from one instance to the next', () => {
    daemonJson(settings({ 'host-gateway-ip': '1.2.3.4' }))
    expect(JSON.parse(daemonJson(settings({})))).toEqual(gateway)
  })
})

test('the docker engine puts it on the seed disk', () => {
  const engine = engineNamed('docker')
  expect(engine.seedFiles(settings({ debug: true }))).toEqual({
    'daemon.json': daemonJson(settings({ debug: true })),
  })
  expect(engine.sockets.map((socket) => socket.name)).toEqual(['docker.sock'])
})
