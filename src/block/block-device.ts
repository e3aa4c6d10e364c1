/**
 * A block device: the size and limits of a driver, and the one way to give it work.
 * Every request is checked here, so that a driver sees only what lies inside the device.
 */
import { assert } from '../base/assert.ts';
import { errno, type FsError } from '../base/errno.ts';
import { trace } from '../base/trace.ts';
import { type Bytes, type Sector, sector, SECTOR_SHIFT, SECTOR_SIZE } from '../base/units.ts';
import type { Op } from '../sched/op.ts';
import { Bio, type BioOp, REQ_PREFLUSH } from './bio.ts';
import { RequestQueue } from './queue.ts';

/**
 * What a driver provides (an ops table, invariant A3). `start` begins the I/O of a checked bio and
 * calls `bio.complete()` once: within the call if the driver is synchronous, later if not.
 */
export interface BlockDriver {
  /** Bytes; a multiple of `logicalBlockSize`. */
  readonly size: Bytes;
  /** Smallest unit of I/O, bytes: 512 or 4096. */
  readonly logicalBlockSize: number;
  readonly readOnly: boolean;
  /** True if every `start` completes before it returns. */
  readonly synchronous: boolean;
  /** Bios in flight at once that are of use; 1 for a synchronous driver. */
  readonly queueDepth: number;
  /** A write with REQ_FUA is durable when it completes; else the queue has a flush follow it. */
  readonly fua?: boolean;
  start(bio: Bio): void;
}

export class BlockDevice {
  readonly driver: BlockDriver;
  readonly queue: RequestQueue;

  constructor(driver: BlockDriver) {
    this.driver = driver;
    this.queue = new RequestQueue(driver);
  }

  get size(): Bytes {
    return this.driver.size;
  }
  get readOnly(): boolean {
    return this.driver.readOnly;
  }
  get logicalBlockSize(): number {
    return this.driver.logicalBlockSize;
  }

  private refusal(bio: Bio): FsError | null {
    if (bio.op !== 'read' && this.readOnly) return errno('EROFS');
    if (bio.op === 'flush') return null;
    const start = bio.sector * SECTOR_SIZE;
    if (start % this.logicalBlockSize || bio.size % this.logicalBlockSize) {
      return errno('EINVAL', { sector: bio.sector, size: bio.size }, 'unaligned device I/O');
    }
    if (start + bio.size > this.size) {
      return errno(
        'EIO',
        { sector: bio.sector, size: bio.size },
        'attempt to access beyond end of device',
      );
    }
    return null;
  }

  /** Hand a bio over. @context Does not sleep; `bio.endIo` may run before this returns. */
  submit(bio: Bio): void {
    trace('block:BlockDevice.submit');
    const refusal = this.refusal(bio);
    if (refusal) bio.complete(refusal);
    else this.queue.add(bio);
  }

  /** @context May sleep. @throws EIO, EROFS, EINVAL */
  *submitWait(bio: Bio): Op<void> {
    this.submit(bio);
    if (!bio.done) yield* bio.wait();
    else if (bio.error) throw bio.error;
  }

  /** Everything completed so far becomes durable. @context May sleep. @throws EIO */
  *flush(): Op<void> {
    if (!this.readOnly) yield* this.submitWait(new Bio('flush', sector(0), REQ_PREFLUSH));
  }

  /** Read or write one segment at a byte offset. @context May sleep. */
  *transfer(op: BioOp, offset: number, segment: Uint8Array, flags = 0): Op<void> {
    assert(op === 'read' || op === 'write');
    yield* this.submitWait(new Bio(op, byteToSector(offset), flags).add(segment));
  }

  /** Zero or discard `length` bytes at `offset`. @context May sleep. */
  *clear(op: 'discard' | 'writeZeroes', offset: number, length: number): Op<void> {
    const bio = new Bio(op, byteToSector(offset));
    bio.size = length;
    yield* this.submitWait(bio);
  }
}

const byteToSector = (offset: number): Sector => {
  assert(offset % SECTOR_SIZE === 0, 'offset is not a whole sector');
  return sector(offset / 2 ** SECTOR_SHIFT);
};
