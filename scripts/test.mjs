// `npm test`: checks, build, all three tiers of tests; ends with the line `N passed, N failed, N skipped`.
// Arguments go to vitest: `npm test -- --project unit`.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

// Programs that tests need beside those that tcolima installs itself, and Debian's packages for them.
const testPackages = {
  sshfs: 'sshfs',
  fusermount3: 'fuse3',
  sftp: 'openssh-client',
  sshd: 'openssh-server',
  script: 'bsdutils',
  busybox: 'busybox-static',
  perl: 'perl-base',
  git: 'git',
  sqlite3: 'sqlite3',
  debugfs: 'e2fsprogs',
  inotifywait: 'inotify-tools',
  'ssh-keygen': 'openssh-client',
  docker: 'docker.io',
  zsh: 'zsh',
  fish: 'fish',
  tmux: 'tmux',
  man: 'man-db',
  ruby: 'ruby',
  'nix-instantiate': 'nix-bin',
  kubectl: 'kubernetes-client',
  openssl: 'openssl',
  podman: 'podman',
  ctr: 'containerd',
  zstd: 'zstd',
  // For the machine protocol without a guest.
  'qemu-system-x86_64': 'qemu-system-x86',
}

function run(command, args, options = {}) {
  process.stdout.write(`\n> ${command} ${args.join(' ')}\n`)
  return spawnSync(command, args, { stdio: 'inherit', ...options }).status === 0
}

function missingPackages() {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin']
  const there = (name) => folders.some((folder) => existsSync(path.join(folder, name)))
  return [...new Set(Object.entries(testPackages).flatMap(([name, pkg]) => (there(name) ? [] : [pkg])))]
}

function installTestPackages() {
  const missing = missingPackages()
  if (missing.length === 0) return true
  if (!existsSync('/usr/bin/apt-get')) {
    process.stderr.write(
      `The tests need these programs: ${missing.join(', ')}. Install them and try again.\n`,
    )
    return false
  }
  const root = process.getuid?.() === 0
  const prefix = root ? [] : ['sudo', '-n']
  const apt = (...args) => {
    const [command, ...rest] = [...prefix, 'apt-get', '-o', 'DPkg::Lock::Timeout=120', ...args]
    return run(command, rest, { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
  }
  return apt('update') && apt('install', '-y', '--no-install-recommends', ...missing)
}

const filters = process.argv.slice(2)
const results = mkdtempSync(path.join(tmpdir(), 'tcolima-test-'))
const report = path.join(results, 'results.json')
let ok = true
let counts = { passed: 0, failed: 0, skipped: 0 }
try {
  // With arguments somebody looks at one part: the checks are for the whole.
  if (filters.length === 0) ok = run('npm', ['run', '--silent', 'check']) && ok
  ok = run(process.execPath, ['scripts/build.mjs']) && ok
  ok = installTestPackages() && ok
  const vitest = [
    path.join('node_modules', 'vitest', 'vitest.mjs'),
    'run',
    '--reporter=default',
    '--reporter=json',
  ]
  ok = run(process.execPath, [...vitest, `--outputFile.json=${report}`, ...filters]) && ok
  if (existsSync(report)) {
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(
      readFileSync(report, 'utf8'),
    )
    counts = { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests + numTodoTests }
  }
} finally {
  rmSync(results, { recursive: true, force: true })
}
// A check, the build or a file that could not even be loaded is a failure too, though no test of its own.
if (!ok && counts.failed === 0) counts.failed = 1
process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`)
process.exitCode = ok && counts.passed > 0 ? 0 : 1
