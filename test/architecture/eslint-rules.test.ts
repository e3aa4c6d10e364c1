/** Each local rule, with what it must find and what it must let be. */
import { RuleTester } from 'eslint';
import tseslint from 'typescript-eslint';
import { describe, it } from 'vitest';
import { errnoOnly } from '../../scripts/eslint-rules/errno-only.mjs';
import { noBareYield } from '../../scripts/eslint-rules/no-bare-yield.mjs';
import { noDroppedOp } from '../../scripts/eslint-rules/no-dropped-op.mjs';

RuleTester.describe = describe;
RuleTester.it = it;

const root = new URL('../..', import.meta.url).pathname;
const tester = new RuleTester();
const typed = new RuleTester({
  languageOptions: {
    parser: tseslint.parser,
    parserOptions: {
      projectService: { allowDefaultProject: ['planted.ts'] },
      tsconfigRootDir: root,
    },
  },
});

/** One line of TypeScript, with operations to drop. */
const plant = (code: string) => ({
  filename: `${root}planted.ts`,
  code: `
    type Op<T> = Generator<number, T, void>;
    declare function op(): Op<number>;
    declare function maybe(): Op<number> | null;
    declare function spawn(o: Op<number>): void;
    declare function each(f: () => void): void;
    declare const lock: { lock(): Op<void>; tryLock(): boolean };
    declare const list: { end: (() => void) | null };
    export function* f(): Op<number> { ${code}; return yield* op(); }`,
});
const caught = (code: string, messageId: string) => ({ ...plant(code), errors: [{ messageId }] });

typed.run('no-dropped-op', noDroppedOp, {
  valid: [
    plant('yield* op()'),
    plant('const later = op(); spawn(later)'),
    plant('spawn(op())'),
    plant('if (!lock.tryLock()) yield* lock.lock()'),
    plant('const o = maybe(); if (o) yield* o'),
    plant('const start = () => op(); spawn(start())'),
    plant('each(() => { spawn(op()); })'),
    plant('lock.tryLock() && (yield* op())'),
    plant('let o: Op<number> | null = null; o ??= op(); yield* o'),
  ],
  invalid: [
    caught('op()', 'dropped'),
    caught('void op()', 'dropped'),
    caught('maybe()', 'dropped'),
    caught('lock.tryLock() || lock.lock()', 'dropped'),
    caught('lock.tryLock() ? 0 : lock.lock()', 'dropped'),
    caught('(op(), 1)', 'dropped'),
    caught('lock?.lock()', 'dropped'),
    caught('if (op()) spawn(op())', 'condition'),
    caught('while (!lock.lock()) spawn(op())', 'condition'),
    caught('each(() => op())', 'callback'),
    caught('list.end = () => op()', 'callback'),
    caught('each(function* () { yield* op(); })', 'callback'),
    caught(`const s = \`\${op()}\`; list.end = s ? null : null`, 'template'),
  ],
});

tester.run('no-bare-yield', noBareYield, {
  valid: [
    { code: 'function* f() { yield* g(); }' },
    { code: 'async function* lines() { yield 1; }' },
  ],
  invalid: [
    { code: 'function* f() { yield 1; }', errors: [{ messageId: 'bare' }] },
    { code: 'const o = { *f() { yield; } };', errors: [{ messageId: 'bare' }] },
    {
      code: 'async function* a() { return function* () { yield 1; }; }',
      errors: [{ messageId: 'bare' }],
    },
  ],
});

tester.run('errno-only', errnoOnly, {
  valid: [
    { code: "throw errno('EINVAL');" },
    { code: "throw corrupted('ext4_inode', 'i_mode', { got: 0 });" },
    { code: 'try { f(); } catch (e) { throw e; }' },
    { code: 'if (task.error) throw task.error;' },
    { code: "const bad = (f) => corrupted('ext4_inode', f); throw bad('i_mode');" },
    { code: 'const first = new FirstError();' },
  ],
  invalid: [
    { code: "throw new Error('no');", errors: [{ messageId: 'made' }] },
    { code: "const e = new RangeError('no');", errors: [{ messageId: 'made' }] },
    { code: "throw Error('no');", errors: [{ messageId: 'made' }] },
    { code: "throw new FsError('EIO');", errors: [{ messageId: 'made' }] },
    { code: "throw 'no';", errors: [{ messageId: 'thrown' }] },
    { code: 'throw n + 1;', errors: [{ messageId: 'thrown' }] },
    { code: 'class Own extends Error {}', errors: [{ messageId: 'derived' }] },
  ],
});
