import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type AutostartInput,
  autostartPlace,
  disableAutostart,
  enableAutostart,
} from '../../../src/cli/autostart.ts'
import { autostartFile, autostartText } from '../../../src/host/autostart.ts'
import { currentHost, type Host } from '../../../src/host/platform.ts'

const job = {
  name: 'tcolima-work',
  service: 'tcolima-work',
  start: ['/a b/node', '/50%/$x/main.cjs', 'start', 'work'],
  stop: ['/a b/node', 'stop'],
  env: { TCOLIMA_HOME: '/h "o" & <e>', PATH: '/bin:/x\\y' },
}

describe('the text', () => {
  it('for systemd', () => {
    const text = autostartText('linux', job)
    expect(text).toContain('ExecStart="/a b/node" "/50%%/$$x/main.cjs" "start" "work"\n')
    expect(text).toContain('Environment="TCOLIMA_HOME=/h \\"o\\" & <e>"\n')
    expect(text).toContain('Environment="PATH=/bin:/x\\\\y"\n')
    expect(text).toContain('WantedBy=default.target\n')
  })

  it('for launchd', () => {
    const text = autostartText('darwin', job)
    expect(text).toContain('<string>/h "o" &amp; &lt;e&gt;</string>')
    expect(text).toMatch(/<key>Label<\/key>\s+<string>tcolima-work<\/string>/)
    expect(text).toMatch(/<key>AbandonProcessGroup<\/key>\s+<true\/>/)
  })
})

it.each([
  ['linux', {}, '/u/.config/systemd/user/s.service'],
  ['linux', { XDG_CONFIG_HOME: '/x' }, '/x/systemd/user/s.service'],
  ['linux', { XDG_CONFIG_HOME: 'rel' }, '/u/.config/systemd/user/s.service'],
  ['darwin', { XDG_CONFIG_HOME: '/x' }, '/u/Library/LaunchAgents/s.plist'],
] as const)('%s %j: %s', (platform, env, file) => {
  expect(autostartFile(currentHost({ platform, home: '/u', env }), 's')).toBe(file)
})

describe.each(['linux', 'darwin'] as const)('on %s', (platform) => {
  let home: string
  let host: Host
  let asked: string[]
  const input = (fails = false): AutostartInput => ({
    host,
    home,
    profile: 'work',
    run: async (cmd, args) => {
      asked.push([cmd, ...args].join(' '))
      if (fails) throw new Error('no bus')
      return { stdout: '', stderr: '', exitCode: 0 }
    },
  })

  beforeEach(() => {
    home = mkdtempSync(path.join(tmpdir(), 'tcolima-autostart-'))
    host = currentHost({ platform, home, uid: 501, env: { PATH: '/bin' } })
    asked = []
  })

  afterEach(() => rmSync(home, { recursive: true, force: true }))

  it('is there and gone again', async () => {
    await enableAutostart(input())
    const text = readFileSync(autostartPlace(input()), 'utf8')
    expect(text).toContain('tcolima-work')
    // By which the machine of a worker knows that its server may be starting too.
    expect(text).toMatch(/TCOLIMA_AUTOSTART\D+1/)
    expect(await disableAutostart(input())).toBe(true)
    expect(existsSync(autostartPlace(input()))).toBe(false)
    expect(await disableAutostart(input())).toBe(false)
    expect(asked).toEqual(
      platform === 'darwin'
        ? ['launchctl bootout gui/501/tcolima-work']
        : [
            'systemctl --user daemon-reload',
            'systemctl --user enable tcolima-work.service',
            'systemctl --user disable tcolima-work.service',
            'systemctl --user daemon-reload',
          ],
    )
  })

  it('leaves nothing where the system refuses, and can always be taken away', async () => {
    if (platform === 'linux') {
      await expect(enableAutostart(input(true))).rejects.toMatchObject({ code: 'host' })
      expect(existsSync(autostartPlace(input()))).toBe(false)
    }
    await enableAutostart(input())
    expect(await disableAutostart(input(true))).toBe(true)
    expect(existsSync(autostartPlace(input()))).toBe(false)
  })
})
