/**
 * The request queue of a device: bounded depth, flush sequencing, merging while plugged.
 *
 * A flush is a barrier towards what completed before it, nothing more: as in Linux, whoever needs
 * an order between a write and a flush waits for the write first. A PREFLUSH or FUA write on a
 * driver is expanded here, so that a driver knows plain operations and `flush` only, and FUA if it
 * says so:
 *
 *     write|PREFLUSH|FUA   ==>   flush, then write, then flush        or   flush, then write|FUA
 *
 * @source block/blk-flush.c (sequencing), block/blk-merge.c (back merges)
 */
import { assert } from '../base/assert.ts';
import type { FsError } from '../base/errno.ts';
import { trace } from '../base/trace.ts';
import { sector } from '../base/units.ts';
import { Bio, REQ_FUA, REQ_PREFLUSH } from './bio.ts';
import type { BlockDriver } from './block-device.ts';

/** Bytes that a merged request may reach. */
const MAX_REQUEST = 4 << 20;
/** Segments that a merged request may have (IOV_MAX of the hosts). */
const MAX_SEGMENTS = 1024;

export class RequestQueue {
  private readonly driver: BlockDriver;
  /** Bios that wait for a place in the driver. */
  private readonly backlog: Bio[] = [];
  private inFlight = 0;
  private plugDepth = 0;
  private plugged: Bio[] = [];

  constructor(driver: BlockDriver) {
    this.driver = driver;
  }

  /** Hold bios back until the matching unplug(), so that neighbours become one request. */
  plug(): void {
    this.plugDepth++;
  }

  unplug(): void {
    assert(this.plugDepth > 0, 'unplug without plug');
    if (--this.plugDepth > 0) return;
    const held = this.plugged;
    this.plugged = [];
    for (const bio of mergeNeighbours(held)) this.dispatch(bio);
  }

  add(bio: Bio): void {
    const { fua = false } = this.driver;
    const steps = fua ? REQ_PREFLUSH : REQ_PREFLUSH | REQ_FUA;
    if (bio.op === 'write' && bio.flags & steps) this.sequence(bio, fua);
    else if (this.plugDepth > 0 && (bio.op === 'read' || bio.op === 'write'))
      this.plugged.push(bio);
    else this.dispatch(bio);
  }

  private dispatch(bio: Bio): void {
    trace('block:RequestQueue.dispatch');
    if (this.inFlight >= this.driver.queueDepth) {
      this.backlog.push(bio);
      return;
    }
    this.inFlight++;
    const endIo = bio.endIo;
    bio.endIo = (b) => {
      this.inFlight--;
      endIo?.(b);
      const next = this.backlog.shift();
      if (next) this.dispatch(next);
    };
    this.driver.start(bio);
  }

  /** Run the steps of a flagged write one after the other; the first error ends them. */
  private sequence(bio: Bio, fua: boolean): void {
    const steps: Bio[] = [];
    if (bio.flags & REQ_PREFLUSH) steps.push(new Bio('flush', sector(0)));
    const expanded = fua ? REQ_PREFLUSH : REQ_PREFLUSH | REQ_FUA;
    const plain = new Bio('write', bio.sector, bio.flags & ~expanded);
    for (const v of bio.vecs) plain.add(v);
    steps.push(plain);
    if (!fua && bio.flags & REQ_FUA) steps.push(new Bio('flush', sector(0)));
    const run = (i: number, error: FsError | null): void => {
      const step = steps[i];
      if (error || !step) {
        bio.complete(error);
        return;
      }
      step.endIo = (s) => {
        run(i + 1, s.error);
      };
      this.dispatch(step);
    };
    run(0, null);
  }
}

/** Bios in ascending order, adjacent ones of one kind joined into one. */
function mergeNeighbours(bios: Bio[]): Bio[] {
  if (bios.length < 2) return bios;
  const sorted = bios.toSorted((a, b) => a.sector - b.sector);
  const out: Bio[] = [];
  let group: Bio[] = [];
  let size = 0;
  let segments = 0;
  const close = (): void => {
    const [first] = group;
    if (first) out.push(group.length === 1 ? first : joined(group, first));
    group = [];
    size = segments = 0;
  };
  for (const bio of sorted) {
    const last = group.at(-1);
    const fits =
      last?.op === bio.op &&
      last.flags === bio.flags &&
      last.end === bio.sector &&
      size + bio.size <= MAX_REQUEST &&
      segments + bio.vecs.length <= MAX_SEGMENTS;
    if (!fits) close();
    group.push(bio);
    size += bio.size;
    segments += bio.vecs.length;
  }
  close();
  return out;
}

/** One bio over the segments of several, completing each of them. */
function joined(group: readonly Bio[], first: Bio): Bio {
  const whole = new Bio(first.op, first.sector, first.flags);
  for (const b of group) for (const v of b.vecs) whole.add(v);
  whole.endIo = (w) => {
    for (const b of group) b.complete(w.error);
  };
  return whole;
}
