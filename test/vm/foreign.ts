import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { execa } from 'execa'

/** What the program of `foreignProgram` prints. */
export const foreignWords = 'from another processor\n'

/** The other processor, as docker calls it. */
export const foreignPlatform = process.arch === 'x64' ? 'linux/arm64' : 'linux/amd64'

/**
 * A program for Linux on another processor than this computer's: an ELF file whose instructions write the words above
 * and exit. It needs no library, compiler or download.
 */
export function foreignProgram(): Buffer {
  const words = Buffer.from(foreignWords)
  const code = process.arch === 'x64' ? arm64(words.length) : amd64(words.length)
  const headers = 64 + 56
  const base = 0x40_0000
  const size = headers + code.length + words.length
  const file = Buffer.alloc(headers)
  file.write('\x7fELF\x02\x01\x01', 'latin1')
  file.writeUInt16LE(2, 16) // ET_EXEC
  file.writeUInt16LE(process.arch === 'x64' ? 183 : 62, 18) // EM_AARCH64, EM_X86_64
  file.writeUInt32LE(1, 20)
  file.writeBigUInt64LE(BigInt(base + headers), 24) // e_entry
  file.writeBigUInt64LE(64n, 32) // e_phoff
  for (const [at, value] of [64, 56, 1].entries()) file.writeUInt16LE(value, 52 + 2 * at)
  file.writeUInt32LE(1, 64) // PT_LOAD
  file.writeUInt32LE(5, 68) // readable, executable
  file.writeBigUInt64LE(BigInt(base), 80) // p_vaddr
  file.writeBigUInt64LE(BigInt(base), 88)
  file.writeBigUInt64LE(BigInt(size), 96) // p_filesz
  file.writeBigUInt64LE(BigInt(size), 104)
  file.writeBigUInt64LE(0x1_0000n, 112) // p_align
  return Buffer.concat([file, code, words])
}

/** Makes a folder with `/hello`, which is the program above, in another one; gives it and a tar archive of it. */
export async function foreignRoot(folder: string): Promise<{ root: string; tar: string }> {
  const root = path.join(folder, 'foreign')
  mkdirSync(root)
  writeFileSync(path.join(root, 'hello'), foreignProgram(), { mode: 0o755 })
  const tar = path.join(folder, 'foreign.tar')
  await execa('tar', ['-C', root, '-cf', tar, '.'])
  return { root, tar }
}

function arm64(length: number): Buffer {
  const instructions = [
    0xd280_0020, // mov x0, #1
    0x1000_00e1, // adr x1, words
    (0xd280_0002 | (length << 5)) >>> 0, // mov x2, #length
    0xd280_0808, // mov x8, #64 (write)
    0xd400_0001, // svc #0
    0xd280_0000, // mov x0, #0
    0xd280_0ba8, // mov x8, #93 (exit)
    0xd400_0001, // svc #0
  ]
  const code = Buffer.alloc(4 * instructions.length)
  for (const [at, word] of instructions.entries()) code.writeUInt32LE(word, 4 * at)
  return code
}

function amd64(length: number): Buffer {
  return Buffer.from([
    ...[0xb8, 1, 0, 0, 0], // mov eax, 1 (write)
    ...[0xbf, 1, 0, 0, 0], // mov edi, 1
    ...[0x48, 0x8d, 0x35, 16, 0, 0, 0], // lea rsi, [rip + 16]: the words
    ...[0xba, length, 0, 0, 0], // mov edx, length
    ...[0x0f, 0x05], // syscall
    ...[0xb8, 60, 0, 0, 0], // mov eax, 60 (exit)
    ...[0x31, 0xff], // xor edi, edi
    ...[0x0f, 0x05], // syscall
  ])
}
