/**
 * Goal: each of five questions of Linux's mailing lists is decided on its model. Method: optimal
 * search; numbers of behaviours that are published (thread 002) or that plain enumeration gives;
 * the sketch of the shortest failure beside the one in the mail.
 */
import { describe, expect, test } from 'vitest';
import { diagram } from '../../src/explore/diagram.ts';
import { type Exploration, exploreSystem } from '../../src/explore/explore.ts';
import type { Model } from '../../src/explore/models/model.ts';
import { thread000 } from '../../src/explore/models/thread000.ts';
import { thread001 } from '../../src/explore/models/thread001.ts';
import { faults, inlineData, thread002 } from '../../src/explore/models/thread002.ts';
import { thread003 } from '../../src/explore/models/thread003.ts';
import { thread004 } from '../../src/explore/models/thread004.ts';
import { type Program, ProgramSystem } from '../../src/explore/program.ts';
import { record } from '../../src/explore/record.ts';
import { shrink } from '../../src/explore/shrink.ts';
import { bruteForce } from './oracle.ts';

const decide = <S>(program: Program<S>, all = true): Exploration =>
  exploreSystem(new ProgramSystem(program), { all, faults: Infinity });

const models: readonly Model[] = [thread000, thread001, thread002, thread003, thread004];

describe.each(models)('thread $thread: $question', ({ right, wrong }) => {
  test('what is right holds, in every schedule', () => {
    expect(decide(right)).toMatchObject({ verdict: 'holds', complete: true, failures: {} });
  });

  test.each(Object.entries(wrong))('%s is caught', (_name, program) => {
    expect(decide(program)).toMatchObject({ verdict: 'violated', complete: true });
  });

  test('each is decided in less than 10 ms', () => {
    for (const program of [right, ...Object.values(wrong)]) {
      const once = (): number => {
        const begin = performance.now();
        decide(program, false);
        return performance.now() - begin;
      };
      expect(Math.min(...Array.from({ length: 10 }, once))).toBeLessThan(10);
    }
  });
});

describe('numbers of behaviours', () => {
  const twoEach = { faults: 2, writes: 2, others: 1 };
  const { convert, convertUnderInodeLock, mmap } = faults;

  test.each([
    ['thread 002', inlineData(convert), 9, { violation: 1 }],
    ['two writes, two faults', inlineData(convert, twoEach), 300, { violation: 92 }],
    ['converted under the lock of the inode', inlineData(convertUnderInodeLock), 4, {}],
    ['the same, two each', inlineData(convertUnderInodeLock, twoEach), 48, {}],
    ['converted in mmap', inlineData(mmap, undefined, true), 3, { deadlock: 1 }],
    ['the same, two each, ', inlineData(mmap, twoEach, true), 44, { deadlock: 20 }],
  ])('%s', (_name, program, executions, failures) => {
    expect(decide(program)).toMatchObject({ executions, failures, complete: true });
  });

  /** Where a step is one operation and nothing is chosen, as many as plain enumeration gives. */
  test.each([thread001, thread002, thread004])('thread $thread, enumerated', (model) => {
    for (const program of [model.right, ...Object.values(model.wrong)]) {
      const truth = bruteForce(program, 20_000);
      if (truth !== null) expect(decide(program).executions).toBe(truth.size);
    }
  });

  /** Elsewhere the same endings. */
  test.each([thread000, thread003])('thread $thread, endings', (model) => {
    for (const program of [model.right, ...Object.values(model.wrong)]) {
      const ends = [...bruteForce(program, 20_000)!.values()].map((end) => end.split(' ')[0]);
      const found = Object.keys(decide(program).failures);
      expect(new Set(found)).toEqual(new Set(ends.filter((end) => end !== 'fine')));
    }
  });
});

/** The failure with the fewest pre-emptions, drawn. */
function sketch(program: Program): string {
  const system = new ProgramSystem(program);
  const { schedule, failure } = decide(program);
  return diagram(record(system, shrink(system, schedule!, failure!).schedule));
}

