/**
 * A driver that keeps what is written in memory until it is told that it is meant.
 *
 * Mounting for writing marks the super block. A command that then fails before it has changed
 * anything must leave the image byte for byte as it was, so those marks wait here.
 *
 * Nobody else sees a mark that waits, not even that of multi-mount protection. So what it replaces
 * is looked at once more before it goes out: whoever was first has changed it.
 */
import { errno, type FsError } from '../base/errno.ts';
import { type Bytes, sector, SECTOR_SIZE } from '../base/units.ts';
import { Bio } from '../block/bio.ts';
import type { BlockDriver } from '../block/block-device.ts';

export class HoldingDriver implements BlockDriver {
  readonly size: Bytes;
  readonly logicalBlockSize: number;
  readonly readOnly: boolean;
  readonly synchronous = true;
  readonly queueDepth: number;
  private readonly below: BlockDriver;
  /** Sectors written so far; null once they are let through. */
  private held: Map<number, Uint8Array> | null = new Map();
  /** What the image had in their place. */
  private readonly replaced = new Map<number, Uint8Array>();

  /** @param below  a synchronous driver */
  constructor(below: BlockDriver) {
    this.below = below;
    this.size = below.size;
    this.logicalBlockSize = below.logicalBlockSize;
    this.readOnly = below.readOnly;
    this.queueDepth = below.queueDepth;
  }

  start(bio: Bio): void {
    if (this.held === null) this.below.start(bio);
    else if (bio.op === 'write') bio.complete(this.hold(this.held, bio));
    else if (bio.op === 'read') this.read(this.held, bio);
    else if (bio.op === 'flush') bio.complete(null);
    else {
      this.release();
      this.below.start(bio);
    }
  }

  /** @returns why not: what is there now cannot be read */
  private hold(held: Map<number, Uint8Array>, bio: Bio): FsError | null {
    let at: number = bio.sector;
    for (const vec of bio.vecs) {
      for (let i = 0; i < vec.length; i += SECTOR_SIZE, at++) {
        if (!this.replaced.has(at)) {
          const old = new Uint8Array(SECTOR_SIZE);
          const error = this.readBelow(at, old);
          if (error) return error;
          this.replaced.set(at, old);
        }
        held.set(at, vec.slice(i, i + SECTOR_SIZE));
      }
    }
    return null;
  }

  private readBelow(at: number, into: Uint8Array): FsError | null {
    const bio = new Bio('read', sector(at)).add(into);
    this.below.start(bio);
    return bio.error;
  }

  private read(held: Map<number, Uint8Array>, bio: Bio): void {
    const inner = new Bio('read', bio.sector);
    for (const vec of bio.vecs) inner.add(vec);
    this.below.start(inner);
    if (inner.error === null) {
      let at: number = bio.sector;
      for (const vec of bio.vecs) {
        for (let i = 0; i < vec.length; i += SECTOR_SIZE) {
          const mine = held.get(at++);
          if (mine) vec.set(mine, i);
        }
      }
    }
    bio.complete(inner.error);
  }

  /**
   * A change was made: what is held goes to the image, and so does everything from now on.
   * @throws EBUSY the image is no longer what it was: nothing was written; EIO
   */
  release(): void {
    const { held } = this;
    if (held === null) return;
    const now = new Uint8Array(SECTOR_SIZE);
    for (const [at, old] of this.replaced) {
      const error = this.readBelow(at, now);
      if (error) throw error;
      if (old.every((byte, i) => byte === now[i])) continue;
      throw errno('EBUSY', { sector: at }, 'somebody else changed the image meanwhile');
    }
    this.held = null;
    this.replaced.clear();
    for (const at of [...held.keys()].sort((a, b) => a - b)) {
      const bio = new Bio('write', sector(at)).add(held.get(at)!);
      this.below.start(bio);
      if (bio.error !== null) throw bio.error;
    }
  }
}
