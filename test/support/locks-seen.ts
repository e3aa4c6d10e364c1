/**
 * After each file of tests: which locks were taken under which, for docs/locking.md. One file a
 * file of tests in .cache/locks/, so that a second run replaces what the first one saw.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { afterAll, expect } from 'vitest';
import { lockOrder } from '../../src/sched/lockdep.ts';

const ROOT = new URL('../..', import.meta.url).pathname;

/** The two innermost functions of our own code in a stack: who took the lock, and for whom. */
function innermost(stack: string): string {
  const frames = stack.split('\n').filter((l) => l.includes('/src/') && !l.includes('.test.ts'));
  const names = frames.map((l) => /^(?:async |new )?([\w.$#]+) \(/.exec(l)?.[1] ?? '');
  const bare = names.map((name) => name.replace(/^(Object|Function|Generator)\./, ''));
  return bare
    .filter((name) => name !== '')
    .slice(0, 2)
    .join(' in ');
}

/** The tests of sched/ invent locks and orders, so nothing is learnt from them. */
afterAll(() => {
  const test = relative(ROOT, expect.getState().testPath ?? '');
  if (test === '' || test.startsWith('src/sched/')) return;
  const edges = lockOrder().edges.map(({ from, to, task, stack }) => ({
    from,
    to,
    operation: task,
    at: innermost(stack),
  }));
  if (edges.length === 0) return;
  const folder = `${ROOT}.cache/locks`;
  mkdirSync(folder, { recursive: true });
  const file = `${folder}/${test.replaceAll(/[\\/]/g, '-')}.json`;
  writeFileSync(file, `${JSON.stringify({ test, edges })}\n`);
});
