import { statSync } from 'node:fs'
import path from 'node:path'
import { type Artifact, allArtifacts } from '../../artifacts/catalog.ts'
import { sourceOf } from '../../artifacts/source.ts'
import { ensureArtifact } from '../../artifacts/store.ts'
import { parseK3sVersion } from '../../config/kubernetes.ts'
import { TcolimaError } from '../../host/errors.ts'
import { runStep } from '../../host/progress.ts'
import { homePaths } from '../../instance/paths.ts'
import { type CommandContext, isOn } from '../command.ts'
import { interruptible } from '../interrupt.ts'
import { mirrorOf } from '../mirror.ts'
import { jsonLine } from '../render/output.ts'
import { ProgressView } from '../render/progress.ts'
import { table } from '../render/table.ts'

/** `tcolima artifacts` */
export async function run(context: CommandContext): Promise<number> {
  const [action = '', ...names] = context.rest
  switch (action) {
    case 'list':
    case 'ls':
      return list(context)
    case 'fetch':
      return await fetchAll(context, names)
    default:
      throw new TcolimaError('usage', `artifacts ${JSON.stringify(action)} is none of list and fetch`)
  }
}

function list(context: CommandContext): number {
  const { home, output, host } = context
  const folder = homePaths(home).downloads
  const rows: string[][] = []
  for (const arch of ['x86_64', 'aarch64'] as const) {
    for (const forms of allArtifacts(arch)) {
      const kept = forms.find((each) => sizeOf(folder, each) !== undefined)
      const shown = kept ?? forms[0]
      if (!shown) continue
      const { name, version, path: place } = shown
      const size = sizeOf(folder, shown)
      const own = arch === host.arch
      if (output.json) {
        jsonLine(output, {
          name,
          version,
          arch,
          own,
          path: place,
          sha256: shown.sha256,
          fetched: size !== undefined,
          size,
        })
      } else {
        const state = size === undefined ? 'not fetched' : `fetched, ${Math.ceil(size / 2 ** 20)} MiB`
        rows.push([name, version, arch, state, place])
      }
    }
  }
  if (!output.json) output.out(table([['NAME', 'VERSION', 'ARCH', 'STATE', 'PATH'], ...rows]))
  return 0
}

function sizeOf(folder: string, { path: place }: Artifact): number | undefined {
  return statSync(path.join(folder, place), { throwIfNoEntry: false })?.size
}

async function fetchAll(context: CommandContext, names: string[]): Promise<number> {
  const { home, host, output } = context
  const wanted = isOn(context, 'all')
    ? (['x86_64', 'aarch64'] as const).flatMap((arch) => allArtifacts(arch))
    : names.map((name) => named(name, host.arch))
  if (wanted.length === 0) {
    throw new TcolimaError('usage', 'name what to fetch, or --all', { hint: 'See `tcolima artifacts list`.' })
  }
  const source = sourceOf(mirrorOf(context), '/')
  const view = new ProgressView(output)
  try {
    await interruptible(async (signal) => {
      for (const forms of wanted) {
        await runStep(view.report, stepName(forms, host.arch), async ({ note, detail }) => {
          const options = { folder: homePaths(home).downloads, source, env: host.env, signal, note }
          detail((await ensureArtifact(forms, options)).file)
        })
      }
    })
  } finally {
    view.close()
  }
  return 0
}

/** `k3s`, or `k3s@v1.33.1+k3s1` for a release of one's own choice. */
function named(word: string, arch: 'x86_64' | 'aarch64'): Artifact[] {
  const [name = '', version] = word.split('@')
  const release = version === undefined ? undefined : parseK3sVersion(version)
  if (release?.ok === false) throw new TcolimaError('usage', `${word}: the version ${release.problem}`)
  const all = allArtifacts(arch, release?.value)
  const found = all.find(([first]) => first?.name === name)
  if (!found || (version !== undefined && !name.startsWith('k3s'))) {
    const known = all.map(([first]) => first?.name).join(', ')
    throw new TcolimaError('usage', `there is no artefact ${word}`, {
      hint: `There are ${known}; those of k3s also with a release: k3s@v1.33.1+k3s1.`,
    })
  }
  return found
}

function stepName([first]: Artifact[], own: string): string {
  return first?.arch === own ? first.name : `${first?.name} ${first?.arch}`
}
