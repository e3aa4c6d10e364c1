/**
 * One project per kind of test: `unit` stands beside the code, every other kind is a folder of
 * test/. `npm test` runs unit and architecture; `npx vitest run --project golden` runs one kind.
 */
import { readdirSync } from 'node:fs';
import { sep } from 'node:path';
import { defineConfig } from 'vitest/config';

const tests = readdirSync(new URL('test/', import.meta.url), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts'))
  .map((file) => file.split(sep)[0] ?? '');
const kinds = [...new Set(tests)].sort();

/** Kept failures first: what was found once should be found at once. */
const order = (name: string): number => (name === 'seeds' ? 0 : 1);

const project = (name: string, include: string) => ({
  extends: true as const,
  test: { name, include: [include], sequence: { groupOrder: order(name) } },
});

export default defineConfig({
  // The checked build: lockdep, tracepoints and verify() are on in every test.
  define: { CHECKED: 'true' },
  // Node 20 does not parse `using`; the transform lowers it.
  esbuild: { target: 'es2022' },
  test: {
    setupFiles: ['test/support/locks-seen.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A process each: a test may hold loop devices, big shared memories and a working folder.
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      project('unit', 'src/**/*.test.ts'),
      ...kinds.map((kind) => project(kind, `test/${kind}/**/*.test.ts`)),
    ],
  },
});
