/** Our checker over an image file, for tests that compare its verdict with e2fsck's. */
import { BlockDevice, type BlockDriver } from '../../src/block/block-device.ts';
import { type CheckSummary, checkFs } from '../../src/fs/ext4/check/check.ts';
import type { Problem } from '../../src/fs/ext4/check/problem.ts';
import { Memory } from '../../src/mm/vmscan.ts';
import { FileDevice } from '../../src/platform/node/file-device.ts';
import { Scheduler } from '../../src/sched/scheduler.ts';

export interface Checked {
  readonly summary: CheckSummary;
  readonly problems: Problem[];
}

/** @param cacheSize  bytes; frames are as large as the largest block */
export function checkDriver(driver: BlockDriver, cacheSize = 16 << 20): Checked {
  const problems: Problem[] = [];
  const memory = new Memory(cacheSize, 65_536);
  const onProblem = (p: Problem): void => {
    problems.push(p);
  };
  const op = checkFs(new BlockDevice(driver), { memory, onProblem });
  return { summary: new Scheduler().runToEnd(op), problems };
}

export function checkFile(path: string): Checked {
  const device = new FileDevice(path, { readOnly: true });
  try {
    return checkDriver(device);
  } finally {
    device.close();
  }
}

/** The problems as lines, for messages of tests. */
export const problemLines = (problems: readonly Problem[]): string[] =>
  problems.map((p) => `${p.phase} ${p.code}: ${p.text} ${JSON.stringify(p.place)}`);
