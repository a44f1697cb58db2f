/** A comma ends an option's value in QEMU; doubled it stands for itself. */
export function escape(value: string): string {
  return value.replaceAll(',', ',,')
}
