/** A script for sh, the same on both ends of a copy, with its arguments. */
export type Script = [script: string, ...args: string[]]

/** Prints what a path is: `folder`, `other`, or `none` and `none-above` where its folder does not exist either. Pure. */
export function lookScript(path: string): Script {
  const script =
    'if [ -d "$1" ]; then echo folder; elif [ -e "$1" ] || [ -L "$1" ]; then echo other; ' +
    'elif [ -d "$(dirname -- "$1")" ]; then echo none; else echo none-above; fi'
  return [script, dashless(path)]
}

/** Writes a path, with all below it, as a tar file to standard output. Pure. */
export function sendScript(path: string): Script {
  const { folder, name } = split(path)
  // pax: the only format with fractions of seconds and long names. macOS adds files of its own unless told.
  return ['cd -- "$1" && COPYFILE_DISABLE=1 exec tar -cf - --format=pax -- "$2"', folder, dashless(name)]
}

/**
 * Puts what `sendScript` wrote of the path `source` to `target`: into it where it is a folder, else under its name, which
 * is there only when all of it has come. Pure.
 */
export function receiveScript(source: string, target: string, into: boolean): Script {
  const { name } = split(source)
  // The owner is whoever copies; the modes are the source's, whatever the umask.
  // tar may be through before the padding at the end has come: the sender would find nobody there.
  const extract = 'tar -xpf - --no-same-owner && cat >/dev/null'
  if (name === '.') return [`mkdir -p -- "$1" && cd -- "$1" && ${extract}`, dashless(target)]
  if (into) return [`cd -- "$1" && ${extract}`, dashless(target)]
  const to = split(target)
  const script =
    'cd -- "$1" || exit; part=$(mktemp -d ./.tcolima-cp.XXXXXX) || exit; ' +
    `trap 'rm -rf "$part"' EXIT; trap 'exit 1' HUP INT TERM; ` +
    `(cd "$part" && ${extract}) && mv -f "$part/$2" "$3"`
  return [script, to.folder, name, dashless(to.name)]
}

/** The name that a path gives what is copied; '.' for what a folder holds. Pure. */
function split(path: string): { folder: string; name: string } {
  const plain = path.replace(/(?<=.)\/+$/, '')
  const { folder, name = '' } = /^(?:(?<folder>.*?)\/+)?(?<name>[^/]*)$/s.exec(plain)?.groups ?? {}
  if (name === '' || name === '.' || name === '..') return { folder: plain, name: '.' }
  return { folder: folder === undefined ? '.' : folder === '' ? '/' : folder, name }
}

/** No argument of a program may pass for a flag. */
function dashless(path: string): string {
  return path.startsWith('-') ? `./${path}` : path
}
