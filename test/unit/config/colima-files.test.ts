import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { parseConfig } from '../../../src/config/load.ts'
import { GIB } from '../../../src/config/units.ts'
import { facts } from './facts.ts'

const folder = path.join(import.meta.dirname, '../../fixtures/colima')
const host = { ...facts, totalMemory: 64 * GIB }
const read = (name: string) => parseConfig(readFileSync(path.join(folder, name), 'utf8'), name, {}, host)

/** For each file of Colima's users: what has no effect here. */
const withoutEffect: Record<string, string[]> = {
  'every-key.yaml': [
    'network.address',
    'network.mode',
    'network.interface',
    'network.preferredRoute',
    'network.hostAddresses',
    'network.gatewayAddress',
    'vmType',
    'portForwarder',
    'rosetta',
    'nestedVirtualization',
    'mountType',
    'diskImage',
    'modelRunner',
    'physicalDisks',
  ],
  'new-file.yaml': [],
  'old-file.yaml': ['network.driver', 'layer'],
  'apple-silicon.yaml': ['vmType', 'rosetta', 'mountType', 'network.address'],
  'proxy-and-ca.yaml': [],
}

test('each file has its line here', () => {
  expect(readdirSync(folder).sort()).toEqual(Object.keys(withoutEffect).sort())
})

test.each(Object.entries(withoutEffect))(
  '%s works, and one warning names what has no effect',
  (name, keys) => {
    const { warnings } = read(name)
    const named = warnings.map((warning) => warning.replace(/^.*: /, '').split(', '))
    expect(named).toEqual(keys.length === 0 ? [] : [keys])
  },
)

test('every key means what it means to Colima', () => {
  const { config } = read('every-key.yaml')
  expect(config).toMatchObject({
    cpus: 6,
    disk: 80 * GIB,
    memory: 10 * GIB,
    arch: 'x86_64',
    runtime: 'docker',
    hostname: 'box',
    activate: false,
    network: { dns: ['1.1.1.1', '8.8.8.8'], dnsHosts: { 'example.test': '1.2.3.4' } },
    forwardAgent: true,
    docker: { 'insecure-registries': ['myregistry.com:5000'] },
    binfmt: false,
    mountType: 'sshfs',
    mountInotify: true,
    cpuType: 'max',
    provision: [
      { mode: 'system', script: 'apt-get install -y htop' },
      { mode: 'user', script: '#!/bin/bash\necho hello\n' },
      { mode: 'after-boot', script: 'true' },
      { mode: 'ready', script: 'docker info' },
    ],
    sshConfig: false,
    sshPort: 2222,
    rootDisk: 30 * GIB,
    env: { KEY: 'value', NUMBER: '1' },
  })
  expect(config.mounts).toEqual([
    { location: '/home/ann/projects', mountPoint: '/work', writable: true },
    { location: '/tmp/colima', mountPoint: '/tmp/colima', writable: false },
  ])
})

test('anchors work', () => {
  expect(read('proxy-and-ca.yaml').config.env.https_proxy).toBe('http://proxy.example.com:3128')
})
