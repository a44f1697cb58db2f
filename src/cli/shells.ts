/** The shells that completion and `env` write for; `bash` stands for every shell of its kind in `env`. */
export const shells = ['bash', 'zsh', 'fish', 'powershell'] as const

/** One of them. */
export type Shell = (typeof shells)[number]

/** Whether a word is the name of one of them. */
export function isShell(word: string | undefined): word is Shell {
  return shells.some((shell) => shell === word)
}
