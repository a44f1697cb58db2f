import { release } from 'node:os'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { profileName } from '../../config/profile.ts'
import { checkHost } from '../../host/doctor.ts'
import { messageOf, TcolimaError } from '../../host/errors.ts'
import { writeFileAtomic } from '../../host/files.ts'
import { redactText } from '../../host/redact.ts'
import { run as runProgram } from '../../host/run.ts'
import { viewInstance } from '../../instance/view.ts'
import { qemuProgram } from '../../vm/command-line.ts'
import { type CommandContext, textOf } from '../command.ts'
import { workingFolder } from '../flags.ts'
import { jsonLine } from '../render/output.ts'
import { supportFiles } from '../support-files.ts'
import { version } from '../version.ts'

/** `tcolima support` */
export async function run(context: CommandContext): Promise<number> {
  const { home, output, rest } = context
  const [word = context.flags.profile] = rest
  const only = typeof word === 'string' ? profileName(word) : undefined
  if (only !== undefined && !viewInstance(home, only)) {
    throw new TcolimaError('not-found', `there is no machine ${only}`, { hint: 'See `tcolima list`.' })
  }
  const files = {
    'versions.json': `${JSON.stringify(await versions(context), undefined, 2)}\n`,
    'doctor.json': await doctorText(context),
    ...supportFiles(home, only),
  }
  const stamp = new Date().toISOString().replaceAll(/[-:]|\..*/g, '')
  const folder = `tcolima-support-${stamp}`
  const file = path.resolve(workingFolder() ?? '/', textOf(context, 'output') ?? `${folder}.tar.gz`)
  await writeFileAtomic(file, gzipSync(await archive(folder, files)))
  if (output.json) {
    const time = new Date().toISOString()
    jsonLine(output, { type: 'done', time, file, files: Object.keys(files) })
  } else {
    output.out(`${file}\n`)
    output.err('Secrets were taken out as far as they can be told; look through it before you send it.\n')
  }
  return 0
}

async function versions({ host }: CommandContext): Promise<Record<string, string>> {
  const qemu = await runProgram(qemuProgram(host.arch), ['--version'], { timeoutMs: 10_000 }).then(
    ({ stdout }) => stdout.split('\n')[0] ?? '',
    (error: unknown) => messageOf(error),
  )
  const { platform, arch } = host
  return { tcolima: version(), node: process.version, platform, kernel: release(), arch, qemu }
}

async function doctorText({ host, home }: CommandContext): Promise<string> {
  const checks = await checkHost({ host, home, sockets: [], leftovers: [], virtiofs: false }).catch(
    (error: unknown) => messageOf(error),
  )
  return redactText(`${JSON.stringify(checks, undefined, 2)}\n`)
}

async function archive(folder: string, files: Record<string, string>): Promise<Buffer> {
  const tar = pack()
  for (const [name, text] of Object.entries(files))
    tar.entry({ name: `${folder}/${name}`, mode: 0o600 }, text)
  tar.finalize()
  return await buffer(tar)
}
