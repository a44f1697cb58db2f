import { lstatSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { isScalar } from 'yaml'
import type { core } from 'zod'
import { errnoOf, messageOf, TcolimaError } from '../host/errors.ts'
import { shown } from './checked.ts'
import { defaults } from './defaults.ts'
import { type ConfigDocument, type Problem, readDocument } from './document.ts'
import { type ConfigChanges, type FlagValues, flagChanges } from './flags.ts'
import { ignoredSettings, isOtherHypervisor } from './ignored.ts'
import { keysAt } from './keys-at.ts'
import type { KubernetesConfig } from './kubernetes.ts'
import { type MountEntry, type MountSpec, outerFirst, resolveMount } from './mounts.ts'
import { nearest } from './nearest.ts'
import { paramsOf, withParams } from './params.ts'
import { applyValues } from './save.ts'
import { type Config, type HostFacts, type Settings, settingsSchema } from './schema.ts'

/** A loaded configuration. */
export interface LoadedConfig {
  config: Config
  /** What the user should know though nothing failed: Colima's settings that have no effect here. */
  warnings: string[]
  /** Where a file names the mounts, `file:line:column`, by their places in the guest; not where flags name them. */
  mountLines: ReadonlyMap<string, string>
  /** What the flags, and a template that they name, change in the file: for `saveConfig`, once the start may go ahead. */
  changes: ConfigChanges
  /** What a file that is not there yet begins with; undefined for the text with every key explained. */
  newText: string | undefined
}

/** A file with settings: its text, and its name for messages. */
export interface Layer {
  text: string
  file: string
}

/** The templates below a profile's file: that of all profiles, and the one that a flag names. */
export interface Templates {
  usual?: Layer | undefined
  named?: Layer | undefined
}

/**
 * Takes the profile's file (absolute), the flags given, facts of the host, and templates; gives the settings: a flag
 * before the file before the named template before the usual one before the default. No file and an empty file mean
 * defaults. Never writes.
 * Throws `usage` for a wrong flag; `config` for a file that cannot be read or is wrong, one line `file:line:column: what`
 * for each mistake.
 */
export function loadConfig(
  file: string,
  flags: Partial<FlagValues>,
  host: HostFacts,
  templates: Templates = {},
): LoadedConfig {
  const ofFlags = flagChanges(flags, host)
  const own = { text: readText(file), file }
  const parsed = parseLayers([templates.usual, templates.named, own], ofFlags, host)
  const isNew = own.text.trim() === ''
  // A file that is there keeps what it says, and gets what only the template of this start says.
  const fromTemplate = isNew ? {} : missingIn(own, templates.named)
  const changes = { ...fromTemplate, ...ofFlags }
  return { ...parsed, changes, newText: isNew ? textOfTemplates(templates) : undefined }
}

/** Takes the text of one file, and its name for messages; gives the settings, flags before it. Pure. Throws `config`. */
export function parseConfig(
  text: string,
  file: string,
  changes: ConfigChanges,
  host: HostFacts,
): Omit<LoadedConfig, 'changes' | 'newText'> {
  return parseLayers([{ text, file }], changes, host)
}

/** Takes files from the least to the most counting, and changes before all; gives the settings. Pure. Throws `config`. */
export function parseLayers(
  layers: readonly (Layer | undefined)[],
  changes: ConfigChanges,
  host: HostFacts,
): Omit<LoadedConfig, 'changes' | 'newText'> {
  const documents = layers.flatMap((layer) =>
    layer ? [{ layer, read: readDocument(layer.text, layer.file) }] : [],
  )
  const params = Object.assign(
    {},
    ...documents.map(({ read }) => paramsOf(read.values)),
    changes.param,
  ) as Record<string, string>
  const schema = settingsSchema(host)
  const parsed = documents.map(({ read }) => checked(read, params, schema))
  // The flags name parts of it.
  const ofFlags = schema.parse(changes)
  const all = [...parsed, ofFlags]
  const network = Object.assign(
    {},
    ...all.map((each) => withoutNulls(each.network ?? {})),
  ) as Settings['network']
  const kubernetes = Object.assign(
    {},
    ...all.map((each) => withoutNulls(each.kubernetes ?? {})),
  ) as Settings['kubernetes']
  const settings = Object.assign({}, ...all) as Settings
  const config = resolved({ ...settings, network, kubernetes, param: params }, host)
  for (const key of ['ociRuntime', 'rootless'] as const) {
    refuseUnfit(key, config, documents.findLast(({ read }) => key in read.values)?.read)
  }
  const naming = documents.findLast(({ read }) => 'mounts' in read.values)
  const byFlags = changes.mounts !== undefined
  return {
    config,
    warnings: documents.flatMap(({ read, layer }) => warningsOf(read, layer.file, changes)),
    mountLines: !naming || byFlags ? new Map<string, string>() : mountLinesOf(naming.read, host.home),
  }
}

/** Throws `config`, by the file that says it (`usage` where only a flag does), where the engine takes no such choice. */
function refuseUnfit(
  key: 'ociRuntime' | 'rootless',
  config: Config,
  document: ConfigDocument | undefined,
): void {
  const message = config[key] === defaults[key] ? undefined : whyUnfit(key, config)
  if (message === undefined) return
  if (!document) throw new TcolimaError('usage', message)
  throw document.error([{ offset: document.offsetOf([key]), message }])
}

function whyUnfit(key: 'ociRuntime' | 'rootless', { runtime, distro }: Config): string | undefined {
  if (key === 'rootless' && runtime === 'podman' && distro === 'debian-12') {
    // Podman 4.4 was the first with it.
    return `rootless takes debian-13: the Podman of ${distro} cannot use pasta, a user's networks`
  }
  if (runtime === 'podman' || (key === 'ociRuntime' && runtime === 'docker')) return undefined
  const engines = { ociRuntime: 'docker and podman', rootless: 'podman' }
  return `${key} is for ${engines[key]}; ${runtime} takes none`
}

/** The settings of one file, without what is not set in it. Throws `config` with all that is wrong. */
function checked(
  document: ConfigDocument,
  params: Readonly<Record<string, string>>,
  schema: ReturnType<typeof settingsSchema>,
): Settings {
  const problems: Problem[] = []
  const filled = withParams(document.values, params, (path, name) => {
    problems.push({
      offset: document.offsetOf(path),
      message: `there is no parameter ${name}: add it to param`,
    })
  })
  const parsed = schema.safeParse(withoutNulls(filled), { reportInput: true })
  if (!parsed.success)
    problems.push(...parsed.error.issues.flatMap((issue) => problemsOf(issue, document, schema)))
  if (problems.length > 0 || !parsed.success) throw document.error(problems)
  // What a file for another hypervisor of Colima says of mounts was chosen for that one: virtiofs on macOS is.
  const { mountType, ...settings } = parsed.data
  return isOtherHypervisor(document.values) || mountType === undefined ? settings : { ...settings, mountType }
}

/** The keys of a template that a file does not have. */
function missingIn(own: Layer, template: Layer | undefined): ConfigChanges {
  if (!template) return {}
  const has = readDocument(own.text, own.file).values
  const { values } = readDocument(template.text, template.file)
  return Object.fromEntries(Object.entries(values).filter(([key]) => !(key in has)))
}

/** The text of the nearer template, and what only the farther one says behind it. */
function textOfTemplates({ usual, named }: Templates): string | undefined {
  if (!named || !usual) return (named ?? usual)?.text
  return applyValues(named.text, missingIn(named, usual) as Record<string, unknown>, named.file)
}

function mountLinesOf({ values, positionOf }: ConfigDocument, home: string): Map<string, string> {
  const entries = (values.mounts ?? []) as MountEntry[]
  return new Map(
    entries.flatMap((entry, index) => {
      const mount = resolveMount(entry, home)
      return mount.ok ? [[mount.value.mountPoint, positionOf(['mounts', index])]] : []
    }),
  )
}

function resolved(settings: Settings, host: HostFacts): Config {
  const arch = settings.arch ?? defaults.arch
  return {
    cpus: settings.cpu ?? defaults.cpus,
    memory: settings.memory ?? defaults.memory,
    disk: settings.disk ?? defaults.disk,
    arch: arch === 'host' ? host.arch : arch,
    distro: settings.distro ?? defaults.distro,
    runtime: settings.runtime ?? defaults.runtime,
    mounts: resolvedMounts(settings.mounts, host.home),
    mountType: settings.mountType ?? defaults.mountType,
    mountInotify: settings.mountInotify ?? defaults.mountInotify,
    mountInotifyIgnore: settings.mountInotifyIgnore ?? defaults.mountInotifyIgnore,
    accel: settings.accel ?? defaults.accel,
    cpuType: settings.cpuType ?? defaults.cpuType,
    activate: settings.autoActivate ?? defaults.activate,
    docker: settings.docker ?? defaults.docker,
    hostname: settings.hostname ?? defaults.hostname,
    network: {
      dns: settings.network?.dns ?? defaults.network.dns,
      dnsHosts: settings.network?.dnsHosts ?? defaults.network.dnsHosts,
    },
    portForwards: settings.portForwards ?? defaults.portForwards,
    forwardAgent: settings.forwardAgent ?? defaults.forwardAgent,
    sshPort: settings.sshPort ?? defaults.sshPort,
    sshConfig: settings.sshConfig ?? defaults.sshConfig,
    rootDisk: settings.rootDisk ?? defaults.rootDisk,
    env: settings.env ?? defaults.env,
    provision: settings.provision ?? defaults.provision,
    probes: settings.probes ?? defaults.probes,
    binfmt: settings.binfmt ?? defaults.binfmt,
    param: settings.param ?? defaults.param,
    ociRuntime: settings.ociRuntime ?? defaults.ociRuntime,
    rootless: settings.rootless ?? defaults.rootless,
    caCertificates: settings.caCertificates ?? defaults.caCertificates,
    mirror: settings.mirror ?? defaults.mirror,
    kubernetes: resolvedKubernetes(settings.kubernetes),
  }
}

function resolvedKubernetes(given: Settings['kubernetes'] = {}): KubernetesConfig {
  const { disable, ...rest } = defaultsFor(given)
  return { ...rest, k3sArgs: [...rest.k3sArgs, ...disable.map((part) => `--disable=${part}`)] }
}

function defaultsFor(given: NonNullable<Settings['kubernetes']>) {
  const known = defaults.kubernetes
  return {
    enabled: given.enabled ?? known.enabled,
    version: given.version ?? known.version,
    // The former keys say all that is left out.
    k3sArgs: given.k3sArgs ?? (given.disable || given.ingress ? [] : known.k3sArgs),
    port: given.port ?? given.listenPort ?? known.port,
    join: given.join ?? known.join,
    disable: given.disable ?? [],
  }
}

/** As in Colima: null mounts nothing; no key, or an empty list, mounts the home folder, writable. */
function resolvedMounts(mounts: MountSpec[] | null | undefined, home: string): MountSpec[] {
  if (mounts === null) return []
  if (mounts && mounts.length > 0) return outerFirst(mounts)
  const mount = resolveMount({ location: home, writable: true }, home)
  if (mount.ok) return [mount.value]
  throw new TcolimaError('config', `cannot mount the home folder ${home}: ${mount.problem}`, {
    hint: 'Name the folders to mount (--mount DIR:w), or turn mounts off (--mount none).',
  })
}

function warningsOf({ values, document }: ConfigDocument, file: string, changes: ConfigChanges): string[] {
  const name = path.basename(file)
  const warnings: string[] = []
  const ignored = ignoredSettings(values)
  if (ignored.length > 0) {
    warnings.push(`${name}: these settings of Colima have no effect in this version: ${ignored.join(', ')}`)
  }
  const mounts = document.get('mounts', true)
  // Colima reads it so too; but whoever commented out the last folder of the list may not have meant it.
  if (isScalar(mounts) && mounts.source === '' && changes.mounts === undefined) {
    warnings.push(
      `${name}: nothing is mounted, as "mounts:" has no value; write [] for the home folder, null for none`,
    )
  }
  return warnings
}

/** A key without a value counts as not set; only for `mounts` null has a meaning of its own. */
function withoutNulls(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).filter(([key, value]) => value !== null || key === 'mounts'),
  )
}

