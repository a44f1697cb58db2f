import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { jsonSchemaText, referenceText, undocumentedKeys } from '../../../src/config/published.ts'

const read = (file: string) => readFileSync(path.join(import.meta.dirname, '../../..', file), 'utf8')

test('every key of the schema is in src/config/reference.ts, and no other', () => {
  expect(undocumentedKeys()).toEqual([])
})

test('the published files are those of the code: else run node scripts/generate.mjs', () => {
  expect(read('schema/tcolima.schema.json')).toBe(jsonSchemaText())
  expect(read('docs/configuration-reference.md')).toBe(referenceText())
})
