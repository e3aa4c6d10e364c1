// Goal: `foliofs crash` tells what holds and what does not; a failure can be read, judged again
// alone, and looked at with other tools. Method: the built command.
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { foliofs, jsonLines, ok, scratch, usage } from '../support/cli.ts';

test('--list names workloads and known mistakes', () => {
  const text = ok(['crash', '--list']);
  expect(text).toMatch(/^create-write: /m);
  expect(text).toMatch(/^one-001 \.\.\. one-469: /m);
  expect(text).toMatch(/^ {2}variant no-revoke: .*\(directory-block-reused\)$/m);
  const rows = jsonLines(ok(['crash', '--list', '--json']));
  expect(rows).toContainEqual({
    id: 'one-001',
    title: 'creat /foo; fsync /foo',
    setup: ['mkdir /A', 'mkdir /B'],
    ops: ['creat /foo', 'fsync /foo'],
  });
});

test('a workload holds; a known mistake is told block by block', () => {
  expect(ok(['crash', 'append'])).toMatch(/^append: holds at every crash \(\d+ crash states, /);
  const text = ok(['crash', 'create-write', '--variant', 'data-after-commit']);
  expect(text).toContain('violated, as it must be: /foo has what a free block held at 0');
  expect(text).toMatch(/^ {2}the crash came during: fsync \/foo$/m);
  expect(text).toMatch(/^ {2}block \d+, journal block \d+ \(commit of \d+\): written$/m);
});

test('the last line of a failure shows it again, and writes the image', () => {
  const first = ok(['crash', 'create-write', '--variant', 'data-after-commit']);
  const last = first.trimEnd().split('\n').at(-1)!.trim();
  const words = last.replace(/'/g, '').split(' ').slice(1);
  const image = join(scratch(), 'crashed.img');
  const again = ok([...words, '--image', image]);
  expect(again).toContain('1 recoveries');
  expect(again.trimEnd().split('\n').at(-1)!.trim()).toContain('--only');
  expect(statSync(image).size).toBe(3 << 20);
});

test('a second crash in the middle of recovery is told too', () => {
  const text = ok(['crash', '--variant', 'recovery-forgets-first']);
  expect(text).toMatch(/^ {2}and in the middle of the recovery:$/m);
  expect(text).toMatch(/--inside-recovery --only '[^']*\/[^']*'$/m);
});

test('one object a workload, by seed the same each time', () => {
  const facts = (): unknown[] =>
    jsonLines(ok(['crash', '--pairs', '3', '--random', '1', '--seed', '5', '--json'])).map(
      ({ ms: _, ...rest }) => rest,
    );
  const [once, twice] = [facts(), facts()];
  expect(once).toEqual(twice);
  expect(once.map((r) => (r as { id: string }).id)).toEqual([
    'pair-5-0',
    'pair-5-1',
    'pair-5-2',
    'random-5-0',
  ]);
  expect(once[0]).toMatchObject({ verdict: 'holds', complete: true, failures: [] });
});

test('a limit that came first is exit status 1, and wrong usage 2', () => {
  const { status, stdout } = foliofs(['crash', 'append', '--limit', '2']);
  expect([status, stdout]).toEqual([1, expect.stringContaining('not all was seen')]);
  usage(['crash', 'nothing'], /no workload nothing/);
  usage(['crash', 'append', '--variant', 'nothing'], /no variant nothing: .*no-revoke/);
  usage(['crash', 'append', '--mode', 'some'], /--mode some: lazy or eager/);
  usage(['crash', 'append', '--only', 'x'], /no id of a crash state .*\(EINVAL\)/);
  usage(['crash', 'append', 'replace', '--only', '1:'], /--only and --image are of one workload/);
  usage(['crash', 'append', '--image', 'x'], /--image needs --only/);
  expect(existsSync('x')).toBe(false);
});
