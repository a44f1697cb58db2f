/** The outcome of a check: the value in its final form, or what is wrong as the end of a sentence that begins with the key. */
export type Checked<T> = { ok: true; value: T } | { ok: false; problem: string }

/** A check that passed, with the value in its final form. */
export function good<T>(value: T): Checked<T> {
  return { ok: true, value }
}

/** A check that failed; `problem` goes on where the name of the key or flag ends, such as "must be true or false". */
export function bad<T>(problem: string): Checked<T> {
  return { ok: false, problem }
}

/** A wrong value as the user wrote it, for the end of a message; long ones are cut. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}
