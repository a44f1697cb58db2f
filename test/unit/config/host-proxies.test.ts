import { describe, expect, test } from 'vitest'
import { guestEnv } from '../../../src/config/env.ts'
import { hostProxies, withExceptions } from '../../../src/config/host-proxies.ts'

const own = 'localhost,127.0.0.1,::1,10.0.2.2,host.docker.internal'

describe('hostProxies', () => {
  test('takes proxies and exceptions, in either case, and nothing else', () => {
    const env = { http_proxy: 'http://a', HTTPS_PROXY: 'http://b', no_proxy: 'c', NO_PROXY: '', PATH: '/bin' }
    expect(hostProxies(env)).toEqual({ http_proxy: 'http://a', HTTPS_PROXY: 'http://b', no_proxy: 'c' })
  })
  test('a value of several lines is none', () => {
    expect(hostProxies({ http_proxy: 'a\nb' })).toEqual({})
  })
})

describe('withExceptions', () => {
  test.each<[string, Record<string, string>, Record<string, string>]>([
    ['no proxy: none', { A: 'b', no_proxy: 'x' }, { A: 'b', no_proxy: 'x' }],
    ['a proxy of nothing: none', { http_proxy: '' }, { http_proxy: '' }],
    ['a proxy', { http_proxy: 'p' }, { http_proxy: 'p', no_proxy: own, NO_PROXY: own }],
    [
      "the user's are kept, and extended under their own name",
      { HTTPS_PROXY: 'p', no_proxy: 'internal.example.org, localhost' },
      {
        HTTPS_PROXY: 'p',
        no_proxy: 'internal.example.org,localhost,127.0.0.1,::1,10.0.2.2,host.docker.internal',
      },
    ],
  ])('%s', (_, env, expected) => {
    expect(withExceptions(env)).toEqual(expected)
  })
})

test('a proxy of this computer is one of the gateway in the guest, its password unchanged', () => {
  const env = { HTTPS_PROXY: 'http://u:p%40$x"y@127.0.0.1:18090', no_proxy: 'a' }
  const seen = withExceptions(guestEnv(env))
  expect(seen).toEqual({ HTTPS_PROXY: 'http://u:p%40$x"y@10.0.2.2:18090', no_proxy: `a,${own}` })
})
