// Goal: whatever a record of the log says, recovery either makes of the image what e2fsck makes of
// it, or refuses it with the name of the record, and then not a byte has changed. Method: every
// field of every block of a small log, several values each, with and without a checksum put right.
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FsError } from '../../src/base/errno.ts';
import { Prng } from '../../src/base/prng.ts';
import type { Field, StructInfo } from '../../src/base/struct.ts';
import {
  journalCsumSeed,
  setJournalCommitCsum,
  setJournalSuperblockCsum,
  setJournalTailCsum,
} from '../../src/jbd2/checksum.ts';
import {
  BlockTag,
  BlockTag3,
  CommitHeader,
  JBD2_COMMIT_BLOCK,
  JournalHeader,
  JournalSuperblock as S,
  RevokeHeader,
} from '../../src/jbd2/disk.ts';
import { makeImage, scratchDir, type TestImage } from '../support/e2fsprogs.ts';
import { effort, seedShift, timeLimit } from '../support/effort.ts';
import { JournalBytes, writeLog } from '../support/journal-image.ts';
import { mountFile } from '../support/mounted.ts';

const BLOCK = 1024;
const TARGETS = [2000, 2001, 2003, 2004];
/** Blocks of the log: four transactions. */
const DESCRIPTORS = [1, 7];
const REVOKE = 5;
const COMMITS = [4, 10, 13];
const LAST = 13;

function image(features: string, open: string): TestImage {
  const made = makeImage(['-t', 'ext4', '-b', '1024', '-J', 'size=1', '-O', features], '8M');
  writeLog(made, BLOCK, open, [
    { write: { 2000: 'a', 2001: 'b' } },
    { revoke: [2001] },
    { write: { 2000: 'A', 2004: 'e' } },
    { write: { 2003: 'D' } },
  ]);
  return made;
}

interface Trial {
  readonly what: string;
  readonly damage: (log: JournalBytes) => void;
}

const isNumber = (f: StructInfo['$fields'][number]): f is Field => f.size <= 8 && f.size !== 3;

/** Each field of a record in a block of the log. @param at  byte of the record in the block */
function trials(record: StructInfo, block: number, at: number, values: readonly number[]): Trial[] {
  return record.$fields.filter(isNumber).flatMap((field) =>
    values.map((value) => ({
      what: `${record.$name}.${field.name} of block ${block} = ${value}`,
      damage: (log: JournalBytes) => {
        if (!field.name.includes('padding')) field.set(log.block(block).view, at, value);
      },
    })),
  );
}

/** The damage with a right checksum over it: what is behind the checksum is reached. */
const disguised = ({ what, damage }: Trial, block: number): Trial => ({
  what: `${what}, checksum right`,
  damage: (log) => {
    const seed = journalCsumSeed(S.s_uuid.get(log.super.view, 0));
    const type = JournalHeader.h_blocktype.get(log.block(block).view, 0);
    damage(log);
    const b = log.block(block);
    if (block === 0) setJournalSuperblockCsum(b);
    else if (type === JBD2_COMMIT_BLOCK) setJournalCommitCsum(seed, b);
    else setJournalTailCsum(seed, b);
  },
});

/** Of a usual run, chosen by chance: all of them take three minutes. */
const TRIALS = 80;
const VALUES = [0, 1, 7, 9000, 0xffff_ffff];

function allTrials(guarded: boolean): Trial[] {
  const tag = guarded ? BlockTag3 : BlockTag;
  const parts: [StructInfo, number, number][] = [
    [S, 0, 0],
    [RevokeHeader, REVOKE, 0],
    ...COMMITS.map((b): [StructInfo, number, number] => [CommitHeader, b, 0]),
    ...DESCRIPTORS.map((b): [StructInfo, number, number] => [JournalHeader, b, 0]),
    ...DESCRIPTORS.map((b): [StructInfo, number, number] => [tag, b, JournalHeader.$size]),
  ];
  const all = parts.flatMap(([record, block, at]) => {
    const plain = trials(record, block, at, VALUES);
    return guarded ? [...plain, ...plain.map((t) => disguised(t, block))] : plain;
  });
  for (let i = 1; i <= LAST; i++) {
    all.push({
      what: `a bit of block ${i}`,
      damage: (log) => {
        log.block(i).data[600]! ^= 1;
      },
    });
  }
  return all;
}

const lettersOf = (bytes: Uint8Array): string =>
  TARGETS.map((nr) => String.fromCharCode(bytes[nr * BLOCK] || 0x2e)).join('');

/** What e2fsck's recovery makes of the blocks. It may let the file grow to terabytes. */
function e2fsckLetters(bytes: Uint8Array, path: string): string {
  rmSync(path, { force: true });
  writeFileSync(path, bytes);
  spawnSync('e2fsck', ['-y', '-E', 'journal_only', path]);
  const head = spawnSync('head', ['-c', String(bytes.length), path], { maxBuffer: 1 << 25 });
  return lettersOf(new Uint8Array(head.stdout));
}

/**
 * Where Linux decides otherwise than e2fsck, we are with Linux: a commit block is whole if its head
 * is, and a super block of version 2 stays one whatever its number of users.
 */
const LINUX = /^a bit of block (4|6|10|13)$|s_nr_users/;

test.each([
  ['version 3', '64bit', '-c -v 3'],
  ['no checksums', '^64bit,^metadata_csum', ''],
])(
  'every field of a log, %s',
  (form, features, open) => {
    const made = image(features, open);
    const whole = JournalBytes.of(made, BLOCK);
    const dir = scratchDir();
    const path = join(dir, 'ours');
    const wrong: string[] = [];
    let refused = 0;
    const all = allTrials(form === 'version 3');
    const prng = new Prng(seedShift);
    for (const { what, damage } of all.filter(() => prng.below(all.length) < TRIALS * effort)) {
      const log = whole.over(whole.image.slice());
      damage(log);
      writeFileSync(path, log.image);
      try {
        mountFile(path, { readOnly: false }).umount();
      } catch (e) {
        if (!(e instanceof FsError)) throw e;
        refused++;
        if (e.code !== 'EUCLEAN' && e.code !== 'EINVAL') wrong.push(`${what}: ${e.message}`);
        if (!/record \S+, field \S+/.test(e.message)) wrong.push(`${what}: ${e.message}`);
        if (Buffer.compare(readFileSync(path), log.image) !== 0) wrong.push(`${what}: changed`);
        continue;
      }
      const ours = lettersOf(new Uint8Array(readFileSync(path)));
      const theirs = LINUX.test(what) ? 'A.De' : e2fsckLetters(log.image, join(dir, 'e2fsck'));
      if (ours !== theirs) wrong.push(`${what}: ${ours}, e2fsck ${theirs}`);
    }
    expect(wrong).toEqual([]);
    expect(refused).toBeGreaterThan(5);
  },
  timeLimit(60_000),
);

test('a journal of nothing but descriptors of one transaction has an end', () => {
  const made = image('^64bit,^metadata_csum', '');
  const log = JournalBytes.of(made, BLOCK);
  const descriptor = log.block(1).data.slice();
  for (let i = log.first; i < log.length; i++) log.block(i).data.set(descriptor);
  made.restore(log.image);
  mountFile(made.path, { readOnly: false }).umount();
  expect(lettersOf(made.bytes())).toBe('....');
});
