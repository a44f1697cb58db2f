import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/load.ts'
import { errorsText, jsonSchemaText, referenceText, undocumentedKeys } from '../../../src/config/published.ts'
import { configTemplate } from '../../../src/config/template.ts'
import { GIB } from '../../../src/config/units.ts'
import { facts } from './facts.ts'

const read = (file: string) => readFileSync(path.join(import.meta.dirname, '../../..', file), 'utf8')

test('every key of the schema is in src/config/reference.ts, and no other', () => {
  expect(undocumentedKeys()).toEqual([])
})

test('the published files are those of the code: else run node scripts/generate.mjs', () => {
  expect(read('schema/tcolima.schema.json')).toBe(jsonSchemaText())
  expect(read('docs/configuration-reference.md')).toBe(referenceText())
  expect(read('docs/errors.md')).toBe(errorsText())
  expect(read('templates/default.yaml')).toBe(configTemplate())
})

const templates = readdirSync(path.join(import.meta.dirname, '../../../templates'))

/**
 * The VM test that starts a machine with each template, by `--template NAME`, or what else was looked at. Sizes are flags
 * there: a template's own may be more than the computer of the tests has.
 */
const started: Record<string, string | { instead: string }> = {
  'big-repo.yaml': 'lifecycle',
  'containerd.yaml': 'containerd',
  'debian-12.yaml': { instead: 'lifecycle.test.ts starts --template small with --distro debian-12' },
  'debian-13.yaml': 'mount-types',
  'default.yaml': { instead: 'every other machine of the VM tests begins with this text' },
  'docker.yaml': 'names',
  'kubernetes.yaml': { instead: 'kubernetes.test.ts starts the same settings with a stand-in for k3s' },
  'podman.yaml': 'podman',
  'small.yaml': 'lifecycle',
}

test('each template is started in a guest, or it is known why not', () => {
  expect(Object.keys(started)).toEqual(templates.toSorted())
  for (const [template, where] of Object.entries(started)) {
    if (typeof where !== 'string') continue
    const name = path.basename(template, '.yaml')
    expect(read(`test/vm/${where}.test.ts`), template).toMatch(new RegExp(`'--template',\\s+'${name}'`))
  }
})

test.each(templates)('a machine can begin with the template %s, without a warning', (name) => {
  const named = { file: name, text: read(`templates/${name}`) }
  const host = { ...facts, totalMemory: 16 * GIB }
  const { config, warnings, newText } = loadConfig('/nonexistent/tcolima.yaml', {}, host, { named })
  expect([warnings, newText]).toEqual([[], named.text])
  // Where the schema lies, as seen from a machine's folder.
  expect(newText).toMatch(/^# yaml-language-server: \$schema=\.\.\/_schema\.json\n/)
  expect(config.mounts).toHaveLength(1)
})
