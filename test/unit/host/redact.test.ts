import { describe, expect, it } from 'vitest'
import { redactSettings, redactText, secretValues } from '../../../src/host/redact.ts'

describe('redactText', () => {
  it.each([
    ['http_proxy=http://me:pa55@proxy:3128/', 'http_proxy=http://***@proxy:3128/'],
    ['{"proxy":"https://me:p%40ss@proxy"}', '{"proxy":"https://***@proxy"}'],
    ['password: hunter2', 'password: ***'],
    ['DB_PASSWORD="two words" next', 'DB_PASSWORD=*** next'],
    ['{"registry_token": "abc", "x": 1}', '{"registry_token": ***, "x": 1}'],
    ['api-key=abc&x=1', 'api-key=***'],
    ['Authorization: Bearer abc.def', 'Authorization: ***'],
    [`pushed with ghp_${'a'.repeat(36)}!`, 'pushed with ***!'],
    ['AKIAABCDEFGHIJKLMNOP', '***'],
    ['eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln', '***'],
    ['a\n-----BEGIN OPENSSH PRIVATE KEY-----\nb\n-----END OPENSSH PRIVATE KEY-----\nc', 'a\n***\nc'],
    ['-----BEGIN RSA PRIVATE KEY-----\ncut', '***'],
  ])('%j', (text, result) => expect(redactText(text)).toBe(result))

  it.each(['a plain line: value', 'user@host', 'http://host/a@b', 'mount type: sshfs'])(
    '%j stays',
    (text) => {
      expect(redactText(text)).toBe(text)
    },
  )

  it('takes values out wherever they stand, the longest first', () => {
    expect(redactText('x=sesame-open y=sesame a=ab', ['sesame', 'sesame-open', 'ab'])).toBe(
      'x=*** y=*** a=ab',
    )
  })
})

describe('settings', () => {
  const settings = {
    cpu: 2,
    env: { A: 'one', B: 22 },
    provision: [{ mode: 'user', script: 'echo hi' }],
    docker: { env: ['x'] },
  }

  it('have secrets in env and scripts', () => {
    expect(secretValues(settings)).toEqual(['one', '22', 'echo hi', 'x'])
  })

  it('keep the rest', () => {
    expect(redactSettings(settings)).toEqual({
      cpu: 2,
      env: { A: '***', B: '***' },
      provision: [{ mode: 'user', script: '*** (7 characters)' }],
      docker: { env: { 0: '***' } },
    })
    expect(redactSettings(null)).toBeNull()
  })
})
