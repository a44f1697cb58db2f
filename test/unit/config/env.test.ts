import { expect, test } from 'vitest'
import { guestEnv } from '../../../src/config/env.ts'

test.each([
  ['HTTP_PROXY', 'http://localhost:3128', 'http://10.0.2.2:3128'],
  ['https_proxy', 'http://user:a@127.0.0.1:3128/', 'http://user:a@10.0.2.2:3128/'],
  ['ALL_PROXY', 'socks5://[::1]:1080', 'socks5://10.0.2.2:1080'],
  ['http_proxy', 'localhost:3128', '10.0.2.2:3128'],
  ['http_proxy', 'http://localhost.example.com', 'http://localhost.example.com'],
  ['NO_PROXY', 'localhost,127.0.0.1', 'localhost,127.0.0.1'],
  ['URL', 'http://localhost', 'http://localhost'],
])('%s=%s is %s in the guest', (name, value, seen) => {
  expect(guestEnv({ [name]: value })).toEqual({ [name]: seen })
})
