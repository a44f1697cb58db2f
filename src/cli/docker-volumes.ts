import { Readable } from 'node:stream'
import { askEngine, openEngine } from '../runtime/docker-api/ask.ts'

/** A volume of an engine, and what stands against copying it. */
export interface DockerVolume {
  name: string
  /** Why its data are not a copy's to take. */
  reason?: string
}

/** What is to be copied from one engine to another, and what stays, each with the reason. */
export interface VolumePlan {
  copy: string[]
  stay: DockerVolume[]
}

interface Volume {
  Name: string
  Driver: string
  Labels: Record<string, string> | null
  Options: Record<string, string> | null
}

/** The name of an image with nothing in it that is in both engines while volumes are copied; a killed copy leaves it. */
export const helperImage = 'tcolima-migrate:empty'

// Containers of it that never run. Neither prefix begins the other, as volumes may have any name.
const markOf = (volume: string) => `tcolima-migrate-unfinished-${volume}`
const holderOf = (volume: string) => `tcolima-migrate-holder-${volume}`
const place = '/volume'

/**
 * What to do with the volumes of an engine: those with names of the user's, whose data are its own and at rest, are to be
 * copied where the other engine (undefined: not there to be asked) does not have them in full. Throws like `askEngine`.
 */
export async function planVolumes(
  from: string,
  to: string | undefined,
  signal: AbortSignal,
): Promise<VolumePlan> {
  const there = new Set(to === undefined ? [] : await wholeVolumes(to, signal))
  const plan: VolumePlan = { copy: [], stay: [] }
  for (const volume of await volumesOf(from, signal)) {
    const name = volume.Name
    if (isAnonymous(volume) || there.has(name)) continue
    const reason = await reasonAgainst(from, volume, signal)
    if (reason === undefined) plan.copy.push(name)
    else plan.stay.push({ name, reason })
  }
  return plan
}

/**
 * Copies volumes, one after the other, with owners, modes and times, by archives of containers that are never started
 * (Docker Engine API, "Get an archive of a filesystem resource in a container" and its counterpart). One that was not
 * finished, by whatever end of this process, is known by a container and made anew. Each is looked at again right before:
 * gives those that were copied, and those that stay after all. Throws like `askEngine`.
 */
export async function copyVolumes(
  from: string,
  to: string,
  names: string[],
  note: (text: string) => void,
  signal: AbortSignal,
): Promise<VolumePlan> {
  if (names.length > 0) for (const socket of [from, to]) await importEmpty(socket, signal)
  const done: VolumePlan = { copy: [], stay: [] }
  for (const name of names) {
    const volume = (await volumesOf(from, signal)).find(({ Name }) => Name === name)
    // Deleted meanwhile: a container of it would make it again.
    if (!volume) continue
    const reason = (await reasonAgainst(from, volume, signal)) ?? (await makeRoom(to, name, signal))
    if (reason !== undefined) {
      done.stay.push({ name, reason })
      continue
    }
    await makeContainer(to, markOf(name), undefined, signal)
    const body = { Name: name, Labels: volume.Labels ?? {} }
    await askEngine(to, { method: 'POST', path: '/volumes/create', body }, signal)
    for (const socket of [from, to]) {
      await removeContainer(socket, holderOf(name), signal)
      await makeContainer(socket, holderOf(name), name, signal)
    }
    await carry(from, to, name, note, signal)
    for (const socket of [from, to]) await removeContainer(socket, holderOf(name), signal)
    await removeContainer(to, markOf(name), signal)
    done.copy.push(name)
  }
  // Also what an interrupted copy left.
  for (const socket of [from, to]) {
    for (const holder of await containersNamed(socket, holderOf(''), signal))
      await removeContainer(socket, holder, signal)
    await askEngine(socket, { method: 'DELETE', path: `/images/${helperImage}`, allow: [404, 409] }, signal)
  }
  return done
}

/** Removes what an interrupted copy left under a name, and nothing else; gives why the name cannot be had. */
async function makeRoom(to: string, name: string, signal: AbortSignal): Promise<string | undefined> {
  const marks = await containersNamed(to, markOf(''), signal)
  if (!(await volumesOf(to, signal)).some(({ Name }) => Name === name)) return undefined
  if (!marks.includes(markOf(name))) return 'there is one of that name here by now'
  await removeContainer(to, holderOf(name), signal)
  const wanted = { method: 'DELETE', path: `/volumes/${name}`, allow: [404, 409] } as const
  // Only a refusal has words.
  if ((await askEngine(to, wanted, signal)) === undefined) return undefined
  // In use here: whatever is in it by now is not this copy's to remove, also when it is at rest again.
  await removeContainer(to, markOf(name), signal)
  return 'a container here uses the one of an interrupted copy: remove both here to have it copied'
}

