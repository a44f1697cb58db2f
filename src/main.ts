#!/usr/bin/env node
import { quick } from './cli/quick.ts'

// This file becomes one small script (scripts/build.mjs): what only looks must not wait for the rest to load.
const words = process.argv.slice(2)
const run = quick(words) ?? import('./cli/program.ts').then(({ main }) => main(words))
void run.then((code) => {
  process.exitCode = code
})
