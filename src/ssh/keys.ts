import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import ssh2 from 'ssh2'
import { ensureDir, writeFileAtomic } from '../host/files.ts'
import { acquireLock } from '../host/lock.ts'

/** A key pair in OpenSSH's own formats. */
export interface KeyPair {
  /** The private key, as in a file of ssh-keygen. */
  private: string
  /** `ssh-ed25519 AAAA… comment` */
  public: string
}

// Two strings: the algorithm's name and the key, each after its length (RFC 8709 section 4).
const blobBytes = 4 + 'ssh-ed25519'.length + 4 + 32

/** Makes an Ed25519 key pair. */
export function generateKey(comment: string): KeyPair {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519', { comment })
    // ssh2 drops the zero bytes that one key in 256 begins with, and no program takes the rest.
    if (keyBlob(pair.public).length === blobBytes) return { private: pair.private, public: pair.public }
  }
}

/**
 * Gives the key with which tcolima and its user log in to all guests of a home; makes it at the first call. `folder` is
 * `_keys`. The private key's file has mode 0600.
 */
export async function userKey(folder: string): Promise<KeyPair & { file: string }> {
  const file = path.join(folder, 'id_ed25519')
  if (!existsSync(file)) {
    await ensureDir(folder)
    // Two first starts at once must not write halves of two pairs.
    const lock = await acquireLock(path.join(folder, 'lock'), { purpose: 'new key', waitMs: 10_000 })
    try {
      if (!existsSync(file)) await writeKey(file, generateKey('tcolima'))
    } finally {
      lock.release()
    }
  }
  const [secret, open] = await Promise.all([readFile(file, 'utf8'), readFile(`${file}.pub`, 'utf8')])
  return { private: secret, public: open.trim(), file }
}

async function writeKey(file: string, key: KeyPair): Promise<void> {
  // The private one last: where it is, the public one is too.
  await writeFileAtomic(`${file}.pub`, `${key.public}\n`, 0o644)
  await writeFileAtomic(file, key.private, 0o600)
}

/** The blob of a public key line, as SSH sends it: what a pinned host key is compared with. */
export function keyBlob(publicLine: string): Buffer {
  return Buffer.from(publicLine.trim().split(/\s+/)[1] ?? '', 'base64')
}
