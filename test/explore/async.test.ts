/**
 * Goal: async functions of other people are explored completely, and what cannot be is refused
 * clearly. Method: small programs with the counts that the same programs have as generators.
 */
import { expect, test } from 'vitest';
import { AsyncCell, AsyncMutex, type AsyncScenario, AsyncSystem } from '../../src/explore/async.ts';
import { Dpor } from '../../src/explore/dpor.ts';
import { exploreAsync } from '../../src/explore/explore-async.ts';
import type { Verdict } from '../../src/explore/explore.ts';

const all = { all: true };
const setup = () => ({
  x: new AsyncCell('x', 0),
  a: new AsyncMutex('a'),
  b: new AsyncMutex('b'),
});
type Toy = ReturnType<typeof setup>;
type Body = AsyncScenario<Toy>['tasks'][string];
const look = (tasks: Readonly<Record<string, Body>>, options = {}): Promise<Verdict> =>
  exploreAsync({ setup, tasks }, options);

const increment: Body = async ({ x }) => {
  await x.write((await x.read()) + 1);
};
const both =
  (first: 'a' | 'b', second: 'a' | 'b'): Body =>
  (toy) =>
    toy[first].run(() => toy[second].run(() => undefined));

test.each([
  [2, 4],
  [3, 36],
  [4, 576],
])('the lost update of %i tasks has %i traces', async (n, traces) => {
  const names = ['a', 'b', 'c', 'd'].slice(0, n);
  const v = await look(Object.fromEntries(names.map((name) => [name, increment])), all);
  expect([v.executions, v.complete]).toEqual([traces, true]);
});

test('under a mutex every order of the tasks is tried, and it holds', async () => {
  const safe: Body = (toy, t) => toy.a.run(() => increment(toy, t));
  const v = await exploreAsync({
    setup,
    tasks: { a: safe, b: safe, c: safe },
    finally: ({ x }) => {
      if (x.get() !== 3) throw new Error('lost');
    },
  });
  expect([v.verdict, v.executions]).toEqual(['holds', 6]);
});

test('ABBA of three tasks has ten traces, and four of them deadlock', async () => {
  const v = await look({ ab: both('a', 'b'), ba: both('b', 'a'), too: both('a', 'b') }, all);
  expect([v.executions, v.failures]).toEqual([10, { deadlock: 4 }]);
  expect(v.failure?.detail).toMatch(/waits for b, held by ba/);
});

test('the same schedule of choices gives the same operations each time', async () => {
  const run = async (): Promise<string[]> => {
    const system = new AsyncSystem({ setup, tasks: { a: increment, b: both('a', 'b') } });
    const said: string[] = [];
    const search = new Dpor();
    for (let again = true; again; again = search.ended(system)) {
      system.start(search);
      for (let able = system.enabled(); able !== 0; able = system.enabled()) {
        const task = search.choose(system, able);
        system.step(task);
        await system.settled();
        search.stepped(system, task);
        said.push(`${system.names[task]!}: ${system.describe(system.op)}`);
      }
    }
    return said;
  };
  const first = await run();
  expect(first).toEqual(await run());
  expect(first).toContain('b: lock(a)');
});

test('named points: looks commute, changes do not, steps are tried in every order', async () => {
  const reads: Body = (_, t) => t.read('size');
  const writes: Body = (_, t) => t.write('size');
  const steps = (label: string): Body => {
    return (_, t) => t.step(label);
  };
  expect((await look({ a: reads, b: reads, c: writes }, all)).executions).toBe(4);
  expect(
    (await look({ a: steps('one'), b: steps('two'), c: steps('three') }, all)).executions,
  ).toBe(6);
});

test('an unguarded variable is lost between steps of code that has no cells', async () => {
  const draw: AsyncScenario<{ n: number }>['tasks'][string] = async (s, t) => {
    const { n } = s;
    await t.step('between look and change');
    s.n = n + 1;
  };
  const v = await exploreAsync({
    setup: () => ({ n: 0 }),
    tasks: { a: draw, b: draw },
    finally: (s) => {
      if (s.n !== 2) throw new Error(`n is ${s.n}`);
    },
  });
  expect(v.failure?.symptom).toBe('finally: n is 1');
});

test('a choice of data is explored, at most one fault in an execution', async () => {
  const draw: Body = (_, t) => Promise.resolve(t.choose(3, 'outcome'));
  const v = await look({ a: draw, b: draw }, all);
  expect([v.executions, v.complete]).toEqual([5, true]);
});

test('an error of a task is a violation, with its stack', async () => {
  const v = await look({ a: () => Promise.reject(new Error('no')) });
  expect([v.failure?.kind, v.failure?.symptom]).toEqual(['violation', 'a: no']);
  expect(v.failure?.detail).toContain('async.test.ts');
});

test('a release without a hold, in whatever order, is a violation', async () => {
  const v = await look({ a: ({ a }) => a.acquire(), b: ({ a }) => Promise.resolve(a.release()) });
  expect(v.failure?.symptom).toMatch(/^b: .*released, and not held/);
});

test('who never ends is a livelock', async () => {
  const v = await look(
    {
      async a({ x }) {
        for (;;) await x.read();
      },
    },
    { maxSteps: 20 },
  );
  expect(v.failure?.kind).toBe('livelock');
});

test('a task that awaits a timer is refused by name, with the point after which it did', async () => {
  const sleeps: Body = async ({ x }) => {
    await x.read();
    await new Promise((resolve) => setTimeout(resolve, 1));
  };
  await expect(look({ a: increment, sleeps })).rejects.toMatchObject({
    code: 'EINVAL',
    message: expect.stringMatching(/timer, real I\/O.*task=?.*sleeps|sleeps.*timer/) as unknown,
  });
  expect((await look({ a: increment })).verdict).toBe('holds'); // The next one is not disturbed.
});

test('two points at once, what was made elsewhere, and too many tasks are refused', async () => {
  const twice: Body = ({ x, a }) => Promise.all([x.read(), a.acquire()]);
  expect((await look({ twice })).failure?.symptom).toMatch(/two points at once/);
  const elsewhere = new AsyncCell('elsewhere', 0);
  expect((await look({ a: () => elsewhere.read() })).failure?.symptom).toMatch(
    /outside of the set-up/,
  );
  const many = Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`t${i}`, increment]));
  await expect(look(many)).rejects.toMatchObject({ code: 'EINVAL' });
});

test('one exploration at a time', async () => {
  const one = look({ a: increment });
  await expect(look({ a: increment })).rejects.toMatchObject({ code: 'EINVAL' });
  expect((await one).verdict).toBe('holds');
});

test('outside of an exploration a cell is a variable and a mutex excludes, first come first served', async () => {
  const { x, a } = setup();
  const order: string[] = [];
  const work = (name: string): Promise<void> =>
    a.run(async () => {
      const v = await x.read();
      await new Promise((resolve) => setTimeout(resolve, 1));
      await x.write(v + 1);
      order.push(name);
    });
  await Promise.all([work('one'), work('two'), work('three')]);
  expect([x.get(), order]).toEqual([3, ['one', 'two', 'three']]);
});
