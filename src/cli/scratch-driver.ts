/**
 * A driver for an image that nobody has yet: should the host crash while it is made, it is made
 * again, so nothing of it need be durable before it is complete.
 */
import type { Bytes } from '../base/units.ts';
import type { Bio } from '../block/bio.ts';
import type { BlockDriver } from '../block/block-device.ts';

export class ScratchDriver implements BlockDriver {
  readonly size: Bytes;
  readonly logicalBlockSize: number;
  readonly readOnly = false;
  readonly synchronous: boolean;
  readonly queueDepth: number;
  private readonly below: BlockDriver;

  constructor(below: BlockDriver) {
    this.below = below;
    this.size = below.size;
    this.logicalBlockSize = below.logicalBlockSize;
    this.synchronous = below.synchronous;
    this.queueDepth = below.queueDepth;
  }

  start(bio: Bio): void {
    if (bio.op === 'flush') bio.complete(null);
    else this.below.start(bio);
  }
}
