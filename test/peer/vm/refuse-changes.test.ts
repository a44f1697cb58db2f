import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { defaults } from '../../../src/config/defaults.ts'
import type { Config } from '../../../src/config/schema.ts'
import { GIB } from '../../../src/config/units.ts'
import { ensureDir } from '../../../src/host/files.ts'
import { instancePaths, type InstancePaths } from '../../../src/instance/paths.ts'
import { writeRecord } from '../../../src/instance/record.ts'
import { refuseChanges } from '../../../src/instance/refuse-changes.ts'
import { createDataDisk, diskSize, qcow2Size } from '../../../src/vm/disks.ts'
import { plainRecord } from '../../fixtures/record.ts'

let home: string
let paths: InstancePaths
beforeEach(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'tcolima-refuse-'))
  paths = instancePaths(home, 'work')
  await ensureDir(paths.folder)
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

const config: Config = { ...defaults, arch: 'x86_64', mounts: [], disk: 10 * GIB }
test('the size in the header is what qemu-img says', async () => {
  await createDataDisk(paths.dataDisk, 10.5 * GIB)
  expect(qcow2Size(paths.dataDisk)).toBe(await diskSize(paths.dataDisk))
  writeFileSync(paths.seed, Buffer.alloc(512))
  expect([qcow2Size(paths.seed), qcow2Size(path.join(home, 'none'))]).toEqual([undefined, undefined])
})

test('a smaller disk, and what is fixed, are refused by what is on the disk', async () => {
  await createDataDisk(paths.dataDisk, 20 * GIB)
  await createDataDisk(paths.rootDisk, 25 * GIB)
  await writeRecord(paths.record, plainRecord)
  expect(() => refuseChanges(paths, { ...config, arch: 'aarch64' })).toThrow(
    /^arch: .*\ndisk: the data disk has 20GiB and cannot shrink to 10GiB.*\nrootDisk: .*25GiB/,
  )
  expect(() => refuseChanges(paths, { ...config, disk: 20 * GIB, rootDisk: 25 * GIB })).not.toThrow()
})

test('without an instance only the data disk that a delete kept counts', async () => {
  const other = { ...config, arch: 'aarch64', mountType: '9p' } as const
  expect(() => refuseChanges(paths, other)).not.toThrow()
  await createDataDisk(paths.dataDisk, 20 * GIB)
  expect(() => refuseChanges(paths, other)).toThrow(/^disk: /)
})
