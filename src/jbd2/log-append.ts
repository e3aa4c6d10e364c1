/**
 * One transaction, written by recovery itself: blocks that must all change or none, after the log
 * has gone home. The log then holds it as it holds any other, and a crash while the blocks go home
 * is recovered as ever. (Transactions of a mounted file system are written by its journal.)
 * @source filesystems/ext4/journal.rst, "Layout"; fs/jbd2/commit.c
 */
import { type Tid } from '../base/units.ts';
import type { Op } from '../sched/op.ts';
import { REQ_FUA, REQ_META, REQ_PREFLUSH } from '../block/bio.ts';
import type { BlockDevice } from '../block/block-device.ts';
import {
  journalTagCsum,
  setJournalCommitCsum,
  setJournalSuperblockCsum,
  setJournalTailCsum,
} from './checksum.ts';
import {
  JBD2_COMMIT_BLOCK,
  JBD2_DESCRIPTOR_BLOCK,
  JBD2_FLAG_ESCAPE,
  JBD2_FLAG_LAST_TAG,
  JBD2_FLAG_SAME_UUID,
  JBD2_MAGIC_NUMBER,
  JournalBlockTail,
  JournalHeader,
  JournalSuperblock,
  tagBytes,
  writeTag,
} from './disk.ts';
import type { LoadedJournal } from './load.ts';
import { ringAfter } from './log-reader.ts';

const UUID_SIZE = 16;

interface Raw {
  readonly data: Uint8Array;
  readonly view: DataView;
}
const newBlock = (size: number): Raw => {
  const data = new Uint8Array(size);
  return { data, view: new DataView(data.buffer) };
};

class Append {
  private readonly device: BlockDevice;
  private readonly journal: LoadedJournal;
  private readonly tid: Tid;
  private at: number;

  constructor(device: BlockDevice, journal: LoadedJournal, tid: Tid, head: number) {
    this.device = device;
    this.journal = journal;
    this.tid = tid;
    this.at = head;
  }

  private get guarded(): boolean {
    return this.journal.layout.csumV2 || this.journal.layout.csumV3;
  }

  private *write(block: number, data: Uint8Array, flags = 0): Op<void> {
    const at = this.journal.map.pblkOf(block) * this.journal.blockSize;
    yield* this.device.transfer('write', at, data, REQ_META | flags);
  }

  /** The next block of the log, and on. */
  private *put(data: Uint8Array, flags = 0): Op<void> {
    yield* this.write(this.at, data, flags);
    this.at = ringAfter(this.journal, this.at);
  }

  private head(type: number): Raw {
    const block = newBlock(this.journal.blockSize);
    JournalHeader.h_magic.set(block.view, 0, JBD2_MAGIC_NUMBER);
    JournalHeader.h_blocktype.set(block.view, 0, type);
    JournalHeader.h_sequence.set(block.view, 0, this.tid);
    return block;
  }

  /** The log begins here now: what stood before it is home. */
  private *moveTail(head: number): Op<void> {
    const s = JournalSuperblock;
    const block = newBlock(this.journal.blockSize);
    const at = this.journal.map.pblkOf(0) * this.journal.blockSize;
    yield* this.device.transfer('read', at, block.data);
    s.s_sequence.set(block.view, 0, this.tid);
    s.s_start.set(block.view, 0, head);
    if (this.guarded) setJournalSuperblockCsum(block);
    yield* this.write(0, block.data, REQ_PREFLUSH | REQ_FUA);
  }

  *run(blocks: ReadonlyMap<number, Uint8Array>): Op<number> {
    const { journal } = this;
    const all = [...blocks];
    const per = tagsPerBlock(journal);
    const descriptors = Math.ceil(all.length / per);
    // A half-written transaction of this id may stand here: no end of it may end ours.
    const end = ringAfter(journal, this.at, all.length + descriptors);
    yield* this.write(end, new Uint8Array(journal.blockSize));
    yield* this.moveTail(this.at);
    for (let i = 0; i < all.length; i += per) yield* this.batch(all.slice(i, i + per));
    const commit = this.head(JBD2_COMMIT_BLOCK);
    if (this.guarded) setJournalCommitCsum(journal.seed, commit);
    yield* this.put(commit.data, REQ_PREFLUSH | REQ_FUA);
    return this.at;
  }

  /** A descriptor and the copies that it names. */
  private *batch(blocks: readonly (readonly [number, Uint8Array])[]): Op<void> {
    const { journal, tid } = this;
    const { layout, seed } = journal;
    const descriptor = this.head(JBD2_DESCRIPTOR_BLOCK);
    const copies: Uint8Array[] = [];
    let at = JournalHeader.$size;
    for (const [i, [blocknr, data]] of blocks.entries()) {
      const { copy, escaped } = escape(data);
      let flags = escaped ? JBD2_FLAG_ESCAPE : 0;
      if (i > 0) flags |= JBD2_FLAG_SAME_UUID;
      if (i === blocks.length - 1) flags |= JBD2_FLAG_LAST_TAG;
      const checksum = this.guarded ? journalTagCsum(seed, tid, copy) : 0;
      writeTag(descriptor.view, at, layout, { blocknr, flags, checksum });
      at += tagBytes(layout) + (i === 0 ? UUID_SIZE : 0);
      copies.push(copy);
    }
    if (this.guarded) setJournalTailCsum(seed, descriptor);
    yield* this.put(descriptor.data);
    for (const copy of copies) yield* this.put(copy);
  }
}

/** In the log no copy begins like a block of the log's own. */
function escape(data: Uint8Array): { copy: Uint8Array; escaped: boolean } {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  if (view.getUint32(0) !== JBD2_MAGIC_NUMBER) return { copy: data, escaped: false };
  const copy = data.slice();
  copy.fill(0, 0, 4);
  return { copy, escaped: true };
}

function tagsPerBlock({ layout, blockSize }: LoadedJournal): number {
  const tail = layout.csumV2 || layout.csumV3 ? JournalBlockTail.$size : 0;
  return Math.floor((blockSize - JournalHeader.$size - UUID_SIZE - tail) / tagBytes(layout));
}

/** Does the log have room for a transaction of so many blocks? */
export const logHolds = (journal: LoadedJournal, blocks: number): boolean =>
  blocks + Math.ceil(blocks / tagsPerBlock(journal)) + 1 < journal.last - journal.first;

/**
 * Write one transaction, durable on return. Whatever the log held before is home.
 * @param head  block of the log to begin in
 * @returns the block behind it. @throws EIO
 */
export const appendTransaction = (
  device: BlockDevice,
  journal: LoadedJournal,
  tid: Tid,
  head: number,
  blocks: ReadonlyMap<number, Uint8Array>,
): Op<number> => new Append(device, journal, tid, head).run(blocks);