async function carry(
  from: string,
  to: string,
  name: string,
  note: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const archive = await openEngine(
    from,
    { path: `/containers/${holderOf(name)}/archive?path=${place}` },
    signal,
  )
  let bytes = 0
  archive.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    note(`${name}: ${Math.round(bytes / 2 ** 20)} MiB`)
  })
  // The archive begins with the folder itself: owner and mode of the volume come along.
  await askEngine(
    to,
    { method: 'PUT', path: `/containers/${holderOf(name)}/archive?path=/`, archive },
    signal,
  )
}

/** Those that no interrupted copy has left. */
async function wholeVolumes(socket: string, signal: AbortSignal): Promise<string[]> {
  const marks = new Set(await containersNamed(socket, markOf(''), signal))
  return (await volumesOf(socket, signal)).map(({ Name }) => Name).filter((name) => !marks.has(markOf(name)))
}

async function volumesOf(socket: string, signal: AbortSignal): Promise<Volume[]> {
  const { Volumes } = (await askEngine(socket, { path: '/volumes' }, signal)) as { Volumes: Volume[] | null }
  return (Volumes ?? []).sort((a, b) => (a.Name < b.Name ? -1 : 1))
}

/** Made for one container, which does not come along. */
function isAnonymous({ Name, Labels }: Volume): boolean {
  return Labels?.['com.docker.volume.anonymous'] !== undefined || /^[0-9a-f]{64}$/.test(Name)
}

async function reasonAgainst(
  socket: string,
  { Name, Driver, Options }: Volume,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (Driver !== 'local') return `its driver is ${Driver}`
  if (Object.keys(Options ?? {}).length > 0) return 'its data are elsewhere, by its options'
  const users = await containersWith(socket, { volume: [Name], status: ['running', 'paused'] }, signal)
  return users.length === 0 ? undefined : `in use: stop ${users.join(', ')} first`
}

/** Those whose names begin so. */
async function containersNamed(socket: string, prefix: string, signal: AbortSignal): Promise<string[]> {
  // The filter looks for it anywhere in a name.
  const found = await containersWith(socket, { name: [prefix] }, signal)
  return found.filter((name) => name.startsWith(prefix))
}

async function containersWith(
  socket: string,
  filters: Record<string, string[]>,
  signal: AbortSignal,
): Promise<string[]> {
  const path = `/containers/json?all=1&filters=${encodeURIComponent(JSON.stringify(filters))}`
  const found = (await askEngine(socket, { path }, signal)) as { Names: string[] }[]
  return found.flatMap(({ Names }) => Names.slice(0, 1).map((name) => name.replace(/^\//, '')))
}

/** An archive without entries is two blocks of zeros (tar(5)). */
async function importEmpty(socket: string, signal: AbortSignal): Promise<void> {
  // Another import would leave the former one without a name.
  const there = await askEngine(socket, { path: `/images/${helperImage}/json`, allow: [404] }, signal)
  if (there !== undefined) return
  const [repo, tag] = helperImage.split(':')
  const response = await openEngine(
    socket,
    {
      method: 'POST',
      path: `/images/create?fromSrc=-&repo=${repo}&tag=${tag}`,
      archive: Readable.from([Buffer.alloc(1024)]),
    },
    signal,
  )
  // A stream of JSON values, of which nothing is of use.
  await response.resume().toArray()
}

async function makeContainer(
  socket: string,
  name: string,
  volume: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const Mounts =
    volume === undefined
      ? []
      : [{ Type: 'volume', Source: volume, Target: place, VolumeOptions: { NoCopy: true } }]
  const body = { Image: helperImage, Cmd: ['none'], HostConfig: { Mounts, NetworkMode: 'none' } }
  // There already: as it should be, left by an interrupted copy.
  await askEngine(
    socket,
    {
      method: 'POST',
      path: `/containers/create?name=${name}`,
      body,
      allow: volume === undefined ? [409] : [],
    },
    signal,
  )
}

async function removeContainer(socket: string, name: string, signal: AbortSignal): Promise<void> {
  await askEngine(socket, { method: 'DELETE', path: `/containers/${name}?force=1`, allow: [404] }, signal)
}
