import { defineConfig } from 'vitest/config';

export default defineConfig({
  define: { CHECKED: 'true' },
  esbuild: { target: 'es2022' },
  test: { testTimeout: 60_000, include: ['src/**/*.test.ts', 'test/**/*.test.ts'] },
});
