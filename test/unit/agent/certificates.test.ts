import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { certificateFiles, certificatesIn } from '../../../src/agent/certificates.ts'

const one = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
const two = '-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n'

let home: string
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'tcolima-certificates-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

function put(name: string, text: string): string {
  const file = path.join(home, name)
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, text)
  return file
}

test('nothing where there is nothing', () => {
  expect(certificateFiles(home, [])).toEqual({})
})

test("registries' files go along; their authorities are trusted, and none of the client's", () => {
  const place = '.docker/certs.d/registry.test:5000'
  put(`${place}/ca.crt`, one)
  put(`${place}/client.cert`, two)
  put(`${place}/client.key`, 'key')
  put(`${place}/notes.txt`, 'x')
  put('.docker/certs.d/file', 'x')
  symlinkSync('/nowhere', path.join(home, place, 'gone.crt'))
  expect(certificateFiles(home, [])).toEqual({
    'certs.d/registry.test:5000/ca.crt': one,
    'certs.d/registry.test:5000/client.cert': two,
    'certs.d/registry.test:5000/client.key': 'key',
    'ca/0.crt': one,
  })
})

test('a bundle is taken apart, each certificate once', () => {
  const bundle = put('corp.pem', `# corp\r\n${one.replaceAll('\n', '\r\n')}text\n${two}${one}`)
  expect(certificateFiles(home, [bundle])).toEqual({ 'ca/0.crt': one, 'ca/1.crt': two })
})

test('a file of the settings that is none is an error with its name', () => {
  expect(() => certificateFiles(home, [path.join(home, 'no.pem')])).toThrow(
    /caCertificates: .*no\.pem cannot be read/,
  )
  const key = put('key.pem', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n')
  expect(() => certificateFiles(home, [key])).toThrow(/key\.pem has no certificate in PEM form/)
})

test('too much is refused', () => {
  put('.docker/certs.d/r/ca.crt', one.repeat(50_000))
  expect(() => certificateFiles(home, [])).toThrow(/bytes/)
})

test('a block that does not end is no certificate', () => {
  expect(certificatesIn('-----BEGIN CERTIFICATE-----\nAAAA\n')).toEqual([])
})
