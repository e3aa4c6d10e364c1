/** A1, A2, A7: the import rules hold, and each finds what is planted for it. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { core, layers } from '../../layers.mjs';

const root = new URL('../..', import.meta.url).pathname;
const scratch = mkdtempSync(join(tmpdir(), 'foliofs-layers-'));
afterAll(() => {
  rmSync(scratch, { recursive: true });
});

interface Cruise {
  readonly summary: {
    readonly totalCruised: number;
    readonly violations: readonly { from: string; to: string; rule: { name: string } }[];
  };
}

async function cruise(cwd: string): Promise<Cruise['summary']> {
  const bin = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const config = join(root, '.dependency-cruiser.mjs');
  const args = [bin, '--config', config, '--output-type', 'json', 'src'];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd,
    maxBuffer: 2 ** 28,
  });
  return (JSON.parse(stdout) as Cruise).summary;
}

/** The rules that a small tree of files breaks. */
async function broken(files: Record<string, string>): Promise<string[]> {
  const cwd = mkdtempSync(join(scratch, 'tree-'));
  const all: Record<string, string> = { 'tsconfig.json': '{}', 'package.json': '{}', ...files };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(cwd, name)), { recursive: true });
    writeFileSync(join(cwd, name), text);
  }
  const { violations } = await cruise(cwd);
  return [...new Set(violations.map((v) => v.rule.name))];
}

test('every import of src/ goes to a room that may be imported', async () => {
  const { violations, totalCruised } = await cruise(root);
  expect(totalCruised).toBeGreaterThan(5);
  expect(violations.map((v) => `${v.rule.name}: ${v.from} -> ${v.to}`)).toEqual([]);
});

const A = 'export const a = 1;\n';

test.each<[string, string, Record<string, string>]>([
  [
    'an import of a higher room',
    'mm-imports',
    { 'src/mm/a.ts': "export * from '../vfs/b.ts';", 'src/vfs/b.ts': A },
  ],
  [
    'a type-only import of a higher room',
    'mm-imports',
    {
      'src/mm/a.ts': "import type { B } from '../vfs/b.ts'; export const a: B = 1;",
      'src/vfs/b.ts': 'export type B = number;',
    },
  ],
  [
    'one file system importing another',
    'fs-tmpfs-imports',
    { 'src/fs/tmpfs/a.ts': "export * from '../ext4/b.ts';", 'src/fs/ext4/b.ts': A },
  ],
  [
    'the explorer in the core (A7)',
    'mm-imports',
    { 'src/mm/a.ts': "export * from '../explore/b.ts';", 'src/explore/b.ts': A },
  ],
  ['the host in the core', 'core-is-sealed', { 'src/vfs/a.ts': "export * from 'node:fs';" }],
  ['a package in the core', 'core-is-sealed', { 'src/vfs/a.ts': "export * from 'nowhere';" }],
  [
    'a circle of values inside a room',
    'no-cycles',
    {
      'src/mm/a.ts': "import { b } from './b.ts'; export const a = () => b();",
      'src/mm/b.ts': "import { a } from './a.ts'; export const b = () => a();",
    },
  ],
  [
    'a test used by production code',
    'no-tests-in-production',
    { 'src/mm/a.ts': "export * from './b.test.ts';", 'src/mm/b.test.ts': A },
  ],
])('%s is found', async (_, rule, files) => {
  expect(await broken(files)).toContain(rule);
});

test('what the table allows is let be: lower rooms, tests of any kind, types in a circle', async () => {
  const files = {
    'src/base/a.ts': A,
    'src/mm/a.ts': "export * from '../base/a.ts';",
    'src/mm/a.test.ts': "import 'node:fs'; import '../vfs/inode.ts';",
    'src/vfs/inode.ts': "import type { S } from './super.ts'; export interface I { s: S }",
    'src/vfs/super.ts': "import type { I } from './inode.ts'; export interface S { i: I }",
    'src/init.ts': "export * from './vfs/inode.ts';",
    'src/cli/main.ts': "export * from '../init.ts';",
    'src/index.ts': "export * from './init.ts';",
  };
  expect(await broken(files)).toEqual([]);
});

test('the table itself: ranks fall, and explore and the host stand outside the core', () => {
  for (const { rank, may } of Object.values(layers)) {
    for (const room of may) expect(layers[room]?.rank).toBeLessThan(rank);
  }
  expect(core).not.toContain('explore');
  expect(core).not.toContain('platform/node');
});
