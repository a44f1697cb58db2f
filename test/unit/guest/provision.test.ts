import { expect, test } from 'vitest'
import { hasScripts, provisionFailures, provisionFiles } from '../../../src/guest/provision.ts'

test('files by the order in which they run; a script without an interpreter is the shell\u2019s', () => {
  const files = provisionFiles([
    { mode: 'ready', script: 'a' },
    { mode: 'user', script: 'b' },
    { mode: 'system', script: '#!/usr/bin/perl\nc' },
    { mode: 'after-boot', script: 'd' },
    { mode: 'system', script: 'e' },
  ])
  const inOrder = Object.keys(files).sort()
  expect(inOrder).toEqual([
    'provision/0.0002.system',
    'provision/0.0004.system',
    'provision/1.0001.user',
    'provision/2.0003.after-boot',
    'provision/3.0000.ready',
  ])
  expect(inOrder.map((name) => files[name])).toEqual([
    '#!/usr/bin/perl\nc',
    '#!/bin/sh\ne',
    '#!/bin/sh\nb',
    '#!/bin/sh\nd',
    '#!/bin/sh\na',
  ])
})

test('which phases have scripts', () => {
  const ready = [{ mode: 'ready', script: 'x' }] as const
  expect([hasScripts(ready, 'ready'), hasScripts(ready, 'boot'), hasScripts([], 'ready')]).toEqual([
    true,
    false,
    false,
  ])
  expect(hasScripts([{ mode: 'after-boot', script: 'x' }], 'boot')).toBe(true)
})

test('what failed, among what else did', () => {
  expect(
    provisionFailures(new Set(['provision.10.1', 'docker', 'provision.2.127', 'provision.x.1'])),
  ).toEqual([
    { index: 2, status: 127 },
    { index: 10, status: 1 },
  ])
})
