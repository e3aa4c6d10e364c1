/** Explores a part for about a slice of time, in executions, since an execution cannot be left. */
import type { Part, Report } from '../explore/part.ts';
import type { System } from '../explore/system.ts';

/** Often enough for work to be shared, and seldom enough not to be what is done. */
const SLICE = 20;

export class Slices {
  private readonly system: System;
  private readonly maxSteps: number;
  private executions = 8;

  constructor(system: System, maxSteps: number) {
    this.system = system;
    this.maxSteps = maxSteps;
  }

  /** @param cut  the part gives something away first, if it can */
  run(part: Part, cut: boolean): Report {
    const start = performance.now();
    const report = part.run(this.system, this.executions, cut, this.maxSteps);
    const took = performance.now() - start;
    if (took > SLICE * 2) this.executions = Math.max(1, this.executions >> 1);
    else if (took < SLICE / 2 && !report.finished) this.executions *= 2;
    return report;
  }
}
