/**
 * A device that remembers what was written to it, and in which order it became durable.
 *
 *   submitted --complete--> completed --flush, or FUA--> durable
 *
 * A write cache lies in front of the medium: a flush makes durable what was completed before the
 * flush was submitted, a write with FUA makes itself durable when it completes, and nothing else
 * does. At a crash each write that is not durable is on the medium or not.
 *
 * The device below is the medium at the beginning, and is only read: what is written here stays in
 * memory, so that many recordings may be made over one image.
 *
 * CR-1  Bytes are copied when a write is submitted; if they differ at completion, the medium may
 *       have either: that is one more write.
 * CR-2  A write that failed stays in flight for ever: nobody knows what the medium has.
 * CR-3  Zeroes and discards are writes of zeros.
 * CR-4  For the explorer submissions and completions of writes commute; a flush, a FUA write and a
 *       mark commute with none of them. So all schedules of one trace have the same crash states.
 */
import { assert } from '../base/assert.ts';
import { errno } from '../base/errno.ts';
import { type Bytes, sector, SECTOR_SIZE } from '../base/units.ts';
import { Bio, REQ_FUA } from '../block/bio.ts';
import type { BlockDriver } from '../block/block-device.ts';
import { DEV_FLUSH, DEV_WRITE, exploring, SharedObject, touch } from '../sched/point.ts';

/** What the caller says about a moment: a system call returned, an operation began. */
export interface CrashMark {
  readonly label: string;
  /** Must follow from the label, if recordings are compared with each other (crash-states.ts). */
  readonly data: unknown;
}

/** A write, cut into whole blocks as they stood after it. */
export interface CrashWrite {
  readonly blocks: readonly { readonly nr: number; readonly data: Uint8Array }[];
  readonly flags: number;
}

export type CrashEvent =
  | { readonly kind: 'submit'; readonly write: CrashWrite }
  | { readonly kind: 'complete'; readonly write: CrashWrite }
  /** All writes that were completed before this event are durable now. */
  | { readonly kind: 'flush'; readonly before: number }
  | { readonly kind: 'mark'; readonly mark: CrashMark };

/** The medium before the first event. */
export interface CrashBase {
  readonly size: Bytes;
  readonly logicalBlockSize: number;
  /** Copy bytes out; `at` and the length are whole sectors. */
  read(at: number, into: Uint8Array): void;
}

export interface CrashRecording {
  readonly base: CrashBase;
  /** Bytes that reach the medium together, or not at all, but for torn writes. */
  readonly blockSize: number;
  readonly events: readonly CrashEvent[];
  /** May a write of this block be torn? */
  readonly tears: (nr: number) => boolean;
}

export interface CrashRecorderOptions {
  /** Bytes of a block, the file system's; 4096. */
  readonly blockSize?: number;
  /** Most bytes that a recording may hold; 256 MiB. */
  readonly maxBytes?: number;
  /**
   * Blocks of which a write that is marked as metadata may be torn (`CrashOptions.torn`); all. To be
   * left out is what no recovery survives: ext4's super block is read before the journal is.
   */
  readonly tears?: (nr: number) => boolean;
}

const ZEROS = new Uint8Array(1 << 16);

export class CrashRecorder extends SharedObject implements BlockDriver {
  readonly name = 'recorded device';
  readonly size: Bytes;
  readonly logicalBlockSize: number;
  readonly readOnly = false;
  readonly synchronous = true;
  readonly queueDepth = 1;
  readonly fua = true;
  readonly blockSize: number;
  private readonly base: Base;
  private readonly maxBytes: number;
  private readonly tears: (nr: number) => boolean;
  private held = 0;
  private on = false;
  private events: CrashEvent[] = [];
  /** What whoever reads sees: the newest completed contents, by block. */
  private readonly seen = new Map<number, Uint8Array>();
  /** The newest submitted contents of blocks with a write under way. */
  private readonly newest = new Map<number, Uint8Array>();
  private readonly pending = new Map<Bio, CrashWrite>();
  /** By flush under way: how many events there were when it was submitted. */
  private readonly flushes = new Map<Bio, number>();

  /** @param below  a synchronous driver, which nobody writes from now on */
  constructor(below: BlockDriver, options: CrashRecorderOptions = {}) {
    super();
    assert(below.synchronous, 'what is recorded lies over a synchronous device');
    this.size = below.size;
    this.logicalBlockSize = below.logicalBlockSize;
    this.blockSize = options.blockSize ?? 4096;
    this.maxBytes = options.maxBytes ?? 256 << 20;
    this.tears = options.tears ?? (() => true);
    this.base = new Base(below, this.blockSize);
  }

  enabled(): boolean {
    return true;
  }

  /** Record from now on: what was written up to here is durable, and no part of the recording. */
  begin(): void {
    assert(this.pending.size === 0, 'a recording begins with nothing in flight');
    for (const [nr, data] of this.seen) this.base.fixed.set(nr, data);
    this.seen.clear();
    this.newest.clear();
    this.events = [];
    this.held = 0;
    this.on = true;
  }

  /** Note a moment; a crash after it is judged with it. */
  mark(label: string, data?: unknown): void {
    this.push({ kind: 'mark', mark: { label, data } }, true);
  }

  /** Blocks that were written since `begin()`, as they are now. */
  get written(): ReadonlyMap<number, Uint8Array> {
    return this.seen;
  }

  /** How many events there were, for who wants to name a moment. */
  get length(): number {
    return this.events.length;
  }

  /**
   * What was recorded up to now.
   * @throws ENOMEM more was written than may be held
   */
  recording(): CrashRecording {
    const { held, maxBytes } = this;
    if (held > maxBytes) throw errno('ENOMEM', { held, maxBytes }, 'the recording is too long');
    const { base, blockSize, events, tears } = this;
    return { base, blockSize, events: events.slice(), tears };
  }

