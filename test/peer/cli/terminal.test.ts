import { EventEmitter, once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import type { Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { programHelp } from '../../../src/cli/parser.ts'
import { fakeAgent, runningInstance, send } from './fake-agent.ts'
import { Terminals } from './tmux.ts'

const main = path.resolve(import.meta.dirname, '../../../dist/main.cjs')

let folder: string
let home: string
let terminals: Terminals
const servers: Server[] = []

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tcolima-tty-'))
  home = path.join(folder, 'home')
  mkdirSync(path.join(folder, 'bin'))
  symlinkSync(main, path.join(folder, 'bin', 'tcolima'))
  // Shows the first lines of the file, and writes what is typed into it; `same` leaves it.
  const editor = `#!/bin/sh
printf -- '--- edited:\\n'
head -n 4 "$1"
printf 'new text? '
read -r text
[ "$text" = same ] || printf '%b' "$text" >"$1"
`
  writeFileSync(path.join(folder, 'bin', 'asks'), editor, { mode: 0o755 })
  terminals = new Terminals(folder, {
    PATH: `${path.join(folder, 'bin')}:${process.env.PATH ?? ''}`,
    HOME: folder,
    TCOLIMA_HOME: home,
    TERM: 'screen',
    LC_ALL: 'C.UTF-8',
    EDITOR: 'asks',
  })
})

afterEach(() => {
  for (const server of servers.splice(0)) server.close()
  rmSync(home, { recursive: true, force: true })
})

afterAll(async () => {
  await terminals.close()
  rmSync(folder, { recursive: true, force: true })
})

const inside = (...names: string[]) => path.join(home, ...names)

/** A machine that was made and is stopped; it has no engine, so no client of one is told of it. */
function stopped(name: string): void {
  mkdirSync(inside(name), { recursive: true })
  const record = { version: 1, arch: 'x86_64', runtime: 'none', user: { name: 'u', uid: 1 } }
  writeFileSync(inside(name, 'instance.json'), JSON.stringify(record))
  writeFileSync(inside(name, 'tcolima.yaml'), 'runtime: none\nmounts: null\n')
}

describe('the question before a machine is deleted', () => {
  it.each([
    ['no', ['n', 'Enter'], 'nothing was deleted', 1],
    ['only Enter', ['Enter'], 'nothing was deleted', 1],
    ['the end of input', ['C-d'], 'nothing was deleted', 1],
    ['Ctrl-C', ['C-c'], 'interrupted', 130],
  ])('%s leaves it as it is', async (_what, keys, said, code) => {
    stopped('work')
    const terminal = await terminals.open('tcolima delete work')
    await terminal.shows(/Delete tcolima-work: the machine and its settings .*\? \[y\/N\]/s)
    await terminal.press(...keys)
    expect(await terminal.shows(`[ended ${code}]`)).toContain(said)
    expect(existsSync(inside('work', 'instance.json'))).toBe(true)
  })

  it('yes deletes it', async () => {
    stopped('work')
    const terminal = await terminals.open('tcolima delete --data work')
    await terminal.shows(/Delete tcolima-work: .*all its images, containers and volumes\? \[y\/N\]/s)
    await terminal.type('yes')
    await terminal.shows('[ended 0]')
    expect(existsSync(inside('work'))).toBe(false)
  })
})

describe('the editor', () => {
  it('has the terminal, opens again with what is wrong above the text, and the right one is kept', async () => {
    stopped('work')
    const terminal = await terminals.open('tcolima edit work')
    expect(await terminal.shows('new text?')).toContain('runtime: none')
    await terminal.type(String.raw`runtime: none\ncpu: none\n`)
    const again = await terminal.shows(/tcolima.yaml:4:6: cpu must be a whole number/)
    expect(again).toContain('#! Correct it, or empty the file to give up.')
    expect(readFileSync(inside('work', 'tcolima.yaml'), 'utf8')).toBe('runtime: none\nmounts: null\n')
    await terminal.type(String.raw`runtime: none\ncpu: 1 # one\n`)
    expect(await terminal.shows('[ended 0]')).toContain('the settings are saved')
    expect(readFileSync(inside('work', 'tcolima.yaml'), 'utf8')).toBe('runtime: none\ncpu: 1 # one\n')
  })

  it('before a start: an emptied file gives up, and nothing is there', async () => {
    const terminal = await terminals.open('tcolima start new --edit')
    await terminal.shows('new text?')
    await terminal.type('')
    expect(await terminal.shows('[ended 130]')).toContain('the file was emptied: nothing was changed')
    expect(existsSync(inside('new'))).toBe(false)
  })

  it('a wrong text that comes back as it was ends with its error', async () => {
    const terminal = await terminals.open('tcolima start new --edit --editor "asks"')
    await terminal.shows('new text?')
    await terminal.type('memroy: 4')
    await terminal.shows('#! Correct it')
    await terminal.type('same')
    expect(await terminal.shows('[ended 2]')).toContain('did you mean "memory"?')
    expect(existsSync(inside('new'))).toBe(false)
  })
})

