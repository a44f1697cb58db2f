import { closeSync, fstatSync, lstatSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs'
import path from 'node:path'
import { parse, stringify } from 'yaml'
import { messageOf } from '../host/errors.ts'
import { redactSettings, redactText, secretValues } from '../host/redact.ts'
import { homePaths, instancePaths } from '../instance/paths.ts'
import { listInstances } from '../instance/view.ts'

// Bytes at the end of a log.
const longestLog = 1 << 20

/**
 * What a support bundle says of the machines of a home: names of files in the bundle, and their texts, without secrets.
 * Only files that are named here are read: no key, disk or seed. `only`: one machine.
 */
export function supportFiles(home: string, only: string | undefined): Record<string, string> {
  const files: Record<string, string> = {}
  const views = listInstances(home).filter(({ name }) => only === undefined || name === only)
  const values: string[] = []
  for (const { name, status, reason } of views) {
    const paths = instancePaths(home, name)
    const put = (file: string, text: string | undefined) => {
      if (text !== undefined) files[`${name}/${file}`] = text
    }
    const settings = (file: string, read: (text: string) => unknown, write: (value: unknown) => string) => {
      const text = tail(file)
      if (text === undefined) return
      try {
        const value = read(text)
        values.push(...secretValues(value))
        put(path.basename(file), write(redactSettings(value)))
      } catch (error) {
        // What cannot be understood may hold anything.
        put(path.basename(file), `left out: ${messageOf(error)}\n`)
      }
    }
    put('status.txt', `${status}${reason === undefined ? '' : `: ${reason}`}\n`)
    settings(
      paths.config,
      (text) => parse(text) as unknown,
      (value) => stringify(value),
    )
    for (const file of [paths.record, paths.state, paths.daemons]) {
      settings(
        file,
        (text) => JSON.parse(text) as unknown,
        (value) => `${JSON.stringify(value, undefined, 2)}\n`,
      )
    }
    for (const file of [paths.agentLog, paths.qemuLog, paths.serialLog]) put(path.basename(file), tail(file))
    put('files.txt', listing(paths.folder))
  }
  const { packageLog } = homePaths(home)
  const packages = tail(packageLog)
  if (packages !== undefined) files['packages.log'] = packages
  return Object.fromEntries(Object.entries(files).map(([name, text]) => [name, redactText(text, values)]))
}

function listing(folder: string): string {
  return readdirSync(folder)
    .sort()
    .map((name) => {
      const info = lstatSync(path.join(folder, name), { throwIfNoEntry: false })
      return info
        ? `${(info.mode & 0o7777).toString(8).padStart(4)} ${String(info.size).padStart(14)} ${name}\n`
        : ''
    })
    .join('')
}

/** The end of a file; undefined when it cannot be read. */
function tail(file: string): string | undefined {
  try {
    if (lstatSync(file).size <= longestLog) return readFileSync(file, 'utf8')
    const handle = openSync(file, 'r')
    try {
      const buffer = Buffer.alloc(longestLog)
      const length = readSync(handle, buffer, 0, longestLog, fstatSync(handle).size - longestLog)
      return buffer.toString('utf8', 0, length)
    } finally {
      closeSync(handle)
    }
  } catch {
    return undefined
  }
}
