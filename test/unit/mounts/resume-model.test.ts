import { promises as fs } from 'node:fs'
import path from 'node:path'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fx, Fxf, Fxp } from '../../../src/mounts/protocol.ts'
import { relayInit, type Sent, Survivor } from './survivor.ts'

/** An open file of the model; its path follows renames. */
interface Open {
  handle: string
  path: string
  append: boolean
}

/** What the share must hold: files with their content, and folders. */
class Model {
  readonly files = new Map<string, string>()
  readonly folders = new Set<string>()
  readonly open: Open[] = []

  has(name: string): boolean {
    return this.files.has(name) || this.folders.has(name)
  }

  parentIsThere(name: string): boolean {
    const parent = name.slice(0, name.lastIndexOf('/'))
    return parent === '' || this.folders.has(parent)
  }

  isOpen(name: string): boolean {
    return this.open.some((open) => open.path === name)
  }

  move(from: string, to: string): void {
    const moved = (name: string) =>
      name === from || name.startsWith(`${from}/`) ? to + name.slice(from.length) : name
    const files = [...this.files].filter(([name]) => name !== to)
    const folders = [...this.folders]
    this.files.clear()
    this.folders.clear()
    for (const [name, content] of files) this.files.set(moved(name), content)
    for (const name of folders) this.folders.add(moved(name))
    for (const open of this.open) open.path = moved(open.path)
  }
}

const names = ['/a', '/b', '/d', '/d/a', '/d/b', '/e']
const kinds = [
  'make',
  'append',
  'write',
  'more',
  'rename',
  'remove',
  'mkdir',
  'rmdir',
  'close',
  'list',
] as const
/**
 * When the server is killed: not at all; before the request comes; after it was done, its reply lost; within, the
 * journal cut off somewhere behind the change. Or twice.
 */
const faults = ['none', 'before', 'after', 'within', 'twice'] as const

interface Step {
  kind: (typeof kinds)[number]
  name: string
  other: string
  text: string
  pick: number
  fault: (typeof faults)[number]
  cut: number
}

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    kind: fc.constantFrom(...kinds),
    name: fc.constantFrom(...names),
    other: fc.constantFrom(...names),
    text: fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme-ascii' }),
    pick: fc.nat(20),
    fault: fc.constantFrom(...faults),
    cut: fc.double({ min: 0, max: 1, noNaN: true }),
  }),
  { minLength: 20, maxLength: 60 },
)

test('whatever the server is killed in, the client sees one server that did everything once', async () => {
  const survivor = await Survivor.start()
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      await fs.rm(survivor.root, { recursive: true })
      await fs.mkdir(survivor.root)
      await survivor.client.init(relayInit(Buffer.alloc(16, 1), false, 0))
      const model = new Model()
      for (const step of list) await take(survivor, model, step)
      expect(await contentOf(survivor.root)).toEqual({
        files: Object.fromEntries(model.files),
        folders: [...model.folders].sort(),
      })
      for (const { handle } of model.open) {
        const closed = await survivor.send(survivor.one(Fxp.CLOSE, handle))
        expect(closed.status).toBe(Fx.OK)
      }
    }),
    { numRuns: 60 },
  )
}, 60_000)

