/**
 * Takes the values of a flag that may be given several times; gives all words of them. As in Colima (pflag's StringSlice)
 * a value may hold several with commas between, and one with a comma in it stands in double quotes. Pure.
 */
export function listWords(values: readonly string[]): string[] {
  return values.flatMap((text) => {
    const words = [...`,${text}`.matchAll(/,(?:"(?<quoted>(?:[^"]|"")*)"(?<rest>[^,]*)|(?<plain>[^,]*))/g)]
    return words.map(({ groups: { quoted, rest = '', plain = '' } = {} }) =>
      quoted === undefined ? plain : quoted.replaceAll('""', '"') + rest,
    )
  })
}

/** The same for arguments of a program, which hold commas themselves: the next one begins with a dash. Pure. */
export function listArguments(values: readonly string[]): string[] {
  return values.flatMap((text) => text.split(/,(?=-)/))
}
