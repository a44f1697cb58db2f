import { parseConfig } from '../../config/load.ts'
import { configTemplate } from '../../config/template.ts'
import { TcolimaError } from '../../host/errors.ts'
import { publishSchema } from '../../instance/schema-file.ts'
import { type CommandContext, isOn } from '../command.ts'
import { editFile } from '../edit.ts'
import { hostFacts } from '../flags.ts'
import { jsonLine } from '../render/output.ts'
import { templateFiles, usualTemplate } from '../templates.ts'

/** `tcolima template` */
export async function run(context: CommandContext): Promise<number> {
  const { home, host, output, rest } = context
  const [action] = rest
  if (action === 'list') {
    for (const { name, file } of templateFiles(home)) {
      if (output.json) jsonLine(output, { name, file })
      else output.out(`${name}\n`)
    }
    return 0
  }
  if (action !== undefined) {
    throw new TcolimaError('usage', `template ${JSON.stringify(action)} is not list, the one action it has`)
  }
  const file = usualTemplate(home)
  if (isOn(context, 'print')) {
    if (output.json) jsonLine(output, { file })
    else output.out(`${file}\n`)
    return 0
  }
  await publishSchema(home)
  const check = (text: string) => void parseConfig(text, file, {}, hostFacts(host))
  await editFile(context, { file, newText: configTemplate(), check })
  if (output.json) jsonLine(output, { type: 'done', time: new Date().toISOString(), file })
  else output.err(`the template is saved; settings that a machine does not have itself come from it\n`)
  return 0
}