/** Does one step with the client and the model, where the model has a meaning for it. */
async function take(survivor: Survivor, model: Model, step: Step): Promise<void> {
  const { kind, name, other, text, pick } = step
  const open = model.open[pick % Math.max(1, model.open.length)]
  const content = open === undefined ? '' : (model.files.get(open.path) ?? '')
  if (kind === 'make' || kind === 'more') {
    if (!model.parentIsThere(name) || model.folders.has(name)) return
    const flags = Fxf.READ | Fxf.WRITE | Fxf.CREAT | (kind === 'make' ? Fxf.EXCL : Fxf.TRUNC)
    const fails = kind === 'make' && model.files.has(name)
    const reply = await ask(survivor, survivor.open(name, flags), fails ? { ...step, cut: 1 } : step)
    if (fails) {
      expect(reply.status).toBe(Fx.FAILURE)
      return
    }
    expect(reply.type).toBe(Fxp.HANDLE)
    model.files.set(name, '')
    model.open.push({ handle: reply.handle ?? '', path: name, append: false })
  } else if (kind === 'append' && open?.append !== true) {
    if (!model.files.has(name)) return
    const reply = await ask(survivor, survivor.open(name, Fxf.WRITE | Fxf.APPEND), step)
    expect(reply.type).toBe(Fxp.HANDLE)
    model.open.push({ handle: reply.handle ?? '', path: name, append: true })
  } else if (kind === 'append' || kind === 'write') {
    if (!open) return
    const offset = open.append ? content.length : Math.min(pick, content.length)
    const reply = await ask(survivor, survivor.write(open.handle, offset, text), step)
    expect(reply.status).toBe(Fx.OK)
    model.files.set(open.path, content.slice(0, offset) + text + content.slice(offset + text.length))
  } else if (kind === 'rename') {
    const possible =
      model.has(name) && model.parentIsThere(other) && !model.has(other) && !other.startsWith(`${name}/`)
    if (!possible || name === other) return
    expect((await ask(survivor, survivor.rename(name, other), step)).status).toBe(Fx.OK)
    model.move(name, other)
  } else if (kind === 'remove') {
    if (model.folders.has(name) || model.isOpen(name) || !model.parentIsThere(name)) return
    const there = model.files.has(name)
    const reply = await ask(survivor, survivor.one(Fxp.REMOVE, name), there ? step : { ...step, cut: 1 })
    expect(reply.status).toBe(there ? Fx.OK : Fx.NO_SUCH_FILE)
    model.files.delete(name)
  } else if (kind === 'mkdir') {
    if (!model.parentIsThere(name)) return
    const there = model.has(name)
    const reply = await ask(survivor, survivor.one(Fxp.MKDIR, name), there ? { ...step, cut: 1 } : step)
    expect(reply.status).toBe(there ? Fx.FAILURE : Fx.OK)
    if (!there) model.folders.add(name)
  } else if (kind === 'rmdir') {
    const inside = [...model.files.keys(), ...model.folders].some((file) => file.startsWith(`${name}/`))
    if (!model.folders.has(name) || inside) return
    expect((await ask(survivor, survivor.one(Fxp.RMDIR, name), step)).status).toBe(Fx.OK)
    model.folders.delete(name)
  } else if (kind === 'close') {
    if (!open) return
    expect((await ask(survivor, survivor.one(Fxp.CLOSE, open.handle), step)).status).toBe(Fx.OK)
    model.open.splice(model.open.indexOf(open), 1)
  } else if (kind === 'list') {
    const { handle = '' } = await ask(survivor, survivor.one(Fxp.OPENDIR, '/'), step)
    const listed = await ask(survivor, survivor.one(Fxp.READDIR, handle), step)
    const top = [...model.files.keys(), ...model.folders].filter((file) => file.lastIndexOf('/') === 0)
    expect(listed.names?.map((entry) => `/${entry.name}`).sort()).toEqual(['/.', '/..', ...top].sort())
    expect((await ask(survivor, survivor.one(Fxp.READDIR, handle), step)).status).toBe(Fx.EOF)
    await ask(survivor, survivor.one(Fxp.CLOSE, handle), step)
  }
}

/** Sends a request to a server that is killed as the step says; gives the reply that the client gets in the end. */
async function ask(survivor: Survivor, request: Sent, { fault, cut }: Pick<Step, 'fault' | 'cut'>) {
  if (fault === 'before') await survivor.nextServer(1)
  if (fault === 'before' || fault === 'none') return survivor.send(request)
  for (let turn = fault === 'twice' ? 2 : 1; turn > 0; turn--) {
    const from = (await fs.stat(survivor.journal)).size
    await survivor.send(request)
    const lines = (await fs.readFile(survivor.journal)).subarray(from)
    // The line that says what is about to be done is always there when it is done.
    const least = lines.includes('"begin"') ? lines.indexOf('\n') + 1 : 0
    const left = fault === 'after' ? lines.length : least + Math.floor(cut * (lines.length - least))
    await survivor.nextServer(1, from + left)
  }
  return survivor.send(request)
}

async function contentOf(root: string): Promise<{ files: Record<string, string>; folders: string[] }> {
  const files: Record<string, string> = {}
  const folders: string[] = []
  const entries = await fs.readdir(root, { recursive: true, withFileTypes: true })
  for (const entry of entries) {
    const file = path.join(entry.parentPath, entry.name)
    const name = file.slice(root.length)
    if (entry.isDirectory()) folders.push(name)
    else files[name] = await fs.readFile(file, 'utf8')
  }
  return { files, folders: folders.sort() }
}
