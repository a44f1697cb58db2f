// Kills its process at the step KILL_AT: steps are the calls that change files. Loaded with --require before the program.
const fs = require('node:fs')
const path = require('node:path')

const last = Number(process.env.KILL_AT)
let step = 0

/** What a call has done when it is cut short. */
const halves = {
  copyFile: (from, to) => fs.writeFileSync(to, fs.readFileSync(from).subarray(0, 1000)),
  rm: (target) => {
    if (!fs.statSync(target, { throwIfNoEntry: false })?.isDirectory()) return
    const [first] = fs.readdirSync(target)
    if (first !== undefined) original.rmSync(path.join(target, first), { recursive: true })
  },
}
const original = { rmSync: fs.rmSync }

function counted(name, call) {
  return (...args) => {
    const [, flags] = args
    if (name === 'open' && (flags === undefined || flags === 'r')) return call(...args)
    if (++step === last) {
      halves[name]?.(...args)
      process.kill(process.pid, 'SIGKILL')
      // The signal comes before anything else is done.
      for (;;);
    }
    return call(...args)
  }
}

const names = ['copyFile', 'link', 'mkdir', 'open', 'rename', 'rm', 'rmdir', 'symlink', 'unlink', 'writeFile']
for (const name of names) {
  fs.promises[name] = counted(name, fs.promises[name].bind(fs.promises))
  fs[`${name}Sync`] = counted(name, fs[`${name}Sync`].bind(fs))
}
