// Goal: `foliofs explore` says the verdict, shows a failure, and its exit status tells whether that
// was expected. Method: the built command; and the package as it would be published, unpacked.
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { foliofs, jsonLines, ok, ran, scratch, usage } from '../support/cli.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

test('--list names scenarios and variants', () => {
  expect(ok(['explore', '--list'])).toMatch(/^abba: .*\n {2}other-order: /m);
  const all = jsonLines(ok(['explore', '--list', '--json']));
  expect(all).toContainEqual({
    id: 'abba',
    title: 'two tasks take two locks in the same order, and both come to their end',
    thread: null,
    tasks: ['first', 'second'],
    variants: ['other-order'],
  });
});

test('the right code holds; a known mistake is drawn, and the last line shows it again', () => {
  expect(ok(['explore', 'abba'])).toMatch(/^abba: holds in every interleaving \(2 executions, /);
  const text = ok(['explore', 'abba', '--variant', 'other-order']);
  const sketch = [
    'CPU0  first           CPU1  second',
    ' lock(A)',
    '                       lock(B)',
    ' lock(B)  <- blocked',
    '                       lock(A)  <- blocked',
    '*** DEADLOCK ***  first waits for second, second waits for first',
  ].join('\n');
  expect(text).toContain(`\n\n${sketch}\n\n`);
  expect(text).toMatch(/^context switches: 1; pre-emptions: 1, the fewest that fail so$/m);
  const last = text.trimEnd().split('\n').at(-1)!;
  expect(last).toMatch(/^foliofs explore abba --variant other-order --replay '1-[\d.*]+'$/);
  const words = last.replace(/'/g, '').split(' ').slice(1);
  expect(ok(words)).toContain(sketch);
});

test('one object a case, with the schedule and the sketch as data', () => {
  const all = jsonLines(ok(['explore', '--all-variants', '--json', 'abba', 'canary-lost-update']));
  expect(all.map((r) => [r['id'], r['variant'], r['verdict'], r['complete']])).toEqual([
    ['abba', null, 'holds', true],
    ['abba', 'other-order', 'violated', false],
    ['canary-lost-update', null, 'violated', false],
  ]);
  expect(all[0]).not.toHaveProperty('symptom');
  expect(all[1]).toMatchObject({ preemptions: 1, fewest: true, circle: [0, 1] });
  expect(all[2]).toMatchObject({ expected: true, lines: { length: 4 } });
});

test('a verdict that is not the expected one is exit status 1; limit is not holds', () => {
  const { status, stdout } = foliofs(['explore', 'abba', '--limit', '1', '--json']);
  expect(status).toBe(1);
  expect(jsonLines(stdout)).toMatchObject([
    { verdict: 'limit', complete: false, executions: 1, expected: false },
  ]);
});

test('--replay takes a word, a file with one, and a kept failure; what strays is said', () => {
  const dir = scratch();
  const file = join(dir, 'seed.txt');
  const seed = 'scenario: abba\nvariant: other-order\nschedule: 1-0*2.1*2\n';
  writeFileSync(file, `${seed}why: one each\nsymptom: first and second wait for ever\n`);
  expect(ok(['explore', '--replay', file])).toContain('*** DEADLOCK ***');
  writeFileSync(file, '1-0*2.1*2\n');
  expect(ok(['explore', 'abba', '--variant', 'other-order', '--replay', file])).toContain('DEAD');
  expect(ok(['explore', 'abba', '--replay', '1-0'])).toMatch(/^abba: this schedule does not fail/);
  const { status, stdout } = foliofs(['explore', 'abba', '--replay', '1-0*2.1*9']);
  expect(status).toBe(1);
  expect(stdout).toContain('\nthe schedule strays at step 3: task 1 (second) cannot move\n');
  usage(['explore', '--replay', '1-0'], /--replay needs a scenario/);
  usage(['explore', 'abba', '--replay', join(dir, 'none')], /none: no such file.*\(ENOENT\)/);
  usage(['explore', 'abba', '--replay', '1-0.'], /not a step of a schedule .*\(EINVAL\)/);
  usage(['explore', 'abba', '--replay', '2-0'], /not a schedule .*\(EINVAL\)/);
});

test('--html writes the page of a failure, or of one execution that does not fail', () => {
  const page = join(scratch(), 'page.html');
  ok(['explore', 'abba', '--variant', 'other-order', '--html', page]);
  const html = readFileSync(page, 'utf8');
  expect(html).toContain('<title>abba (other-order): two tasks take two locks');
  expect(html).toContain('lock(A)  &lt;- blocked');
  expect(html).toContain('*** DEADLOCK ***');
  ok(['explore', 'abba', '--html', page]);
  expect(readFileSync(page, 'utf8')).toContain('<td>unlock(B)</td>');
  ok(['explore', 'abba', '--replay', '1-1', '--html', page]);
  expect(readFileSync(page, 'utf8')).toContain('<code>1-1*3.0*3</code>');
  const { status, stderr } = foliofs(['explore', 'abba', '--html', '/no/such/page.html']);
  expect(stderr).toMatch(/^foliofs: explore: \/no\/such\/page\.html: no such file .*\(ENOENT\)/);
  expect(status).toBe(1);
  usage(['explore', '--all-variants', '--html', page], /--html shows one scenario/);
});

test('wrong usage is exit status 2 and names what there is', () => {
  usage(['explore', 'nope'], /no scenario nope/);
  usage(['explore', 'abba', '--variant', 'nope'], /no variant nope; there are: other-order/);
  usage(['explore', '--variant', 'other-order'], /--variant needs a scenario/);
  usage(['explore', '--variant', 'a', '--all-variants'], /exclude one another/);
  usage(['explore', '--strategy', 'luck'], /no strategy luck; there are: dpor/);
  usage(['explore', '--limit', '0'], /--limit 0: not a whole number from 1 on/);
  usage(['explore', '--seed', 'x'], /--seed x: not a whole number/);
});

/** What a user gets: the package, unpacked beside its dependencies. */
function installed(): string {
  const dir = scratch();
  const how = { cwd: root };
  const packed = ran('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', dir], how);
  const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }];
  const modules = join(dir, 'node_modules');
  mkdirSync(join(modules, 'foliofs'), { recursive: true });
  const into = join(modules, 'foliofs');
  expect(ran('tar', ['-xf', join(dir, filename), '-C', into, '--strip-components=1']).status).toBe(
    0,
  );
  for (const name of ['commander', 'cli-progress', 'fzstd', 'string-width', '@types/node']) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
  return dir;
}

