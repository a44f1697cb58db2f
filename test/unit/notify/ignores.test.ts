import { expect, test } from 'vitest'
import { defaults } from '../../../src/config/defaults.ts'
import { ignores } from '../../../src/notify/ignores.ts'

test.each<[string[], string, boolean]>([
  [[...defaults.mountInotifyIgnore], '.git', true],
  [[...defaults.mountInotifyIgnore], '.git/refs/heads/main', true],
  [[...defaults.mountInotifyIgnore], 'packages/a/node_modules', true],
  [[...defaults.mountInotifyIgnore], 'packages/a/node_modules/b/c.js', true],
  [[...defaults.mountInotifyIgnore], '.gitignore', false],
  [[...defaults.mountInotifyIgnore], 'a.git', false],
  [[...defaults.mountInotifyIgnore], 'my_node_modules/a', false],
  [[...defaults.mountInotifyIgnore], 'src/Node_Modules', false],
  [[...defaults.mountInotifyIgnore], 'xgit/a', false],
  [[...defaults.mountInotifyIgnore], '', false],
  [['*.log'], 'a/b.log', true],
  [['*.log'], 'a/.log', true],
  [['*.log'], 'a.log/b', true],
  [['*.log'], 'a.logs', false],
  [['*.log'], 'line\nbreak.log', true],
  [['tmp?'], 'tmp1', true],
  [['tmp?'], 'tmp', false],
  [['a*z'], 'a/z', false],
  [['*'], 'anything', true],
  [['docs/build'], 'docs/build/index.html', true],
  [['docs/build'], 'x/docs/build', true],
  [['docs/build'], 'docs/x/build', false],
  [['/build/'], 'build/x', true],
  [['a.b+(c)[d]{e}|f^$\\'], 'a.b+(c)[d]{e}|f^$\\', true],
  [['a.b'], 'axb', false],
  [['über raschung'], 'ä/über raschung', true],
  [[''], 'a', false],
  [['/'], 'a', false],
  [[], 'node_modules', false],
])('%j: %j is ignored: %s', (patterns, relative, ignored) => {
  expect(ignores(patterns)(relative)).toBe(ignored)
})
