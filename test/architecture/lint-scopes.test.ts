/** The lint configuration reaches the rooms it should: each rule finds what is planted for it. */
import { ESLint } from 'eslint';
import { expect, test } from 'vitest';

const cwd = new URL('../..', import.meta.url).pathname;

/**
 * The rules that fire on `code` at `filePath`; the type-aware ones need a real file, so are off.
 */
async function fired(filePath: string, code: string): Promise<string[]> {
  const plain = new ESLint({ cwd });
  const config = (await plain.calculateConfigForFile(filePath)) as { rules: object };
  const typed = Object.keys(config.rules).filter((r) =>
    /^@typescript(?!.*restricted)|dropped-op$/.test(r),
  );
  const eslint = new ESLint({
    cwd,
    overrideConfig: {
      languageOptions: { parserOptions: { projectService: false } },
      rules: Object.fromEntries(typed.map((rule) => [rule, 'off'])),
    },
  });
  const [result] = await eslint.lintText(code, { filePath });
  return [...new Set(result?.messages.map((m) => m.ruleId ?? m.message))];
}

const lines = (n: number, text: string): string => `${text}\n`.repeat(n);
const longFunction = `export function f(n: number) {\n${lines(70, '  n++;')}}\n`;

test.each([
  ['a clock below api/', 'src/mm/planted.ts', 'export const t = Date.now();', 'globals'],
  ['a clock in sched/', 'src/sched/planted.ts', 'export const t = Date.now();', 'globals'],
  ['the host through globalThis', 'src/mm/planted.ts', 'globalThis.fetch;', 'properties'],
  ['chance', 'src/fs/ext4/planted.ts', 'export const r = Math.random();', 'properties'],
  ['a message', 'src/jbd2/planted.ts', "console.log('x');", 'globals'],
  ['a timer', 'src/vfs/planted.ts', 'setTimeout(f, 1);', 'globals'],
  ['a promise as a type', 'src/block/planted.ts', 'export type P = Promise<void>;', 'types'],
  ['an async function', 'src/syscall/planted.ts', 'export async function f() {}', 'syntax'],
  ['shared memory in mm/', 'src/mm/planted.ts', 'new SharedArrayBuffer(8);', 'globals'],
  ['shared memory in api/', 'src/api/planted.ts', 'Atomics.load(a, 0);', 'globals'],
])('%s is found (%s)', async (_, file, code, rule) => {
  expect(await fired(file, code)).toContainEqual(expect.stringContaining(`no-restricted-${rule}`));
});

test.each([
  ['a bare yield', 'src/mm/planted.ts', 'function* f() { yield 1; }', 'foliofs/no-bare-yield'],
  ['a made error', 'src/iomap/planted.ts', "throw new Error('x');", 'foliofs/errno-only'],
  ['a long file', 'src/cli/planted.ts', lines(601, 'f();'), 'max-lines'],
  ['a long function', 'src/cli/planted.ts', longFunction, 'max-lines-per-function'],
])('%s is found (%s)', async (_, file, code, rule) => {
  expect(await fired(file, code)).toEqual([rule]);
});

test.each([
  ['shared memory in its own file', 'src/mm/page-memory.ts', 'new SharedArrayBuffer(8);'],
  ['shared memory in platform/', 'src/platform/node/planted.ts', 'Atomics.load(a, 0);'],
  ['a bare yield in sched/', 'src/sched/planted.ts', 'function* f() { yield 1; }'],
  ['an async function in api/', 'src/api/planted.ts', 'export async function f() {}'],
  ['an error of the command line', 'src/cli/planted.ts', "throw new Error('x');"],
  ['a clock in a test', 'src/mm/planted.test.ts', 'export const t = Date.now();'],
  ['a long test', 'src/mm/planted.test.ts', longFunction],
])('%s is let be (%s)', async (_, file, code) => {
  expect(await fired(file, code)).toEqual([]);
});
