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
import { bruteForce } from './oracle.ts';

const decide = <S>(program: Program<S>, all = true): Exploration =>
  exploreSystem(new ProgramSystem(program), { all, faults: Infinity });

const models: readonly Model[] = [thread000, thread001, thread002, thread003, thread004];

describe.each(models)('thread $thread: $question', (model) => {
  test('what is right holds, in every schedule', () => {
    expect(decide(model.right)).toMatchObject({ verdict: 'holds', complete: true, failures: {} });
  });

  test.each(Object.entries(model.wrong))('%s is caught', (_name, program) => {
    expect(decide(program)).toMatchObject({ verdict: 'violated', complete: true });
  });

  test('each is decided in under 10 ms', () => {
    for (const program of [model.right, ...Object.values(model.wrong)]) {
      const once = (): number => {
        const begin = performance.now();
        decide(program, false);
        return performance.now() - begin;
      };
      expect(Math.min(...Array.from({ length: 10 }, once))).toBeLessThan(10);
    }
  });
});