describe('sketches, as the mails draw them', () => {
  test('thread 000: write-back and enable_verity', () => {
    expect(sketch(thread000.wrong['inode_lock under i_lock']!)).toBe(
      `
CPU0  write-back               CPU1  enable verity
 lock(i_lock)
                                lock(inode_lock)
 lock(inode_lock)  <- blocked
                                lock(i_lock)  <- blocked
*** DEADLOCK ***  write-back waits for enable verity, enable verity waits for write-back
`.trim(),
    );
  });

  test('thread 001: the counter goes back', () => {
    expect(sketch(thread001.wrong['advance under no lock']!)).toBe(
      `
CPU0  load an extent  CPU1  change the mapping  CPU2  use a mapping
 read(i_es_seq)
                       lock(i_data_sem)
                       read(i_es_seq)
                       write(i_es_seq)                               # seq: 0 -> 1
                       write(mapping)                                # mapping: 0 -> 1
                       unlock(i_data_sem)
                                                 lock(i_data_sem)
                                                 read(i_es_seq)
                                                 read(mapping)       # mapping = 1
                                                 unlock(i_data_sem)
                       lock(i_data_sem)
                       read(i_es_seq)
                       write(i_es_seq)                               # seq: 1 -> 2
                       write(mapping)                                # mapping: 1 -> 2
                       unlock(i_data_sem)
 write(i_es_seq)                                                     # seq: 2 -> 1
                                                 lock(i_data_sem)
                                                 read(i_es_seq)
                                                 read(mapping)       # mapping = 2; stale: false ->
                                                                     #   true
                                                 unlock(i_data_sem)
*** VIOLATION ***  the counter is the same, the mapping is not
`.trim(),
    );
  });

  test('thread 002: a write between the two halves of a conversion that fails', () => {
    expect(sketch(thread002.wrong['convert in page_mkwrite']!)).toBe(
      `
CPU0  page_mkwrite   CPU1  buffered write  CPU2  other file alloc
 lock(xattr_sem)
 read(inline_flag)
 write(inline_flag)                                                # inline: true -> false
                      lock(inode_lock)
                      read(inline_flag)
                      lock(folio_lock)
                                            lock(group_lock)
                                            read(free_blocks)
                                            write(free_blocks)     # free: 1 -> 0
                                            unlock(group_lock)
 lock(group_lock)
 read(free_blocks)
 unlock(group_lock)
 write(inline_flag)                                                # inline: false -> true
 unlock(xattr_sem)
                      read(inline_flag)                            # bug: false -> true
                      unlock(folio_lock)
                      unlock(inode_lock)
*** VIOLATION ***  write_end sees inline data that write_begin did not prepare for
`.trim(),
    );
  });

  test('thread 002: the objection to converting in mmap', () => {
    expect(sketch(thread002.wrong['convert in ->mmap']!)).toBe(
      `
CPU0  mmap                     CPU1  buffered write
 lock(mmap_lock)
                                lock(inode_lock)
 lock(inode_lock)  <- blocked
                                lock(mmap_lock)  <- blocked
*** DEADLOCK ***  mmap waits for buffered write, buffered write waits for mmap
`.trim(),
    );
  });

  test('thread 003: a direct write under a shared lock, a store through a page table entry', () => {
    const [shared, storesGoOn] = [
      sketch(thread003.wrong['source locked shared']!),
      sketch(thread003.wrong['no faults, but stores go on']!),
    ];
    expect(shared.split('\n').slice(1, 8)).toEqual([
      ' rdlock(i_rwsem)',
      ' read(block 0)',
      ' read(block 1)',
      '                     rdlock(i_rwsem)',
      '                     write(block 0)                              # block0: 1 -> 7',
      '                     rdunlock(i_rwsem)',
      ' write(block 0)                                                  # lost: false -> true',
    ]);
    const lines = storesGoOn.split('\n').slice(1, 7);
    expect(lines.map((line) => line.replace(/ +/g, ' '))).toEqual([
      ' lock(i_rwsem)',
      ' lock(invalidate_lock)',
      ' read(block 0)',
      ' read(block 1)',
      ' read(page table entry) # block1: 1 -> 7',
      ' write(block 0) # lost: false -> true',
    ]);
  });

  /** It compares block 0, then somebody writes there, "while we are comparing the rest". */
  test('thread 003: in the order that the mail tells it in', () => {
    const system = new ProgramSystem(thread003.wrong['source locked shared']!);
    const [dedupe, direct] = [0, 1];
    const moves = [dedupe, dedupe, direct, direct, direct, dedupe, dedupe, dedupe];
    const { failure, strayed } = record(
      system,
      moves.map((task) => ({ task, choices: null })),
    );
    expect(strayed).toBeNull();
    expect(failure?.symptom).toBe('blocks become shared whose contents differ');
  });

  test('thread 003: two pages, in the order of the arguments', () => {
    expect(sketch(thread003.wrong['pages locked in the order of the arguments']!)).toContain(
      `
 lock(page of A)
                               lock(page of B)
 lock(page of B)  <- blocked
                               lock(page of A)  <- blocked
`.trim(),
    );
  });

  test('thread 004: a write from its own file waits for itself', () => {
    expect(sketch(thread004.wrong['fault under the lock, own file']!)).toBe(
      `
CPU0  write A from A
 lock(glock of A)
 read(page of A)
 lock(mmap_lock of process 0)
 lock(glock of A)  <- blocked
*** DEADLOCK ***  write A from A waits for write A from A
`.trim(),
    );
  });

  test('thread 004: each faults in what the other has locked', () => {
    const lines = sketch(thread004.wrong['fault under the lock, two files']!).split('\n');
    expect(lines.slice(7, 9).map((line) => line.trim())).toEqual([
      'lock(glock of B)  <- blocked',
      'lock(glock of A)  <- blocked',
    ]);
  });
});
