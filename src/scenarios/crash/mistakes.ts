/**
 * Known mistakes in the orders that keep an image whole: each is put in the place of one function
 * of an ops table, and must be caught with its symptom by the workloads that it names.
 */
import { REQ_FUA, REQ_META, REQ_PREFLUSH } from '../../block/bio.ts';
import { dataFirst } from '../../fs/ext4/data-first.ts';
import { withHandle } from '../../fs/ext4/ext4-jbd2.ts';
import { ext4ConvertUnwritten } from '../../fs/ext4/extents-change.ts';
import type { Ext4Inode } from '../../fs/ext4/inode-info.ts';
import { inodeEnd } from '../../fs/ext4/inode-life.ts';
import { ext4MarkInodeDirty } from '../../fs/ext4/inode.ts';
import { ext4WritebackOps } from '../../fs/ext4/iomap.ts';
import { ext4OrphanDel } from '../../fs/ext4/orphan.ts';
import { recoverySteps } from '../../fs/ext4/recover.ts';
import { checkpointSteps } from '../../jbd2/checkpoint.ts';
import { commitPhases, commitRecord } from '../../jbd2/commit.ts';
import { markJournalEmpty } from '../../jbd2/replay.ts';
import type { Op } from '../../sched/op.ts';

export interface CrashMistake {
  readonly title: string;
  /** What it shows as. */
  readonly symptom: RegExp;
  /** The workloads that must catch it. */
  readonly workloads: readonly string[];
  /** While what is put in: the operations, or what follows the crash. */
  readonly during: 'recording' | 'recovery';
  /** Put it in. @returns what takes it out again */
  readonly apply: () => () => void;
}

/** @param make  the wrong functions, given the right ones */
const inTable =
  <T extends object>(table: T, make: (right: Readonly<T>) => Partial<T>) =>
  (): (() => void) => {
    const right = { ...table };
    Object.assign(table, make(right));
    return () => {
      Object.assign(table, right);
    };
  };

/** The commit block is written with these flags. */
const recordWith = (flags: number): CrashMistake['apply'] =>
  inTable(commitPhases, () => ({
    *record(j, t, crc): Op<void> {
      yield* j.buffers.device.submitWait(commitRecord(j, t, crc, flags));
    },
  }));

const homeBeforeCommit = inTable(commitPhases, ({ write }) => ({
  *write(j, t, heads) {
    const crc = yield* write(j, t, heads);
    for (const { bh } of heads) {
      yield* j.buffers.device.transfer('write', bh.blocknr * bh.data.length, bh.data, REQ_META);
    }
    return crc;
  },
}));

const noRevokes = inTable(commitPhases, ({ write }) => ({
  write(j, t, heads) {
    t.revoked.clear();
    return write(j, t, heads);
  },
}));

const logFreedFirst = inTable(checkpointSteps, ({ home }) => ({
  *home(j, heads): Op<void> {
    yield* j.writeSuper(0, j.nextTid);
    yield* home(j, heads);
  },
}));

/** The extents say "written", and that is durable, and then the data goes to the device. */
const dataAfterCommit = inTable(ext4WritebackOps, ({ mapBlocks }) => ({
  *mapBlocks(inode, pos, length, iomap): Op<void> {
    yield* mapBlocks(inode, pos, length, iomap);
    if (iomap.type !== 'unwritten') return;
    const ei = inode as Ext4Inode;
    const bs = ei.sb.blockSize;
    const first = Math.floor(pos / bs);
    const end = Math.min(pos + length, ei.size);
    yield* ext4ConvertUnwritten(ei, first, Math.ceil((pos + length) / bs) - first, end);
    yield* ei.sb.journal.forceCommit();
    yield* mapBlocks(inode, pos, length, iomap);
  },
}));

/** The inode has no names, is on no list, and that is durable before its blocks are freed. */
const orphanOffEarly = inTable(inodeEnd, ({ truncate }) => ({
  *truncate(inode): Op<void> {
    yield* withHandle(inode.sb, 'unlink', function* (handle): Op<void> {
      handle.sync = true;
      yield* ext4OrphanDel(handle, inode);
      yield* ext4MarkInodeDirty(handle, inode);
    });
    yield* truncate(inode);
  },
}));

const recoveryForgetsFirst = inTable(recoverySteps, ({ home }) => ({
  *home(device, journal, recovery, changed) {
    yield* markJournalEmpty(device, journal, recovery.next, recovery.head);
    return yield* home(device, journal, recovery, changed);
  },
}));

export const crashMistakes: Readonly<Record<string, CrashMistake>> = {
  'no-flush-before-commit': {
    title: 'the commit block may be durable before what it vouches for',
    symptom: /t_checksum/,
    workloads: ['create-write', 'rename-over'],
    during: 'recording',
    apply: recordWith(REQ_FUA),
  },
  'commit-not-durable': {
    title: 'fsync returns when the commit block is written, and does not wait until it is durable',
    symptom: /\/foo is not there/,
    workloads: ['create-write'],
    during: 'recording',
    apply: recordWith(REQ_PREFLUSH),
  },
  'home-before-commit': {
    title: 'blocks go home before their commit is durable',
    symptom: /the image is damaged/,
    workloads: ['create-write', 'rename-over'],
    during: 'recording',
    apply: homeBeforeCommit,
  },
  'log-freed-first': {
    title: 'the log is given back before its blocks are at home',
    symptom: /\/foo is not there/,
    workloads: ['create-write'],
    during: 'recording',
    apply: logFreedFirst,
  },
  'no-revoke': {
    title: 'the log does not say which blocks were freed',
    symptom: /^\/foo has bytes/,
    workloads: ['directory-block-reused'],
    during: 'recording',
    apply: noRevokes,
  },
  'data-after-commit': {
    title: 'extents become written before their data is durable',
    symptom: /what a free block held/,
    workloads: ['create-write', 'into-a-hole'],
    during: 'recording',
    apply: dataAfterCommit,
  },
  'tail-not-first': {
    title: 'data that names and sizes must wait for is left to write-back',
    symptom: /^\/foo has (bytes 2 at 0|the size 0)/,
    workloads: ['truncate-longer', 'replace'],
    during: 'recording',
    apply: inTable(dataFirst, () => ({
      *write(): Op<void> {
        // Does not write.
      },
    })),
  },
  'orphan-off-early': {
    title: 'a removed file leaves the orphan list before its blocks are free',
    symptom: /the image is damaged/,
    workloads: ['held-unlink'],
    during: 'recording',
    apply: orphanOffEarly,
  },
  'recovery-forgets-first': {
    title: 'recovery marks the log empty before its blocks are at home',
    symptom: /the image is damaged/,
    workloads: ['create-write'],
    during: 'recovery',
    apply: recoveryForgetsFirst,
  },
};
