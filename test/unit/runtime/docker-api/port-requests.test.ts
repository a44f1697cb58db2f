import { expect, test } from 'vitest'
import { portChange } from '../../../../src/runtime/docker-api/port-requests.ts'

test.each<[string, string, string, boolean]>([
  ['POST', '/v1.45/containers/abc/start', 'abc', true],
  ['POST', '/containers/abc/start?detachKeys=x', 'abc', true],
  ['POST', '/v1.45/containers/my%2Fname/restart?t=1', 'my%2Fname', true],
  ['POST', '/v4.9.3/libpod/containers/abc/start', 'abc', true],
  ['POST', '/v1.45/containers/abc/stop', 'abc', false],
  ['POST', '/v1.45/containers/abc/kill?signal=KILL', 'abc', false],
  ['DELETE', '/v1.45/containers/abc?force=1&v=1', 'abc', false],
  ['DELETE', '/v4.0.0/libpod/containers/abc', 'abc', false],
])('%s %s', (method, target, container, starts) => {
  expect(portChange(method, target)).toEqual({ container, starts })
})

test.each([
  ['GET', '/v1.45/containers/abc/start'],
  ['GET', '/v1.45/containers/abc/json'],
  ['POST', '/v1.45/containers/create?name=start'],
  ['POST', '/v1.45/containers/prune'],
  ['POST', '/v1.45/containers/abc/start/more'],
  ['POST', '/v1.45/containers/abc/wait?condition=next-exit'],
  ['POST', '/v1.45/exec/abc/start'],
  ['POST', '/v1.45/images/containers/abc/start'],
  ['POST', '/containers//start'],
  ['DELETE', '/v1.45/images/abc'],
  ['DELETE', '/v1.45/containers/abc/archive'],
  ['PUT', '/containers/abc/start'],
])('no change: %s %s', (method, target) => {
  expect(portChange(method, target)).toBeUndefined()
})
