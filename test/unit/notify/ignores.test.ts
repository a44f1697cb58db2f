import { expect, test } from 'vitest'
import { DEFAULT_IGNORES, ignores } from '../../../src/notify/ignores.ts'

test.each<[string[], string, boolean]>([
  [[...DEFAULT_IGNORES], '.git', true],
  [[...DEFAULT_IGNORES], '.git/refs/heads/main', true],
  [[...DEFAULT_IGNORES], 'packages/a/node_modules', true],
  [[...DEFAULT_IGNORES], 'packages/a/node_modules/b/c.js', true],
  [[...DEFAULT_IGNORES], '.gitignore', false],
  [[...DEFAULT_IGNORES], 'a.git', false],
  [[...DEFAULT_IGNORES], 'my_node_modules/a', false],
  [[...DEFAULT_IGNORES], 'src/Node_Modules', false],
  [[...DEFAULT_IGNORES], 'xgit/a', false],
  [[...DEFAULT_IGNORES], '', false],
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
