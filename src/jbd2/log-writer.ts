/**
 * Blocks of one commit on their way to the log: taken one after the other, gathered where the
 * journal is contiguous, written in long bios. At most `MAX_IN_FLIGHT` of those are in memory.
 */
import { crc32be } from '../base/checksum.ts';
import type { FsError } from '../base/errno.ts';
import { sector, SECTOR_SIZE } from '../base/units.ts';
import type { Op } from '../sched/op.ts';
import { WaitQueue } from '../sched/wait-queue.ts';
import { Bio, REQ_META } from '../block/bio.ts';
import type { LogJournal } from './journal.ts';
import type { Transaction } from './transaction.ts';

/** Bytes of one bio, and bios in flight: 8 MiB of memory for a commit. */
const MAX_BIO = 1 << 20;
const MAX_IN_FLIGHT = 8;

/** A block for the log, zeroed, and its place in the journal. */
export interface LogBlock {
  readonly at: number;
  readonly data: Uint8Array;
  readonly view: DataView;
}

/** Neighbours on the device that are written together. */
class Chunk {
  readonly bytes: Uint8Array;
  readonly place: number;
  used = 0;
  /** Blocks that are not filled in yet: a descriptor waits for the copies behind it. */
  open = 0;
  closed = false;

  constructor(place: number, size: number) {
    this.place = place;
    this.bytes = new Uint8Array(size);
  }
}

export class LogWriter {
  /** Version 1's checksum of all blocks that were done so far. */
  crc = 0xffff_ffff;
  private readonly journal: LogJournal;
  private readonly transaction: Transaction;
  private chunk: Chunk | null = null;
  private readonly home = new Map<LogBlock, Chunk>();
  private inFlight = 0;
  private error: FsError | null = null;
  private readonly landed = new WaitQueue('log writes');

  constructor(journal: LogJournal, transaction: Transaction) {
    this.journal = journal;
    this.transaction = transaction;
  }

  /** The next block of the log. @context May sleep for earlier writes. @throws EIO */
  *next(): Op<LogBlock> {
    const { log, setup, buffers } = this.journal;
    const { blockSize } = buffers;
    const at = log.take();
    if (this.transaction.logNeed > 0) this.transaction.logNeed--;
    const place = setup.loaded.map.pblkOf(at);
    let { chunk } = this;
    const used = chunk?.used ?? 0;
    if (!chunk || used === chunk.bytes.length || chunk.place + used / blockSize !== place) {
      if (chunk) this.close(chunk);
      yield* this.landed.waitFor(() => this.inFlight < MAX_IN_FLIGHT);
      this.check();
      const blocks = Math.min(MAX_BIO / blockSize, this.transaction.logNeed + 1);
      this.chunk = chunk = new Chunk(place, Math.max(1, Math.ceil(blocks)) * blockSize);
    }
    const data = chunk.bytes.subarray(chunk.used, (chunk.used += blockSize));
    chunk.open++;
    const block = { at, data, view: new DataView(data.buffer, data.byteOffset, blockSize) };
    this.home.set(block, chunk);
    return block;
  }

  /** The block is filled in. @param summed  version 1's checksum covers it */
  done(block: LogBlock, summed: boolean): void {
    if (summed && this.journal.setup.loaded.checksum === 'v1')
      this.crc = crc32be(this.crc, block.data);
    const chunk = this.home.get(block)!;
    this.home.delete(block);
    chunk.open--;
    this.submitIfWhole(chunk);
  }

  /** Everything is in the log, not necessarily on the medium. @throws EIO */
  *drain(): Op<void> {
    if (this.chunk) this.close(this.chunk);
    this.chunk = null;
    yield* this.landed.waitFor(() => this.inFlight === 0);
    this.check();
  }

  private close(chunk: Chunk): void {
    chunk.closed = true;
    this.submitIfWhole(chunk);
  }

  private submitIfWhole(chunk: Chunk): void {
    if (!chunk.closed || chunk.open > 0) return;
    const { buffers } = this.journal;
    const at = sector((chunk.place * buffers.blockSize) / SECTOR_SIZE);
    const bio = new Bio('write', at, REQ_META).add(chunk.bytes.subarray(0, chunk.used));
    this.inFlight++;
    bio.endIo = ({ error }) => {
      this.error ??= error;
      this.inFlight--;
      this.landed.wakeAll();
    };
    buffers.device.submit(bio);
  }

  private check(): void {
    if (this.error) throw this.error;
  }
}
