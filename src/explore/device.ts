/**
 * A device whose completions are tasks of their own: a bio ends at any later moment, in any order,
 * as the explorer likes; or fails, if it is asked to try that. Outside of an exploration it passes
 * everything on at once.
 */
import { errno } from '../base/errno.ts';
import type { Bytes } from '../base/units.ts';
import type { Bio } from '../block/bio.ts';
import type { BlockDriver } from '../block/block-device.ts';
import type { Op } from '../sched/op.ts';
import { choose, DEV_FLUSH, DEV_WRITE, exploring, SharedObject, touch } from '../sched/point.ts';
import type { Scheduler } from '../sched/scheduler.ts';
import { CrashRecorder } from './crash-recorder.ts';

export interface ExploredDeviceOptions {
  /** Which bios may fail with EIO, each a free choice (Scenario.faults bounds them). None. */
  readonly mayFail?: readonly Bio['op'][] | ((bio: Bio) => boolean);
}

export class ExploredDevice extends SharedObject implements BlockDriver {
  readonly name = 'device';
  readonly size: Bytes;
  readonly logicalBlockSize: number;
  readonly readOnly: boolean;
  readonly synchronous = false;
  readonly queueDepth = 32;
  readonly fua: boolean;
  private readonly below: BlockDriver;
  private readonly scheduler: Scheduler;
  private readonly mayFail: (bio: Bio) => boolean;

  /** @param below  a synchronous driver */
  constructor(below: BlockDriver, scheduler: Scheduler, options: ExploredDeviceOptions = {}) {
    super();
    this.below = below;
    this.scheduler = scheduler;
    const { mayFail = [] } = options;
    this.mayFail = typeof mayFail === 'function' ? mayFail : ({ op }) => mayFail.includes(op);
    this.size = below.size;
    this.logicalBlockSize = below.logicalBlockSize;
    this.readOnly = below.readOnly;
    this.fua = below.fua ?? false;
  }

  start(bio: Bio): void {
    if (!exploring) {
      this.below.start(bio);
      return;
    }
    // On its way it may be on the medium already, at a crash.
    if (this.below instanceof CrashRecorder) this.below.submitted(bio);
    this.scheduler.spawn(`${bio.op} ${bio.sector}`, this.complete(bio));
  }

  /** The completion. Writes commute with each other; a flush does not with any of them. */
  private *complete(bio: Bio): Op<void> {
    touch(bio.op === 'flush' ? DEV_FLUSH : DEV_WRITE, this);
    const fails = this.mayFail(bio) && choose(2, `${bio.op} fails`) === 1;
    if (fails) bio.complete(errno('EIO', { sector: bio.sector }));
    else this.below.start(bio);
  }

  enabled(): boolean {
    return true;
  }
}