  /** A bio is under way from now on; `start()` completes it. Without this call both are one. */
  submitted(bio: Bio): void {
    if (bio.op === 'flush') {
      this.flushes.set(bio, this.events.length);
      if (exploring) touch(DEV_FLUSH, this);
    } else if (bio.op !== 'read') this.pending.set(bio, this.submit(bio));
  }

  start(bio: Bio): void {
    if (bio.op === 'read') this.read(bio);
    else if (bio.op === 'flush') {
      this.push({ kind: 'flush', before: this.flushes.get(bio) ?? this.events.length }, true);
      this.flushes.delete(bio);
    } else this.complete(bio);
    bio.complete(null);
  }

  /** @param barrier  before or after a write is a difference: never two orders in one trace */
  private push(event: CrashEvent, barrier: boolean): void {
    if (exploring) touch(barrier ? DEV_FLUSH : DEV_WRITE, this);
    if (this.on && this.held <= this.maxBytes) this.events.push(event);
  }

  private submit(bio: Bio): CrashWrite {
    const blocks = this.cut(bio);
    for (const { nr, data } of blocks) this.newest.set(nr, data);
    const write = { blocks, flags: bio.flags };
    if (this.on) this.held += blocks.length * this.blockSize;
    this.push({ kind: 'submit', write }, false);
    return write;
  }

  private complete(bio: Bio): void {
    let write = this.pending.get(bio);
    if (write !== undefined) {
      this.pending.delete(bio);
      if (!sameBytes(write, this.cut(bio))) write = this.submit(bio);
    } else write = this.submit(bio);
    for (const { nr, data } of write.blocks) {
      this.seen.set(nr, data);
      if (this.newest.get(nr) === data) this.newest.delete(nr);
    }
    this.push({ kind: 'complete', write }, (write.flags & REQ_FUA) !== 0);
  }

  /** The blocks that a write touches, as they are after it. */
  private cut(bio: Bio): CrashWrite['blocks'] {
    const { blockSize } = this;
    const start = bio.sector * SECTOR_SIZE;
    const end = start + bio.size;
    const blocks = new Map<number, Uint8Array>();
    const each = (at: number, part: Uint8Array): void => {
      for (let done = 0; done < part.length;) {
        const nr = Math.floor((at + done) / blockSize);
        const from = at + done - nr * blockSize;
        const length = Math.min(blockSize - from, part.length - done);
        let data = blocks.get(nr);
        if (data === undefined) {
          const whole = nr * blockSize >= start && (nr + 1) * blockSize <= end;
          blocks.set(nr, (data = whole ? new Uint8Array(blockSize) : this.copyOf(nr)));
        }
        data.set(part.subarray(done, done + length), from);
        done += length;
      }
    };
    if (bio.op === 'write') {
      let at = start;
      for (const v of bio.vecs) {
        each(at, v);
        at += v.length;
      }
    } else {
      for (let at = start; at < end; at += ZEROS.length) {
        each(at, ZEROS.subarray(0, Math.min(ZEROS.length, end - at)));
      }
    }
    return [...blocks].map(([nr, data]) => ({ nr, data }));
  }

  private copyOf(nr: number): Uint8Array {
    const known = this.newest.get(nr) ?? this.seen.get(nr);
    if (known !== undefined) return known.slice();
    const data = new Uint8Array(this.blockSize);
    this.base.read(nr * this.blockSize, data);
    return data;
  }

  private read(bio: Bio): void {
    let at = bio.sector * SECTOR_SIZE;
    for (const v of bio.vecs) {
      readBlocks(at, v, this.blockSize, this.base, (nr) => this.seen.get(nr));
      at += v.length;
    }
  }
}

/** The device below, and what was written before the recording began. */
class Base implements CrashBase {
  readonly size: Bytes;
  readonly logicalBlockSize: number;
  readonly fixed = new Map<number, Uint8Array>();
  private readonly below: BlockDriver;
  private readonly blockSize: number;

  constructor(below: BlockDriver, blockSize: number) {
    this.size = below.size;
    this.logicalBlockSize = below.logicalBlockSize;
    this.below = below;
    this.blockSize = blockSize;
  }

  read(at: number, into: Uint8Array): void {
    if (this.fixed.size === 0) this.readBelow(at, into);
    else {
      const below = { read: this.readBelow.bind(this) };
      readBlocks(at, into, this.blockSize, below, (nr) => this.fixed.get(nr));
    }
  }

  private readBelow(at: number, into: Uint8Array): void {
    const bio = new Bio('read', sector(at / SECTOR_SIZE)).add(into);
    this.below.start(bio);
    if (bio.error) throw bio.error;
  }
}

/** Fill `into` from blocks that are in memory, and the rest from below. */
export function readBlocks(
  at: number,
  into: Uint8Array,
  blockSize: number,
  below: Pick<CrashBase, 'read'>,
  known: (nr: number) => Uint8Array | undefined,
): void {
  for (let done = 0; done < into.length;) {
    const nr = Math.floor((at + done) / blockSize);
    const from = at + done - nr * blockSize;
    const length = Math.min(blockSize - from, into.length - done);
    const part = into.subarray(done, done + length);
    const data = known(nr);
    if (data === undefined) below.read(at + done, part);
    else part.set(data.subarray(from, from + length));
    done += length;
  }
}

function sameBytes({ blocks }: CrashWrite, now: CrashWrite['blocks']): boolean {
  return blocks.every(({ data }, i) => {
    const other = now[i]?.data;
    return other?.length === data.length && data.every((b, k) => b === other[k]);
  });
}
