import { homedir } from 'node:os'
import { tcolimaHome } from '../config/home.ts'
import { listInstances } from '../instance/view.ts'
import { commands, globalFlags } from './commands.ts'
import { complete } from './complete.ts'
import { completionAnswer, shellWords } from './complete-answer.ts'
import { isShell } from './shells.ts'

/** What `tcolima __complete SHELL …` answers a completion script; '' for a call no script of ours makes. */
export function answerCompletion([shell, ...typed]: string[], env: NodeJS.ProcessEnv): string {
  if (!isShell(shell)) return ''
  const words = shell === 'bash' ? shellWords(typed[0] ?? '').slice(1) : typed
  // See the script for PowerShell.
  if (shell === 'powershell' && words.at(-1) === ' ') words.splice(-1, 1, '')
  const profiles = () =>
    listInstances(tcolimaHome(env, homedir())).map(({ name, status }) => ({ word: name, about: status }))
  return completionAnswer(complete(words, { commands, globals: globalFlags, profiles }), shell)
}
