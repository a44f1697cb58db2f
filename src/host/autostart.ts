import path from 'node:path'
import type { Host } from './platform.ts'

/** The variable by which the command that starts a machine at a login, and the agent that it starts, know that it is one. */
export const autostarted = 'TCOLIMA_AUTOSTART'

/** What starts a machine when its user logs in. */
export interface AutostartJob {
  /** What the machine is called outside. */
  name: string
  /** What its service is called. */
  service: string
  /** The command that starts it, and the one that stops it. */
  start: string[]
  stop: string[]
  /** Variables that both need. */
  env: Record<string, string>
}

/** Where the service's file lies: systemd's of the user on Linux, launchd's on macOS. Pure. */
export function autostartFile({ platform, home, env }: Host, service: string): string {
  if (platform === 'darwin') return path.join(home, 'Library', 'LaunchAgents', `${service}.plist`)
  // The XDG base directory specification: an empty or relative one counts as not set.
  const config = path.isAbsolute(env.XDG_CONFIG_HOME ?? '') ? env.XDG_CONFIG_HOME : undefined
  return path.join(config ?? path.join(home, '.config'), 'systemd', 'user', `${service}.service`)
}

/** The text of the service's file. Pure. */
export function autostartText(platform: Host['platform'], job: AutostartJob): string {
  return platform === 'darwin' ? launchdText(job) : systemdText(job)
}

// systemd.service(5). The machine's processes stay in the unit's control group, which is why the unit stays active.
function systemdText({ name, start, stop, env }: AutostartJob): string {
  const command = (words: string[]) => words.map((word) => quoted(word).replaceAll('$', '$$$$')).join(' ')
  const variables = Object.entries(env).map(([key, value]) => `Environment=${quoted(`${key}=${value}`)}\n`)
  return `[Unit]
Description=The machine ${name.replaceAll('%', '%%')} of tcolima

[Service]
Type=oneshot
RemainAfterExit=yes
${variables.join('')}ExecStart=${command(start)}
ExecStop=${command(stop)}
TimeoutStartSec=1h
TimeoutStopSec=3min

[Install]
WantedBy=default.target
`
}

/** systemd.syntax(7): C's escapes within quotes; a percent sign begins a specifier. */
function quoted(word: string): string {
  return `"${word.replaceAll('\\', '\\\\').replaceAll('"', String.raw`\"`).replaceAll('%', '%%')}"`
}

// launchd.plist(5). Without AbandonProcessGroup launchd ends the machine's processes with the command that started them.
function launchdText({ service, start, env }: AutostartJob): string {
  const strings = start.map((word) => `    <string>${xml(word)}</string>\n`).join('')
  const variables = Object.entries(env)
    .map(([key, value]) => `    <key>${xml(key)}</key>\n    <string>${xml(value)}</string>\n`)
    .join('')
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${xml(service)}</string>
  <key>ProgramArguments</key>
  <array>
${strings}  </array>
  <key>EnvironmentVariables</key>
  <dict>
${variables}  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>AbandonProcessGroup</key>
  <true/>
</dict>
</plist>
`
}

function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
