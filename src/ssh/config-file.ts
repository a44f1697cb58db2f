/** What the ssh_config of an instance says. */
export interface SshConfigFacts {
  /** The host alias: `tcolima` or `tcolima-<profile>`. */
  alias: string
  port: number
  user: string
  identityFile: string
  knownHostsFile: string
}

/** The text of an ssh_config(5) for an instance. Pure. */
export function sshConfigText(facts: SshConfigFacts): string {
  return `Host ${facts.alias}
  HostName 127.0.0.1
  Port ${facts.port}
  User ${facts.user}
  IdentityFile ${quote(facts.identityFile)}
  IdentitiesOnly yes
  UserKnownHostsFile ${quote(facts.knownHostsFile)}
  HostKeyAlias ${facts.alias}
  StrictHostKeyChecking yes
  PreferredAuthentications publickey
  BatchMode yes
  LogLevel ERROR
`
}

/** The line of the known_hosts file that goes with it. */
export function knownHostsLine(alias: string, hostKey: string): string {
  return `${alias} ${hostKey.trim().split(/\s+/).slice(0, 2).join(' ')}\n`
}

// ssh_config(5): arguments with spaces stand in double quotes.
function quote(file: string): string {
  return `"${file.replaceAll('\\', String.raw`\\`).replaceAll('"', String.raw`\"`)}"`
}
