import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { messageOf, TcolimaError } from '../host/errors.ts'
import { errnoOf } from '../host/errors.ts'

// Bytes of all certificates together: the largest bundles there are have a quarter of it.
const most = 2 * 2 ** 20

/**
 * Files of the seed with the host's certificates: those for registries as docker knows them (`certs.d/<registry>/ca.crt`,
 * docker's reference, "Verify repository client with certificates"), and those that everything in the guest is to trust,
 * one a file in `ca/`: the registries' authorities and the files that the settings name. Throws `config` for one of these
 * that cannot be read or has no certificate, `failed` when it is too much.
 */
export function certificateFiles(home: string, named: readonly string[]): Record<string, string> {
  const registries = registryFiles(path.join(home, '.docker', 'certs.d'))
  const authorities = [
    ...Object.entries(registries).flatMap(([name, text]) =>
      name.endsWith('.crt') ? certificatesIn(text) : [],
    ),
    ...named.flatMap(authoritiesOf),
  ]
  const trusted = [...new Set(authorities)].map((text, index): [string, string] => [`ca/${index}.crt`, text])
  const files = { ...registries, ...Object.fromEntries(trusted) }
  const size = Object.values(files).reduce((sum, text) => sum + text.length, 0)
  if (size > most) {
    throw new TcolimaError(
      'failed',
      `${home}/.docker/certs.d and the certificates of the settings have ${size} bytes`,
      {
        hint: `They may have ${most}.`,
      },
    )
  }
  return files
}

function registryFiles(folder: string): Record<string, string> {
  const files: Record<string, string> = {}
  for (const registry of namesIn(folder)) {
    for (const name of namesIn(path.join(folder, registry))) {
      const file = path.join(folder, registry, name)
      // Authorities, and the client's own certificates and keys.
      if (!/\.(?:crt|cert|key)$/.test(name) || !statSync(file, { throwIfNoEntry: false })?.isFile()) continue
      files[`certs.d/${registry}/${name}`] = readFileSync(file, 'utf8')
    }
  }
  return files
}

function authoritiesOf(file: string): string[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new TcolimaError('config', `caCertificates: ${file} cannot be read: ${messageOf(error)}`, {
      cause: error,
    })
  }
  const found = certificatesIn(text)
  if (found.length === 0)
    throw new TcolimaError('config', `caCertificates: ${file} has no certificate in PEM form`)
  return found
}

/** The certificates of a bundle one by one (RFC 7468). Pure. */
export function certificatesIn(text: string): string[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g) ?? []
  return blocks.map((block) => `${block.replaceAll('\r', '')}\n`)
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort()
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return []
    throw error
  }
}
