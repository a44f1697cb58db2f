import { TcolimaError } from '../host/errors.ts'

/** What the ssh_config of an instance says. */
export interface SshConfigFacts {
  /** The host alias: `tcolima` or `tcolima-<profile>`. */
  alias: string
  port: number
  user: string
  identityFile: string
  knownHostsFile: string
  /** Whether the host's SSH agent goes along. */
  forwardAgent?: boolean
}

/** The text of an ssh_config(5) for an instance. Pure. Throws `config` for a path that cannot be written there. */
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
${facts.forwardAgent ? '  ForwardAgent yes\n' : ''}`
}

/** The line of the known_hosts file that goes with it. */
export function knownHostsLine(alias: string, hostKey: string): string {
  return `${alias} ${hostKey.trim().split(/\s+/).slice(0, 2).join(' ')}\n`
}

// ssh_config(5): arguments with spaces stand in double quotes; `%` begins a token, `${` a variable of the environment.
function quote(file: string): string {
  return quotedPath(file).replaceAll('%', '%%')
}

/** A path as an argument that knows no tokens. Throws `config` for one that cannot be written there. */
export function quotedPath(file: string): string {
  if (file.includes('${')) {
    throw new TcolimaError('config', `OpenSSH cannot be told of a path with \${ in it: ${file}`, {
      hint: 'Set TCOLIMA_HOME to another folder.',
    })
  }
  const plain = file.replaceAll('\\', String.raw`\\`).replaceAll('"', String.raw`\"`)
  return `"${plain}"`
}
