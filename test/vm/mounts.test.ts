import { createHash, randomBytes } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { promises as fs } from 'node:fs'
import path from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { instancePaths } from '../../src/instance/paths.ts'
import type { InstanceState } from '../../src/instance/state.ts'
import { carry } from './carry.ts'
import { docker, eventually, tcolima } from './harness.ts'

const profile = 'shared'
const shared = inject('shared')
// The guest's caches hold for 1 s (docs/mounts.md), by a clock that software emulation on a busy machine may slow.
const staleMs = 2000

const scripts = path.join(import.meta.dirname, 'mounts')
const tools = path.join(shared.userHome, 'share', 'tools')
// A disk of the guest: what is run from a mount is read anew each time.
const guestTools = '/var/tmp/mount-tools'
const top = path.join(shared.userHome, 'share', 'mounts')
const host = (...names: string[]) => path.join(top, ...names)

beforeAll(async () => {
  for (const folder of [tools, top]) mkdirSync(folder, { recursive: true })
  for (const name of readdirSync(scripts)) copyFileSync(path.join(scripts, name), path.join(tools, name))
  for (const name of ['git', 'sqlite3']) await carry(name, tools)
  await guest(`rm -rf ${guestTools}; cp -r '${tools}' ${guestTools}`)
})

afterAll(async () => {
  for (const folder of [tools, top]) await fs.rm(folder, { recursive: true, force: true })
})

/** Runs a shell script in the guest, in the folder of these tests; gives what it printed. */
async function guest(script: string, folder = top): Promise<string> {
  const quoted = folder.replaceAll("'", `'\\''`)
  const done = await tcolima(['ssh', profile, '--', 'sh', '-ec', `cd '${quoted}'; ${script}`])
  if (done.exitCode !== 0) throw new Error(`${script}: ${done.exitCode} ${String(done.stderr)}`)
  return String(done.stdout)
}

/** The checks of a Perl script, each a test; the script runs once, in the guest. */
function checks(script: string, before = ''): void {
  const results = new Map<string, string>()
  beforeAll(async () => {
    const folder = script.replace('.pl', '')
    mkdirSync(host(folder), { recursive: true })
    // Root of the guest makes what is the guest user's.
    const command = `exec ${before} perl -I ${guestTools} ${guestTools}/${script} ${folder}`
    const done = await tcolima(['ssh', profile, '--', 'sh', '-c', `cd '${top}'; ${command}`])
    for (const line of String(done.stdout).split('\n')) {
      const [, not, name = '', wrong = ''] = /^(not )?ok ([^:]+)(?:: (.*))?$/.exec(line) ?? []
      results.set(name, not ? wrong : 'ok')
    }
    if (done.exitCode !== 0) results.set('', `${script} ended early: ${String(done.stderr)}`)
  })
  const text = readFileSync(path.join(scripts, script), 'utf8')
  for (const [, name = ''] of text.matchAll(/^check '(.+)' =>/gm)) {
    it(name, () => {
      expect(results.get(name) ?? results.get('') ?? 'did not run').toBe('ok')
    })
  }
}

describe('files', () => {
  checks('files.pl')

  it('what the guest made lies so on the host', async () => {
    const sparse = await fs.stat(host('files', 'sparse-files-over-4-GiB', 'sp'))
    expect(sparse.size).toBe(5 * 2 ** 30 + 1)
    // Holes are holes.
    expect(sparse.blocks).toBeLessThan(1000)
    expect(await fs.readFile(host('files', 'mmap-shared', 'mm'), 'latin1')).toContain('\0hello\0')
    const names = await fs.readdir(host('files', 'names'), { encoding: 'buffer' })
    const bytes = names.map((name) => name.toString('latin1'))
    for (const name of ['caf\xe9\xff', '\xc3\xa9', 'e\xcc\x81', 'new\nline', '-rf', ' lead']) {
      expect(bytes).toContain(name)
    }
    // Set-id bits stay in the guest, which the last mode of that check leaves without any.
    expect((await fs.stat(host('files', 'chmod-with-all-bits', 'd'))).mode & 0o7777).toBe(0o755)
    expect((await fs.stat(host('files', 'times', 's'))).mtimeMs).toBeGreaterThan(Date.now() - 600_000)
    const copied = host('files', 'times', 'u', 's')
    expect((await fs.stat(copied)).mtimeMs).toBe(981_173_106_000)
  })
})

