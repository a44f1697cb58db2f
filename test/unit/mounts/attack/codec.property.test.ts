import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { type FileAttrs, writeAttrs } from '../../../../src/mounts/codec-attrs.ts'
import { decodeRequest, type Incoming } from '../../../../src/mounts/codec-requests.ts'
import type { ByteWriter } from '../../../../src/mounts/codec-writer.ts'
import { PacketReader } from '../../../../src/mounts/packets.ts'
import { Fxp, MAX_PACKET } from '../../../../src/mounts/protocol.ts'
import { packet } from '../client.ts'

const text = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('latin1'))
const u32 = fc.nat({ max: 0xffffffff })
const u64 = fc.maxSafeNat()
const attrs: fc.Arbitrary<FileAttrs> = fc
  .tuple(
    fc.record({ size: u64, mode: u32 }, { requiredKeys: [] }),
    fc.option(fc.record({ uid: u32, gid: u32 }), { nil: {} }),
    fc.option(fc.record({ atime: u32, mtime: u32 }), { nil: {} }),
  )
  .map(([own, owner, times]) => ({ ...own, ...owner, ...times }))

const handle = { id: u32, handle: text }
const path = { id: u32, path: text }
const two = { id: u32, from: text, to: text }
const kind = <K extends string>(...kinds: K[]) => fc.constantFrom(...kinds)

type Request = Exclude<Incoming, { kind: 'init' | 'malformed' }>

/** Every request there is. */
const request: fc.Arbitrary<Request> = fc.oneof(
  fc.record({ kind: kind('open'), ...path, pflags: u32, attrs }),
  fc.record({ kind: kind('close', 'fstat', 'readdir', 'fsync', 'fstatvfs'), ...handle }),
  fc.record({ kind: kind('read'), ...handle, offset: u64, length: u32 }),
  fc.record({ kind: kind('read-window'), ...handle, offset: u64, length: u32, slot: u32 }),
  fc.record({ kind: kind('write-window'), ...handle, offset: u64, length: u32, slot: u32 }),
  fc.record({
    kind: kind('write'),
    ...handle,
    offset: u64,
    data: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  }),
  fc.record({ kind: kind('fsetstat'), ...handle, attrs }),
  fc.record({ kind: kind('setstat', 'mkdir'), ...path, attrs }),
  fc.record({
    kind: kind('lstat', 'stat', 'opendir', 'remove', 'rmdir', 'realpath', 'readlink', 'statvfs'),
    ...path,
  }),
  fc.record({ kind: kind('rename', 'posix-rename', 'hardlink'), ...two }),
  fc.record({ kind: kind('symlink'), ...path, target: text }),
)

const types: Record<Exclude<Request['kind'], 'unsupported'>, number> = {
  open: Fxp.OPEN,
  close: Fxp.CLOSE,
  read: Fxp.READ,
  write: Fxp.WRITE,
  lstat: Fxp.LSTAT,
  fstat: Fxp.FSTAT,
  setstat: Fxp.SETSTAT,
  fsetstat: Fxp.FSETSTAT,
  opendir: Fxp.OPENDIR,
  readdir: Fxp.READDIR,
  remove: Fxp.REMOVE,
  mkdir: Fxp.MKDIR,
  rmdir: Fxp.RMDIR,
  realpath: Fxp.REALPATH,
  stat: Fxp.STAT,
  rename: Fxp.RENAME,
  readlink: Fxp.READLINK,
  symlink: Fxp.SYMLINK,
  'posix-rename': Fxp.EXTENDED,
  hardlink: Fxp.EXTENDED,
  statvfs: Fxp.EXTENDED,
  fstatvfs: Fxp.EXTENDED,
  fsync: Fxp.EXTENDED,
  'read-window': Fxp.EXTENDED,
  'write-window': Fxp.EXTENDED,
}

/** The other side of `decodeRequest`: field by field in the order of the protocol, whatever the kind. */
function encode(request: Exclude<Request, { kind: 'unsupported' }>): Buffer {
  const type = types[request.kind]
  return packet(type, request.id, (writer: ByteWriter) => {
    if (type === Fxp.EXTENDED) writer.text(`${request.kind}@${'slot' in request ? 'tcolima' : 'openssh.com'}`)
    if ('target' in request) writer.text(request.target)
    if ('path' in request) writer.text(request.path)
    if ('handle' in request) writer.text(request.handle)
    if ('from' in request) writer.text(request.from).text(request.to)
    if ('pflags' in request) writer.u32(request.pflags)
    if ('offset' in request) writer.u64(request.offset)
    if ('length' in request) writer.u32(request.length)
    if ('slot' in request) writer.u32(request.slot)
    if ('data' in request) writer.text(request.data)
    if ('attrs' in request) writeAttrs(writer, request.attrs)
  })
}

const encoded = request.map((value) => encode(value as Exclude<Request, { kind: 'unsupported' }>))

test('every request survives the trip', () => {
  fc.assert(
    fc.property(request, (value) => {
      const bytes = encode(value as Exclude<Request, { kind: 'unsupported' }>)
      expect(decodeRequest(bytes.subarray(4))).toEqual(value)
    }),
    { numRuns: 2000 },
  )
})

test('a request cut short is malformed, at whatever byte', () => {
  fc.assert(
    fc.property(encoded, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (bytes, part) => {
      const body = bytes.subarray(4)
      expect(decodeRequest(body.subarray(0, Math.floor(body.length * part))).kind).toBe('malformed')
    }),
    { numRuns: 2000 },
  )
})

test('a request with bytes changed, added or removed never throws', () => {
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom('set', 'add', 'cut')), {
    maxLength: 8,
  })
  fc.assert(
    fc.property(encoded, edits, (bytes, list) => {
      const body = [...bytes.subarray(4)]
      for (const [at, byte, how] of list)
        body.splice(at % (body.length + 1), how === 'add' ? 0 : 1, ...(how === 'cut' ? [] : [byte]))
      const known = ['malformed', 'unsupported', 'init', ...Object.keys(types)]
      expect(known).toContain(decodeRequest(Buffer.from(body)).kind)
    }),
    { numRuns: 3000 },
  )
})

test('packets come out whole at whatever borders the stream is cut, up to the first impossible length', () => {
  const impossible = fc.constantFrom(0, MAX_PACKET + 1, 0xffffffff)
  const cuts = fc.array(fc.integer({ min: 1, max: 80 }), { minLength: 1 })
  fc.assert(
    fc.property(fc.array(encoded, { maxLength: 12 }), fc.option(impossible), cuts, (list, last, sizes) => {
      const end = Buffer.alloc(last === null ? 0 : 4)
      if (last !== null) end.writeUInt32BE(last)
      const stream = Buffer.concat([...list, end])
      const reader = new PacketReader()
      const got: (Buffer | 'bad')[] = []
      for (let at = 0, turn = 0; at < stream.length && got.at(-1) !== 'bad'; turn++) {
        const chunk = stream.subarray(at, at + (sizes[turn % sizes.length] ?? 1))
        at += chunk.length
        reader.push(chunk)
        for (let next = reader.next(); next !== 'more'; next = reader.next()) {
          got.push(next)
          if (next === 'bad') break
        }
      }
      expect(got).toEqual([...list.map((bytes) => bytes.subarray(4)), ...(last === null ? [] : ['bad'])])
    }),
    { numRuns: 500 },
  )
})
