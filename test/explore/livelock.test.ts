/**
 * Goal: what goes round for ever is told from what takes long, and from what a fair scheduler would
 * end. Method: loops of model programs, whose states have names.
 */
import { describe, expect, test } from 'vitest';
import { exploreSystem } from '../../src/explore/explore.ts';
import * as m from '../../src/explore/program.ts';
import { type Hands, type Program, ProgramSystem, type Steps } from '../../src/explore/program.ts';

const decide = <S>(program: Program<S>, limit = 200, maxSteps = 200) =>
  exploreSystem(new ProgramSystem(program), { maxSteps, limit });

interface Flags {
  want: boolean[];
}
/** After you: each lets the other go first, for ever. */
function* afterYou(s: Flags, me: number, hands: Hands): Steps {
  for (;;) {
    hands.remembers('about to want');
    yield m.write(me);
    s.want[me] = true;
    yield m.read(1 - me);
    if (s.want[1 - me] !== true) break;
    yield m.write(me);
    s.want[me] = false;
  }
  yield m.write(me);
  s.want[me] = false;
}

describe('a livelock', () => {
  test('two that give way to each other go round, and it is said from where to where', () => {
    const program: Program<Flags> = {
      names: ['a', 'b'],
      objects: { 0: 'a wants', 1: 'b wants' },
      init: () => ({ want: [false, false] }),
      sees: (s, o) => s.want[o],
      tasks: (s, hands) => [afterYou(s, 0, hands), afterYou(s, 1, hands)],
    };
    const { verdict, failure } = decide(program, 10_000, 40);
    expect(verdict).toBe('violated');
    expect(failure?.kind).toBe('livelock');
    expect(failure?.symptom).toMatch(/^(a and b go|b and a go) round for ever$/);
    const lines = failure!.detail!.split('\n');
    expect(lines[0]).toMatch(/^after step \d+ all is as it was after step \d+; in between:$/);
    expect([...new Set(lines.slice(1))].sort()).toEqual([
      'a: read(b wants)',
      'a: write(a wants)',
      'b: read(a wants)',
      'b: write(b wants)',
    ]);
  });

  test('one that waits by itself for what nobody does', () => {
    const { failure } = decide({
      names: ['waiter'],
      init: () => ({ ready: false }),
      sees: (s) => s.ready,
      tasks: (s, hands) => [waiter(s, hands)],
    });
    expect(failure?.symptom).toBe('waiter goes round for ever');
  });
});

function* waiter(s: { ready: boolean }, hands: Hands): Steps {
  for (;;) {
    hands.remembers('about to look');
    yield m.read(0);
    if (s.ready) return;
  }
}

describe('no livelock, and no verdict that all is seen', () => {
  test('a loop that waits for somebody who is not let on: a fair scheduler ends it', () => {
    const { verdict, complete, failures } = decide({
      init: () => ({ ready: false }),
      sees: (s) => s.ready,
      tasks: (s, hands) => [
        waiter(s, hands),
        (function* (): Steps {
          yield m.write(0);
          s.ready = true;
        })(),
      ],
    });
    expect({ verdict, complete, failures }).toEqual({
      verdict: 'limit',
      complete: false,
      failures: {},
    });
  });

  test('a loop that counts its tries, and ends behind the limit of steps', () => {
    const { verdict, complete, failures } = decide({
      init: () => ({ x: 0 }),
      sees: (s) => s.x,
      tasks: () => [
        (function* (): Steps {
          for (let tries = 0; tries < 1000; tries++) yield m.read(0);
        })(),
      ],
    });
    expect({ verdict, complete, failures }).toEqual({
      verdict: 'limit',
      complete: false,
      failures: {},
    });
  });
});

test('a loop that tries again and ends within the limit is nothing of the kind', () => {
  const { verdict, complete } = decide(
    {
      locks: 1,
      init: () => null,
      tasks: () =>
        [0, 1].map(function* (): Steps {
          for (let tries = 0; tries < 3; tries++) {
            if (!(yield m.trylock(0))) continue;
            yield m.unlock(0);
            return;
          }
        }),
    },
    10_000,
  );
  expect({ verdict, complete }).toEqual({ verdict: 'holds', complete: true });
});
