/** Bytes in the units a size may have. Powers of two only: "GB" means two different things to two readers. */
const unitBytes = { MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const

/** A unit a size may be written in. */
export type SizeUnit = keyof typeof unitBytes

/** Bytes in one MiB. */
export const MIB: number = unitBytes.MiB

/** Bytes in one GiB. */
export const GIB: number = unitBytes.GiB

/**
 * Takes a number, or text such as `1.5`, `512MiB` or `2 GiB`; a value without a unit counts in `defaultUnit`.
 * Gives whole bytes, a multiple of 1 MiB (QEMU and the disk tools want aligned sizes, and 0.8 GiB has no whole number
 * of bytes); undefined for what is not a size. Zero is a size: what range makes sense is for the caller to say.
 */
export function parseSize(size: string | number, defaultUnit: SizeUnit = 'GiB'): number | undefined {
  if (typeof size === 'number') return inMebibytes(size, defaultUnit)
  const match = /^(\d+(?:\.\d+)?) ?([a-z]+)?$/i.exec(size)
  if (!match) return undefined
  const unit = match[2] === undefined ? defaultUnit : unitNamed(match[2])
  return unit && inMebibytes(Number(match[1]), unit)
}

/** Takes bytes; gives the shortest form that people read: `2GiB`, `1.25GiB`, `512MiB`. At most two decimals. */
export function formatSize(bytes: number): string {
  if (bytes >= unitBytes.TiB && bytes % (unitBytes.TiB / 4) === 0) return `${bytes / unitBytes.TiB}TiB`
  if (bytes >= GIB) return `${Math.round((bytes / GIB) * 100) / 100}GiB`
  return `${Math.round(bytes / MIB)}MiB`
}

/** Takes the text of a flag; gives the number when it is plainly one (`2`, `1.5`), else undefined: no sign, no exponent, no unit. */
export function plainNumber(text: string): number | undefined {
  return /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : undefined
}

function unitNamed(name: string): SizeUnit | undefined {
  return (Object.keys(unitBytes) as SizeUnit[]).find((unit) => unit.toLowerCase() === name.toLowerCase())
}

function inMebibytes(amount: number, unit: SizeUnit): number | undefined {
  if (!Number.isFinite(amount) || amount < 0) return undefined
  return Math.round((amount * unitBytes[unit]) / MIB) * MIB
}
