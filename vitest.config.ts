import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    // Real processes on small machines: the limit guards against hangs, it measures nothing.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    reporters:
      process.env.CI === 'true'
        ? ['default', ['json', { outputFile: '.cache/test-report.json' }]]
        : ['default'],
  },
});