/** Somebody else's code. */
const CONSUMER = `
import { Cell, explore, type Op, type Scenario, diagram, show } from 'foliofs/explore';
function* add(x: Cell<number>): Op<void> {
  const v = yield* x.read();
  yield* x.write(v + 1);
}
const scenario: Scenario<Cell<number>> = {
  id: 'mine',
  title: 'two increments',
  setup: () => new Cell('x', 0),
  tasks: { a: add, b: add },
  finally: (x) => {
    if (x.get() !== 2) throw new Error('lost');
  },
};
const { failure, schedule } = explore(scenario);
if (failure !== null && schedule !== null) {
  console.log(diagram(show(scenario, schedule, failure).recording));
}
`;

test('the package has the checked build: the command and foliofs/explore work from it', () => {
  const dir = installed();
  const bin = join(dir, 'node_modules/foliofs/dist/cli/main.js');
  const { status, stdout } = ran(process.execPath, [bin, 'explore', 'canary-lost-update']);
  expect(stdout).toContain("foliofs explore canary-lost-update --replay '");
  expect(status).toBe(0);

  writeFileSync(join(dir, 'mine.mts'), CONSUMER);
  const config = { strict: true, module: 'nodenext', target: 'es2022', types: ['node'] };
  const files = { compilerOptions: config, files: ['mine.mts'] };
  writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify(files));
  const tsc = ran(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', dir]);
  expect(tsc.stdout).toBe('');
  const run = ran(process.execPath, [join(dir, 'mine.mjs')]);
  expect(run.stdout).toContain('*** VIOLATION ***  finally: lost');
});
