/**
 * Goal: each of five questions of Linux's mailing lists is decided on its model. Method: optimal
 * search; numbers of behaviours that are published or that plain enumeration gives; the symptom.
 */
import { describe, expect, test } from 'vitest';
import { type Exploration, exploreSystem } from '../../src/explore/explore.ts';
import type { Model } from '../../src/explore/models/model.ts';
import { thread000 } from '../../src/explore/models/thread000.ts';
import { thread001 } from '../../src/explore/models/thread001.ts';
import { faults, inlineData, thread002 } from '../../src/explore/models/thread002.ts';
import { thread003 } from '../../src/explore/models/thread003.ts';
import { thread004 } from '../../src/explore/models/thread004.ts';
import { type Program, ProgramSystem } from '../../src/explore/program.ts';

const decide = <S>(program: Program<S>, all = true): Exploration =>
  exploreSystem(new ProgramSystem(program), { all, faults: Infinity });

const LARGE = { faults: 2, writes: 2, others: 1 };
const models: readonly Model[] = [thread000, thread001, thread002, thread003, thread004];

describe.each(models)('thread $thread: $question', (model) => {
  test('what is right holds, in every schedule', () => {
    expect(decide(model.right)).toMatchObject({ verdict: 'holds', complete: true, failures: {} });
  });

  test.each(Object.entries(model.wrong))('%s is caught', (_name, program) => {
    expect(decide(program)).toMatchObject({ verdict: 'violated', complete: true });
  });
});

test.each([
  ['one of each, as it was', inlineData(faults.convert), 9, { violation: 1 }],
  ['under the lock of the inode', inlineData(faults.convertUnderInodeLock), 4, {}],
  [
    'in ->mmap',
    inlineData(faults.mmap, { faults: 1, writes: 1, others: 1 }, true),
    3,
    { deadlock: 1 },
  ],
  ['two, two and one', inlineData(faults.convert, LARGE), 300, { violation: 92 }],
  ['two, two and one, under the lock', inlineData(faults.convertUnderInodeLock, LARGE), 48, {}],
  ['two, two and one, in ->mmap', inlineData(faults.mmap, LARGE, true), 44, { deadlock: 20 }],
])('inline data, %s: as many behaviours as other checkers count', (_name, program, n, failures) => {
  expect(decide(program)).toMatchObject({ executions: n, failures, complete: true });
});
