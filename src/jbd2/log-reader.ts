/**
 * Blocks of the log, one at a time, read from the device in longer runs.
 */
import { crcScratch } from '../base/crc32c-kernel.ts';
import type { Op } from '../sched/op.ts';
import type { BlockDevice } from '../block/block-device.ts';
import type { LoadedJournal } from './load.ts';

/** Bytes read at once: at most, and room for so many from the start. */
const WINDOW = 1 << 20;
const FIRST_WINDOW = 1 << 14;

export interface LogBlock {
  readonly data: Uint8Array;
  readonly view: DataView;
}

/** The block `by` behind one of the log, which is a ring. */
export const ringAfter = ({ first, last }: LoadedJournal, block: number, by = 1): number =>
  first + ((block - first + by) % (last - first));

export class LogReader {
  readonly journal: LoadedJournal;
  private readonly device: BlockDevice;
  /** Once it has grown, checksums are made in it where it lies. */
  private window: Uint8Array;
  /** The blocks [from, end) of the journal are in the window. */
  private from = 0;
  private end = 0;

  constructor(device: BlockDevice, journal: LoadedJournal) {
    this.device = device;
    this.journal = journal;
    this.window = new Uint8Array(Math.max(FIRST_WINDOW, journal.blockSize));
  }

  /**
   * A block of the journal. @param ahead  how many more behind it will be wanted
   * @returns good until the next call. @throws EIO
   */
  *read(block: number, ahead = 0): Op<LogBlock> {
    const { blockSize } = this.journal;
    if (block < this.from || block >= this.end) yield* this.load(block, ahead + 1);
    const data = this.window.subarray(
      (block - this.from) * blockSize,
      (block - this.from + 1) * blockSize,
    );
    return { data, view: new DataView(data.buffer, data.byteOffset, blockSize) };
  }

  private *load(block: number, want: number): Op<void> {
    const { map, blockSize } = this.journal;
    const { pblk, len } = map.from(block);
    const count = Math.min(want, len, Math.max(WINDOW / blockSize, 1));
    this.from = this.end = 0;
    if (count * blockSize > this.window.length) {
      this.window = crcScratch(
        Math.max(count * blockSize, Math.min(WINDOW, 4 * this.window.length)),
      );
    }
    const into = this.window.subarray(0, count * blockSize);
    yield* this.device.transfer('read', pblk * blockSize, into);
    this.from = block;
    this.end = block + count;
  }

  after(block: number, by = 1): number {
    return ringAfter(this.journal, block, by);
  }
}