function problemsOf(issue: core.$ZodIssue, document: ConfigDocument, schema: core.$ZodType): Problem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const guess = nearest(key, keysAt(schema, issue.path))
      const message = `unknown key ${shown(nameOf([...issue.path, key]))}${guess ? `; did you mean "${guess}"?` : ''}`
      return { offset: document.offsetOf([...issue.path, key], true), message }
    })
  }
  const missing = issue.input === undefined && issue.code !== 'custom'
  const ending = issue.input === undefined ? '' : `, not ${shown(issue.input)}`
  const message = missing
    ? `${nameOf(issue.path)} is missing`
    : `${nameOf(issue.path)} ${issue.message}${ending}`
  return [{ offset: document.offsetOf(issue.path), message }]
}

/** A path in the file as people write it: `mounts[0].location`. */
function nameOf(where: readonly PropertyKey[]): string {
  return where
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .slice(1)
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const isMissing = errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR'
    if (isMissing && !isLink(file)) return ''
    // A link to nowhere is a file that went away (a folder not synced yet): defaults would be a surprise.
    const reason = isMissing ? 'it is a link to a file that does not exist' : messageOf(error)
    throw new TcolimaError('config', `cannot read ${file}: ${reason}`, { cause: error })
  }
}

function isLink(file: string): boolean {
  return lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() ?? false
}
