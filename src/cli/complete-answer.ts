import type { Completion } from './complete.ts'
import type { Shell } from './shells.ts'

/**
 * What a completion script reads: `none`, `file` or `folder` for paths, then a candidate a line, in the form its shell
 * shows. Pure.
 */
export function completionAnswer({ candidates, paths, kept }: Completion, shell: Shell): string {
  const lines = candidates.map(({ word, about }) => {
    switch (shell) {
      case 'bash':
        // Bash takes a word after `=` for a word of its own.
        return word
      case 'zsh':
        // _describe separates the two by the first colon.
        return `${(kept + word).replaceAll(':', String.raw`\:`)}:${about}`
      case 'fish':
      case 'powershell':
        return `${kept}${word}\t${about}`
    }
  })
  return [paths, ...lines].map((line) => `${line}\n`).join('')
}

/** Splits what is typed in bash up to the cursor; the last word, perhaps empty, is not finished. Pure. */
export function shellWords(line: string): string[] {
  const words: string[] = []
  let word: string | undefined
  let quote = ''
  for (let at = 0; at < line.length; at++) {
    const letter = line[at] ?? ''
    if (quote !== '') {
      if (letter === quote) quote = ''
      else word += letter
    } else if (letter === '"' || letter === "'") {
      quote = letter
      word ??= ''
    } else if (/\s/.test(letter)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else if (letter === '\\') word = (word ?? '') + (line[++at] ?? '')
    else word = (word ?? '') + letter
  }
  return [...words, word ?? '']
}