describe('owners', () => {
  checks('owners.pl', 'sudo')

  it('on the host all is the host user’s', async () => {
    const { stdout } = await execa('find', [host('owners'), '!', '-uid', String(process.getuid?.())])
    expect(stdout).toBe('')
    const { mode } = await fs.stat(host('owners', 'set-id-bits-mean-nothing-on-a-mount', 'id'))
    expect(mode & 0o7777).toBe(0o755)
  })

  it('a container takes a folder over and another one works in it', async () => {
    mkdirSync(host('adopted'))
    const run = (...args: string[]) =>
      docker(profile, ['run', '--rm', '-v', `${host('adopted')}:/data`, ...args])
    const sh = ['busybox', 'sh', '-c']
    const adopted = await run(...sh, 'busybox chown 70:70 /data && busybox chmod 700 /data')
    expect(adopted.exitCode, String(adopted.stderr)).toBe(0)
    const worked = await run(
      '-u',
      '70:70',
      ...sh,
      'mkdir /data/base; echo 16 >/data/PG_VERSION; ls -ln /data',
    )
    expect(String(worked.stdout)).toMatch(/^drwxr-xr-x +\d+ 70 +70 .* base$/m)
    expect(String(worked.stdout)).toMatch(/^-rw-r--r-- +\d+ 70 +70 .* PG_VERSION$/m)
    expect((await fs.stat(host('adopted'))).uid).toBe(process.getuid?.())
  })
})

describe('programs', () => {
  checks('programs.pl', `env PATH=${guestTools}:/usr/bin:/bin`)

  it('git finds the guest’s repository clean on the host', async () => {
    const repository = host('programs', 'git', 'r')
    const git = (...args: string[]) => execa('git', ['-c', 'safe.directory=*', '-C', repository, ...args])
    expect((await git('status', '--porcelain')).stdout).toBe('')
    const { stdout } = await git('ls-files', '-s', 'f1', 'l')
    expect(stdout.split('\n').map((line) => line.slice(0, 6))).toEqual(['100755', '120000'])
  })
})