describe('progress', () => {
  /** A machine whose agent says of a stop what the test wants; `connection` is the command's, once there is one. */
  async function stopping(): Promise<{ connection: Promise<Socket> }> {
    runningInstance(home, 'work')
    stopped('work')
    const told = new EventEmitter<{ stop: [Socket] }>()
    servers.push(
      await fakeAgent(inside('work', 'agent.sock'), (socket, { method }) => {
        if (method === 'stop') told.emit('stop', socket)
        else socket.destroy()
      }),
    )
    return { connection: once(told, 'stop').then(([socket]) => socket as Socket) }
  }

  it('one line that is drawn anew, and a line for each step that ended', async () => {
    const { connection } = await stopping()
    const terminal = await terminals.open('tcolima stop work', { columns: 40 })
    const socket = await connection
    send(socket, { event: { type: 'step', step: 'unmount', state: 'started' } })
    const first = await terminal.shows(/^\S unmount +\d\.\d s$/m)
    // Wider than the terminal: cut, since a wrapped line could not be erased.
    send(socket, { event: { type: 'note', step: 'unmount', text: 'a word '.repeat(20) } })
    await terminal.shows(/^\S unmount +\d\.\d s  a word a wor$/m)
    send(socket, { event: { type: 'step', step: 'unmount', state: 'done', ms: 1234, detail: 'two' } })
    send(socket, { event: { type: 'step', step: 'power off', state: 'started' } })
    const second = await terminal.shows(/^\S power off +\d\.\d s$/m)
    expect(first).not.toContain('power off')
    expect(second.trimEnd().split('\n')).toEqual([
      '✓ unmount           1.2 s  two',
      expect.stringMatching(/^\S power off {9}\d\.\d s$/),
    ])
    socket.end(`${JSON.stringify({ result: {} })}\n`)
    const end = await terminal.shows('[ended 0]')
    expect(end).toContain('tcolima-work is stopped')
    expect(end).not.toMatch(/^. power off/m)
  })

  it('is drawn again while nothing is said, and an error takes its place', async () => {
    const { connection } = await stopping()
    const terminal = await terminals.open('tcolima stop work')
    const socket = await connection
    send(socket, { event: { type: 'step', step: 'power off', state: 'started' } })
    const shown = await terminal.shows(/^\S power off +\S+ s$/m)
    const [, time = ''] = /power off +(\S+) s$/m.exec(shown) ?? []
    await terminal.shows(new RegExp(`power off +(?!${time} )\\S+ s$`, 'm'))
    socket.end(
      `${JSON.stringify({ error: { code: 'busy', message: 'no', hint: 'Wait.', step: 'power off' } })}\n`,
    )
    const end = await terminal.shows('[ended 1]')
    expect(end.trimEnd().split('\n')).toEqual(['tcolima: power off: no', 'hint: Wait.', '[ended 1]'])
  })
})

describe('colours', () => {
  const red = '\u001B[31mtcolima:'

  it.each([
    ['there are', 'tcolima status nosuch', {}, true],
    ['not with --no-color', 'tcolima --no-color status nosuch', {}, false],
    ['not with NO_COLOR', 'tcolima status nosuch', { NO_COLOR: '1' }, false],
    ['not where the terminal knows none', 'tcolima status nosuch', { TERM: 'dumb' }, false],
    ['not in a pipe', 'tcolima status nosuch 2>&1 | cat', {}, false],
  ])('%s', async (_what, line, env, coloured) => {
    const terminal = await terminals.open(line, { env })
    await terminal.shows('there is no machine nosuch')
    expect((await terminal.screen(true)).includes(red)).toBe(coloured)
  })
})

describe('help', () => {
  it.each([80, 100, 200])('is for %i columns', async (columns) => {
    const terminal = await terminals.open('tcolima --help', { columns, rows: 130 })
    await terminal.shows('[ended 0]')
    // Lines that the terminal broke are one again.
    expect(await terminal.whole()).toContain(programHelp(columns).trimEnd())
  })
})

describe('Tab', () => {
  it('completes in bash', async () => {
    runningInstance(home, 'work')
    const terminal = await terminals.open("PS1='> ' exec bash --norc --noprofile -i")
    await terminal.shows(/^>$/m)
    await terminal.type('source <(tcolima completion bash); echo loaded-$((1 + 1))')
    await terminal.shows('loaded-2')
    await terminal.press('tcolima stat', 'Tab')
    await terminal.shows(/^> tcolima status$/m)
    await terminal.press('wo', 'Tab')
    await terminal.shows('> tcolima status work')
    await terminal.press('--ext', 'Tab')
    await terminal.shows('> tcolima status work --extended')
  })
})
