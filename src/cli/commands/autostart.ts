import { existsSync } from 'node:fs'
import { externalName, profileName } from '../../config/profile.ts'
import { TcolimaError } from '../../host/errors.ts'
import { viewInstance } from '../../instance/view.ts'
import { autostartPlace, disableAutostart, enableAutostart } from '../autostart.ts'
import type { CommandContext } from '../command.ts'
import { jsonLine } from '../render/output.ts'

/** `tcolima autostart` */
export async function run(given: CommandContext): Promise<number> {
  const [action = '', word] = given.rest
  const context = word === undefined ? given : { ...given, profile: profileName(word) }
  const { home, profile, output } = context
  if (action !== 'disable' && !viewInstance(home, profile)) {
    throw new TcolimaError('not-found', `there is no machine ${profile}`, {
      hint: `Make it with: tcolima start ${profile}`,
    })
  }
  const name = externalName(profile)
  let hint: string | undefined
  switch (action) {
    case 'enable':
      hint = await enableAutostart(context)
      break
    case 'disable':
      await disableAutostart(context)
      break
    case 'status':
      break
    default:
      throw new TcolimaError(
        'usage',
        `autostart ${JSON.stringify(action)} is none of enable, disable, status`,
      )
  }
  const file = autostartPlace(context)
  const enabled = existsSync(file)
  if (output.json) {
    jsonLine(output, {
      type: 'done',
      time: new Date().toISOString(),
      name,
      enabled,
      ...(enabled ? { file } : {}),
    })
  } else {
    const tell = action === 'status' ? output.out : output.err
    tell(enabled ? `${name} starts when you log in (${file})\n` : `${name} does not start by itself\n`)
    if (hint !== undefined) output.err(`${hint}\n`)
  }
  return 0
}
