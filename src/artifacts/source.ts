import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { errnoOf, messageOf, TcolimaError } from '../host/errors.ts'
import { type HttpOptions, type Opened, openUrl } from './http.ts'

/** Where artefacts come from. */
export interface Source {
  /** For messages. */
  name: string
  /** Opens the file at a path below it; undefined when there is none. */
  open: (file: string, options: HttpOptions) => Promise<Opened | undefined>
}

const upstream = 'https://github.com'

/**
 * Takes what the user named as a mirror (a folder, a file: or an http(s) URL, '' or undefined for none) and the current
 * folder; gives the source. Throws `usage` for anything else.
 */
export function sourceOf(mirror: string | undefined, cwd: string): Source {
  if (mirror === undefined || mirror === '') return urlSource(new URL(upstream))
  if (/^https?:/i.test(mirror) && URL.canParse(mirror)) return urlSource(new URL(mirror))
  if (/^file:/i.test(mirror)) {
    try {
      return folderSource(fileURLToPath(mirror))
    } catch (error) {
      throw new TcolimaError('usage', `the mirror ${mirror} is no folder: ${messageOf(error)}`)
    }
  }
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(mirror)) {
    throw new TcolimaError(
      'usage',
      `the mirror must be a folder or an http, https or file URL, not ${mirror}`,
    )
  }
  return folderSource(path.resolve(cwd, mirror))
}

/** A mirror as a user named it, so that it means the same in every folder. Pure. */
export function absoluteMirror(mirror: string | undefined, cwd: string): string | undefined {
  if (mirror === undefined || mirror === '') return undefined
  return /^[a-z][a-z0-9+.-]+:/i.test(mirror) ? mirror : path.resolve(cwd, mirror)
}

function urlSource(base: URL): Source {
  return {
    name: base.href.replace(/\/$/, ''),
    open: async (file, options) => {
      const url = new URL(base)
      // GitHub writes the + of a tag as %2B.
      const encoded = file.split('/').map(encodeURIComponent).join('/')
      url.pathname = `${base.pathname.replace(/\/$/, '')}/${encoded}`
      return await openUrl(url, options)
    },
  }
}

function folderSource(folder: string): Source {
  return {
    name: folder,
    open: async (file, { from, signal }) => {
      // Programs that copy a site may have kept the form the URL has.
      const names = [file, file.replaceAll('+', '%2B'), file.replaceAll('+', '%2b')]
      for (const name of new Set(names)) {
        const opened = await openFile(path.join(folder, name), from, signal)
        if (opened) return opened
      }
      return undefined
    },
  }
}

async function openFile(
  file: string,
  wanted: number,
  signal: AbortSignal | undefined,
): Promise<Opened | undefined> {
  try {
    const { size } = await stat(file)
    const from = wanted <= size ? wanted : 0
    const handle = await open(file, 'r')
    return {
      stream: createReadStream(file, { fd: handle, start: from, ...(signal ? { signal } : {}) }),
      from,
      size,
    }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
    throw new TcolimaError('host', `cannot read ${file}: ${messageOf(error)}`, { cause: error })
  }
}
