/** Crash workloads by name: those with a name of their own, and those that are made from theirs. */
import { pairWorkload, randomWorkload } from './choose.ts';
import { knownWorkloads } from './known.ts';
import { oneOperation } from './one-operation.ts';
import type { CrashWorkload } from './workload.ts';

/** Largest seed and number in a name. */
const MOST = 1_000_000;

/** `append`, `one-017`, `pair-SEED-NUMBER`, `random-SEED-NUMBER`. */
export function crashWorkload(id: string): CrashWorkload | undefined {
  const found = /^(pair|random)-(\d{1,7})-(\d{1,7})$/.exec(id);
  if (found === null) return [...knownWorkloads, ...oneOperation()].find((w) => w.id === id);
  const [seed, number] = [Number(found[2]), Number(found[3])];
  if (Math.max(seed, number) > MOST) return undefined;
  return found[1] === 'pair' ? pairWorkload(seed, number) : randomWorkload(seed, number);
}
