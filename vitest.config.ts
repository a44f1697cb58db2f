import { defineConfig } from 'vitest/config'

const tier = (name: string, testTimeout: number, more: object = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], testTimeout, hookTimeout: testTimeout, ...more },
})

export default defineConfig({
  test: {
    projects: [
      tier('unit', 30_000),
      tier('peer', 120_000),
      // One guest at a time: software emulation on a small machine leaves no room for two files at once.
      tier('vm', 600_000, { fileParallelism: false, globalSetup: ['test/vm/global.ts'] }),
    ],
  },
})
