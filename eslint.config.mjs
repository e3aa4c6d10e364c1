// @ts-check
/**
 * What the compiler does not check. Scopes come from layers.mjs; every restriction names the
 * invariant of ARCHITECTURE.md that it keeps.
 */
import tseslint from 'typescript-eslint';
import { core } from './layers.mjs';
import { errnoOnly } from './scripts/eslint-rules/errno-only.mjs';
import { noBareYield } from './scripts/eslint-rules/no-bare-yield.mjs';
import { noDroppedOp } from './scripts/eslint-rules/no-dropped-op.mjs';

const foliofs = {
  rules: {
    'no-dropped-op': noDroppedOp,
    'no-bare-yield': noBareYield,
    'errno-only': errnoOnly,
  },
};
const TESTS = ['src/**/*.test.ts', 'src/**/*.fuzz.ts', 'test/**/*.ts', 'bench/**/*.ts'];
const CORE = core.map((room) => `src/${room}/**/*.ts`);

/** @param {string[]} names @param {string} message */
const banned = (names, message) => names.map((name) => ({ name, message }));
const INJECTED = 'A1: time, chance and the host are injected; nothing below api/ waits by itself.';
const HOST = banned(
  [
    'Date',
    'console',
    'performance',
    'process',
    'Buffer',
    'crypto',
    'fetch',
    'setTimeout',
    'setInterval',
    'setImmediate',
    'queueMicrotask',
  ],
  INJECTED,
);
const NO_PROMISE = 'A4: no room below api/ knows promises; write an Op.';
const PROMISE = banned(['Promise'], NO_PROMISE);
const RAW = banned(
  ['SharedArrayBuffer', 'Atomics'],
  'A5: only mm/page-memory.ts, sched/ and platform/ touch shared memory.',
);
const ASYNC = [':function[async=true]', 'AwaitExpression', 'ForOfStatement[await=true]'].map(
  (selector) => ({ selector, message: 'A4: no room below api/ is asynchronous; write an Op.' }),
);

/** Mistakes that no type sees. */
const everywhere = {
  'no-var': 'error',
  'prefer-const': 'error',
  eqeqeq: 'error',
  'no-debugger': 'error',
  'no-self-assign': 'error',
  'no-self-compare': 'error',
  'no-unsafe-finally': 'error',
  'no-template-curly-in-string': 'error',
  'no-fallthrough': 'error',
  'no-shadow-restricted-names': 'error',
  'no-unused-expressions': 'off',
  'no-useless-rename': 'error',
  'object-shorthand': 'error',
  'max-lines': ['error', 600],
};

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', '.cache/', 'test/golden/**', 'test/fixtures/**'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  { files: ['**/*.{ts,mjs}'], rules: /** @type {any} */ (everywhere) },
  {
    files: ['**/*.ts'],
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    plugins: { '@typescript-eslint': tseslint.plugin, foliofs },
    rules: {
      'foliofs/no-dropped-op': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unsafe-assignment': 'error',
      '@typescript-eslint/no-unsafe-call': 'error',
      '@typescript-eslint/no-unsafe-member-access': 'error',
      '@typescript-eslint/no-unsafe-return': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-unnecessary-type-assertion': 'error',
      '@typescript-eslint/no-unused-expressions': 'error',
      '@typescript-eslint/ban-ts-comment': [
        'error',
        { 'ts-expect-error': 'allow-with-description' },
      ],
      '@typescript-eslint/only-throw-error': ['error', { allowRethrowing: true }],
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: TESTS,
    rules: { 'max-lines-per-function': ['error', 70] },
  },
  {
    files: ['src/**/*.ts'],
    // A model program announces its operations itself: that is all it does.
    ignores: [...TESTS, 'src/sched/**', 'src/explore/models/**'],
    rules: { 'foliofs/no-bare-yield': 'error' },
  },
  {
    files: ['src/**/*.ts'],
    ignores: [...TESTS, 'src/mm/page-memory.ts', 'src/sched/**', 'src/platform/**', ...CORE],
    rules: { 'no-restricted-globals': ['error', ...RAW] },
  },
  {
    files: CORE,
    ignores: TESTS,
    rules: {
      'no-restricted-globals': ['error', ...HOST, ...PROMISE, ...RAW],
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random', message: INJECTED },
        { object: 'globalThis', message: INJECTED },
      ],
      'no-restricted-syntax': ['error', ...ASYNC],
      '@typescript-eslint/no-restricted-types': ['error', { types: { Promise: NO_PROMISE } }],
    },
  },
  {
    files: ['src/mm/page-memory.ts', 'src/sched/**/*.ts'],
    ignores: TESTS,
    rules: { 'no-restricted-globals': ['error', ...HOST, ...PROMISE] },
  },
  {
    files: CORE,
    // lockdep makes errors for their stacks: who took a lock, and where.
    ignores: [...TESTS, 'src/base/errno.ts', 'src/base/assert.ts', 'src/sched/lockdep.ts'],
    rules: { 'foliofs/errno-only': 'error' },
  },
);
