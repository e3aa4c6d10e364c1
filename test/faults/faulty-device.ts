/** A device in memory that fails on demand: the n-th request of a kind, or every one from it on. */
import type { Bio, BioOp } from '../../src/block/bio.ts';
import type { BlockDriver } from '../../src/block/block-device.ts';
import { errno } from '../../src/base/errno.ts';
import type { Bytes } from '../../src/base/units.ts';
import type { RamDevice } from '../../src/block/ram-device.ts';

export interface Fault {
  readonly op: BioOp;
  /** Counted from 0 among the requests of that kind. */
  readonly nth: number;
  /** The device stays broken for that kind. */
  readonly forGood: boolean;
}

export class FaultyDevice implements BlockDriver {
  readonly size: Bytes;
  readonly logicalBlockSize = 512;
  readonly readOnly = false;
  readonly synchronous = true;
  readonly queueDepth = 1;
  readonly counts = new Map<BioOp, number>();
  fault: Fault | null = null;
  /** Which requests fail besides. */
  refuses: (bio: Bio) => boolean = () => false;
  failed = 0;
  private readonly below: RamDevice;

  constructor(below: RamDevice, fault: Fault | null = null) {
    this.below = below;
    this.size = below.size;
    this.fault = fault;
  }

  start(bio: Bio): void {
    const nr = this.counts.get(bio.op) ?? 0;
    this.counts.set(bio.op, nr + 1);
    if (nr > 50_000) throw new Error('an endless loop of requests');
    const { fault } = this;
    const hit = fault?.op === bio.op && (fault.forGood ? nr >= fault.nth : nr === fault.nth);
    if (hit || this.refuses(bio)) {
      this.failed++;
      bio.complete(errno('EIO', { sector: bio.sector }, 'the device fails'));
    } else {
      this.below.start(bio);
    }
  }
}
