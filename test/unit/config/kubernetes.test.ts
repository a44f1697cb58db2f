import { describe, expect, it } from 'vitest'
import { flagChanges } from '../../../src/config/flags.ts'
import { parseConfig } from '../../../src/config/load.ts'
import { applyChanges } from '../../../src/config/save.ts'
import { configTemplate } from '../../../src/config/template.ts'
import { errorOf, facts } from './facts.ts'

const file = (text: string, flags: Parameters<typeof flagChanges>[0] = {}) =>
  parseConfig(text, 'f.yaml', flagChanges(flags, facts), facts).config.kubernetes

describe('the settings of the cluster', () => {
  it.each([
    ['', { enabled: false, version: '', k3sArgs: ['--disable=traefik'], port: 0, join: '' }],
    ['kubernetes:\n', { enabled: false, version: '', k3sArgs: ['--disable=traefik'], port: 0, join: '' }],
    [
      'kubernetes: {enabled: true, version: 1.33.1-k3s1, port: 7000}',
      { enabled: true, version: 'v1.33.1+k3s1', k3sArgs: ['--disable=traefik'], port: 7000, join: '' },
    ],
    ['kubernetes: {k3sArgs: []}', { enabled: false, version: '', k3sArgs: [], port: 0, join: '' }],
    [
      'kubernetes: {k3sArgs: null, version: null, port: null, enabled: null}',
      { enabled: false, version: '', k3sArgs: ['--disable=traefik'], port: 0, join: '' },
    ],
    [
      'kubernetes: {disable: [traefik, servicelb]}',
      {
        enabled: false,
        version: '',
        k3sArgs: ['--disable=traefik', '--disable=servicelb'],
        port: 0,
        join: '',
      },
    ],
  ])('%s', (text, kubernetes) => expect(file(text)).toEqual(kubernetes))

  it('may be what k3s has beside what is tcolima’s', () => {
    const k3sArgs = [
      '--token=x',
      '--agent-token=y',
      '--tls-san=a',
      '--node-label=server=1',
      '--node-external-ip=1.2.3.4',
    ]
    expect(file(`kubernetes: {k3sArgs: ${JSON.stringify(k3sArgs)}}`).k3sArgs).toEqual(k3sArgs)
  })

  it('of flags go before those of the file, each by itself', () => {
    const flags = {
      kubernetes: true,
      kubernetesVersion: 'v1.32.0+k3s1',
      k3sArg: ['--disable=metrics-server', '--a=b c'],
    }
    expect(file('kubernetes: {port: 7000, k3sArgs: [--x]}', flags)).toEqual({
      enabled: true,
      version: 'v1.32.0+k3s1',
      k3sArgs: ['--disable=metrics-server', '--a=b c'],
      port: 7000,
      join: '',
    })
  })

  it('a cluster to join turns it on, unless told not to', () => {
    expect(flagChanges({ kubernetesJoin: 'tcolima' }, facts).kubernetes).toEqual({
      enabled: true,
      join: 'default',
    })
    expect(flagChanges({ kubernetesJoin: 'a', kubernetes: false }, facts).kubernetes).toEqual({
      enabled: false,
      join: 'a',
    })
    expect(flagChanges({ kubernetesJoin: '' }, facts).kubernetes).toEqual({ join: '' })
    expect(file('kubernetes: {join: work}').join).toBe('work')
  })

  it('are saved where they changed, and nothing else', () => {
    const text = applyChanges(configTemplate(), flagChanges({ kubernetes: true, k3sArg: ['--x=y'] }, facts))
    expect(file(text)).toEqual({ enabled: true, version: '', k3sArgs: ['--x=y'], port: 0, join: '' })
    expect(text.replace(/kubernetes:\n(?: {2}.*\n)+/, '')).toBe(
      configTemplate().replace(/kubernetes:\n(?: {2}.*\n)+/, ''),
    )
  })

  it.each([
    ['kubernetes: true', 'must be a map'],
    ['kubernetes: {enabled: 1}', 'kubernetes.enabled must be true or false'],
    ['kubernetes: {version: latest}', 'kubernetes.version must be a release of k3s'],
    ['kubernetes: {join: [a]}', 'kubernetes.join must be the name of a profile'],
    ['kubernetes: {port: 80}', 'kubernetes.port must be a port'],
    ['kubernetes: {k3sArgs: --x}', 'must be a list of arguments'],
    ['kubernetes: {k3sArgs: ["a\\nb"]}', 'must be an argument of k3s server'],
    [
      'kubernetes: {k3sArgs: [--node-name=x]}',
      'must not be --node-name: the node has the name of its machine',
    ],
    ['kubernetes: {k3sArgs: [-i, 10.0.0.1]}', 'must not be -i: tcolima gives nodes their addresses'],
    ['kubernetes: {k3sArgs: [--docker]}', 'runtime decides'],
  ])('%s is refused', (text, message) => {
    expect(errorOf(() => file(text)).message).toContain(message)
  })

  it.each([
    [{ kubernetesVersion: 'v1' }, '--kubernetes-version must be a release'],
    [{ kubernetesPort: 'x' }, '--kubernetes-port must be a port'],
    [{ kubernetesJoin: '../x' }, '--kubernetes-join must be the name of a profile'],
    [{ k3sArg: [''] }, '--k3s-arg must be an argument'],
    [{ k3sArg: ['--server', 'https://x'] }, '--k3s-arg must not be --server: kubernetes.join'],
  ])('%j is refused', (flags, message) =>
    expect(errorOf(() => flagChanges(flags, facts)).message).toContain(message),
  )
})