describe('host and guest together', () => {
  it('lose no line when both append', async () => {
    await fs.writeFile(host('log'), '')
    const appended = async () => {
      for (let n = 0; n < 100; n++) await fs.appendFile(host('log'), `h${n}\n`)
    }
    await Promise.all([appended(), guest('for i in $(seq 100); do echo g$i >>log; done')])
    const lines = (await fs.readFile(host('log'), 'utf8')).trim().split('\n')
    expect(lines).toHaveLength(200)
    expect(new Set(lines).size).toBe(200)
    const mine = lines.filter((line) => line.startsWith('h'))
    expect(mine).toEqual(Array.from({ length: 100 }, (_, n) => `h${n}`))
    expect(lines.filter((line) => /^g\d+$/.test(line))).toHaveLength(100)
  })

  it('write to parts of one file', async () => {
    await fs.writeFile(host('parts'), Buffer.alloc(20 * 4096))
    const file = await fs.open(host('parts'), 'r+')
    const write = async () => {
      for (let at = 0; at < 20; at += 2) await file.write(Buffer.alloc(4096, 104), 0, 4096, at * 4096)
      await file.close()
    }
    const script =
      'for i in 1 3 5 7 9 11 13 15 17 19; do head -c 4096 /dev/zero | tr "\\0" g | dd of=parts bs=4096 seek=$i conv=notrunc status=none; done'
    await Promise.all([write(), guest(script)])
    const text = await fs.readFile(host('parts'), 'latin1')
    expect(text.match(/h+|g+/g)?.map((run) => `${run[0]}${run.length}`)).toEqual(
      Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? 'h4096' : 'g4096')),
    )
  })

  it('hand large data over through the window, both ways', async () => {
    const window = () => fs.readFile(instancePaths(shared.home, profile).window)
    const [written, read] = [randomBytes(512 * 1024), randomBytes(512 * 1024)]
    await fs.writeFile(host('read'), read)
    const sum = createHash('sha256').update(read).digest('hex')
    expect(await guest('sha256sum <read')).toContain(sum)
    expect((await window()).includes(read.subarray(-4096))).toBe(true)
    await fs.writeFile(path.join(tools, 'written'), written)
    await guest(
      `cat '${tools}/written' >/var/tmp/written; dd if=/var/tmp/written of=written bs=512k status=none`,
    )
    expect((await fs.readFile(host('written'))).equals(written)).toBe(true)
    expect((await window()).includes(written)).toBe(true)
  })

  it('have a processor of their own where the machine’s are emulated', async () => {
    const state = await fs.readFile(instancePaths(shared.home, profile).state, 'utf8')
    const { accelerator, config } = JSON.parse(state) as InstanceState
    const last = config.cpus - 1
    const own = accelerator === 'tcg' && last > 0
    const processors = async (files: string) => {
      const said = await guest(
        `for file in ${files}; do sed -n 's/^Cpus_allowed_list:\\s*//p; /^[0-9,-]*$/p' "$file"; done`,
      )
      return new Set(said.trim().split('\n'))
    }
    const programs = await processors('$(pgrep -f "^@sshfs" | sed "s,.*,/proc/&/status,")')
    const interrupts = await processors(
      '$(ls /sys/class/virtio-ports/vport*p1/device/../msi_irqs | sed "s,.*,/proc/irq/&/smp_affinity_list,")',
    )
    if (own) {
      expect(programs).toContain(String(last))
      expect(interrupts).toEqual(new Set([String(last)]))
    }
    for (const list of programs) expect(list).toMatch(own ? /^[1-9]\d*$/ : last > 0 ? /^0-\d+$/ : /^0$/)
  })

  it('links are the same bytes on both sides', async () => {
    await fs.mkdir(host('links'))
    await guest(
      'cd links; ln -s target l; ln -s /nowhere/x dead; ln -s . loop; find . -maxdepth 3 >/dev/null',
    )
    for (const [name, target] of [
      ['l', 'target'],
      ['dead', '/nowhere/x'],
      ['loop', '.'],
    ] as const) {
      expect(await fs.readlink(host('links', name))).toBe(target)
    }
    await fs.symlink('host-made', host('links', 'h'))
    expect(await guest('readlink links/h')).toBe('host-made')
  })

  it('what the host changes is seen by the guest within the documented limit', async () => {
    const texts = { grown: 'x'.repeat(9000), shrunk: 'y', same: 'other', emptied: '' }
    await fs.mkdir(host('edited'))
    for (const name of [...Object.keys(texts), 'old']) await fs.writeFile(host('edited', name), 'first')
    expect(await guest('ls edited; cat edited/* | wc -c; stat -c %a edited/old')).toBe(
      'emptied\ngrown\nold\nsame\nshrunk\n25\n644',
    )
    for (const [name, text] of Object.entries(texts)) await fs.writeFile(host('edited', name), text)
    await fs.writeFile(host('edited', 'new'), '')
    await fs.rename(host('edited', 'old'), host('edited', 'renamed'))
    await fs.chmod(host('edited', 'renamed'), 0o600)
    await new Promise((resolve) => {
      setTimeout(resolve, staleMs)
    })
    const seen = await guest(
      'ls edited; cd edited; stat -c "%n %s" grown shrunk same emptied; stat -c %a renamed',
    )
    expect(seen.split('\n')).toEqual([
      ...['emptied', 'grown', 'new', 'renamed', 'same', 'shrunk'],
      ...Object.entries(texts).map(([name, text]) => `${name} ${text.length}`),
      '600',
    ])
    expect(await guest('cd edited; cat grown shrunk same')).toBe(`${texts.grown}yother`)
  })

  it('list a folder of 20,000 files in full', async () => {
    await fs.mkdir(host('many'))
    const names = Array.from({ length: 20_000 }, (_, n) => `file-${n}`)
    for (const name of names) await fs.writeFile(host('many', name), '')
    const listed = await guest('ls many')
    expect(listed.split('\n').sort()).toEqual(names.sort())
    // Removed while they are listed.
    await guest('find many -name "file-19[0-9][0-9]" -delete')
    expect(await guest('ls many | wc -l')).toBe('19900')
    expect(await fs.readdir(host('many'))).toHaveLength(19_900)
    await fs.rm(host('many'), { recursive: true })
    await eventually(async () => ((await guest('ls')).includes('many') ? undefined : true), staleMs * 3)
  })

  it('a FIFO of the host holds nothing else up', async () => {
    await execa('mkfifo', [host('fifo')])
    const waiting =
      'for i in 1 2 3 4 5 6 7 8; do cat fifo & pids="$pids $!"; done; ls >/dev/null; echo listed; stat -c %F fifo; kill $pids; wait || true'
    expect(await guest(waiting)).toBe('listed\nfifo')
  })

  it('agree about the room that is left', async () => {
    const { bsize, blocks, bavail } = await fs.statfs(top)
    const [, size, , available] = (await guest('df -Pk . | tail -n 1')).split(/\s+/).map(Number)
    expect(size).toBe((blocks * bsize) / 1024)
    // Others write to that disk meanwhile.
    expect(Math.abs((available ?? 0) - (bavail * bsize) / 1024)).toBeLessThan(4 * 1024 * 1024)
  })
})

describe('a folder whose name has blanks, quotes and letters of other alphabets', () => {
  it('is mounted once and works both ways', async () => {
    const odd = shared.oddFolder
    await fs.writeFile(path.join(odd, 'x \u00e9.txt'), 'from the host')
    expect(await guest("cat 'x \u00e9.txt'; echo from the guest >'g '", odd)).toBe('from the host')
    expect(await fs.readFile(path.join(odd, 'g '), 'utf8')).toBe('from the guest\n')
    const table = await guest('cat /proc/self/mounts')
    const written = odd.replaceAll(' ', '\\040')
    expect(table.split('\n').filter((line) => line.split(' ')[1] === written)).toHaveLength(1)
    const seen = await docker(profile, [
      'run',
      '--rm',
      '-v',
      `${odd}:/m`,
      'busybox',
      'cat',
      '/m/x \u00e9.txt',
    ])
    expect(seen.stdout).toBe('from the host')
  })
})
