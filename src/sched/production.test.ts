/**
 * Goal: production pays nothing for what only checked builds do. Method: bundle the locks as a
 * release does and look for what must not be there.
 */
import { build } from 'esbuild';
import { expect, test } from 'vitest';

const entry = `
  import { Scheduler } from './scheduler.ts';
  import { Mutex } from './mutex.ts';
  import { RwSemaphore } from './rw-semaphore.ts';
  import { FreezeLock } from './freeze-lock.ts';
  import { Completion } from './completion.ts';
  import { Workqueue } from './workqueue.ts';
  import { Cell } from './cell.ts';
  import { handOverBit, lockBit, tryLockBit, unlockBit, waitBit } from './bit-lock.ts';
  import { enterReclaim, leaveReclaim, mightFault, mightReclaim } from './lockdep.ts';
  import { choose } from './point.ts';
  globalThis.keep = [Scheduler, Mutex, RwSemaphore, FreezeLock, Completion, Workqueue, Cell,
    handOverBit, lockBit, tryLockBit, unlockBit, waitBit,
    enterReclaim, leaveReclaim, mightFault, mightReclaim, choose];
`;

async function bundle(checked: boolean): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: entry, resolveDir: import.meta.dirname, loader: 'ts' },
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    minifySyntax: true,
    minifyWhitespace: true,
    define: { CHECKED: String(checked) },
  });
  return outputFiles[0]!.text;
}

const CHECKED_ONLY = [
  'lockdepAcquire',
  'LockGraph',
  'announce(',
  'footprint',
  'shadow',
  'exploring',
];

test('lockdep and the scheduling points are in a checked build and not in a production one', async () => {
  const [checked, production] = [await bundle(true), await bundle(false)];
  for (const text of CHECKED_ONLY) {
    expect(checked, text).toContain(text);
    expect(production, text).not.toContain(text);
  }
});
