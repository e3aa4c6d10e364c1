/**
 * lockdep and the explorer joined. lockdep judges classes and single executions: it says what some
 * schedule might do. Each thing it says during an exploration becomes a target, and the exploration
 * says what became of it.
 *
 *   confirmed                 a schedule deadlocks with those classes in the circle; or the report
 *                             is no circle (a sleep under a spin lock), so that it proves itself
 *   refuted in this scenario  everything was tried and none did: a lock around both orders, other
 *                             instances, no writer that would queue
 *   not reached               not everything was tried, and a search guided to it found nothing
 */
import type { LockReport, ReportKind } from '../sched/lockdep-report.ts';
import type { Schedule } from './schedule.ts';
import type { Failure } from './system.ts';

export type Outcome = 'confirmed' | 'refuted in this scenario' | 'not reached';

export interface Target {
  readonly report: LockReport;
  readonly outcome: Outcome;
  /** Confirmed: the way to the deadlock. Otherwise, the one in which the report was made. */
  readonly schedule: Schedule;
}

/** Of a class in a report, without its subclass. */
export const className = (name: string): string => name.replace(/\/\d$/, '');

/** Reports of what might happen; all others say what did. */
const CIRCLES: ReadonlySet<ReportKind> = new Set([
  'circular order',
  'recursive locking',
  'nesting order',
]);
export const isCircle = (report: LockReport): boolean => CIRCLES.has(report.kind);

/** Is this the deadlock that the report foretold: do all its classes take part? */
export function explains(failure: Failure, report: LockReport): boolean {
  const { classes } = failure;
  if (failure.kind !== 'deadlock' || classes === undefined) return false;
  return report.classes.every((name) => classes.includes(className(name)));
}

export class Targets {
  private readonly reports: readonly LockReport[];
  private readonly skipped: number;
  private readonly made: Schedule[] = [];
  private readonly proved: (Schedule | undefined)[] = [];

  /** @param reports  a list that grows; what is in it already is no target */
  constructor(reports: readonly LockReport[]) {
    this.reports = reports;
    this.skipped = reports.length;
  }

  /** An execution has ended. @param schedule  makes its schedule, if that is needed */
  ended(failure: Failure | null, schedule: () => Schedule): void {
    const count = this.reports.length - this.skipped;
    if (this.made.length === count && failure?.kind !== 'deadlock') return;
    let text: Schedule | undefined;
    for (let n = 0; n < count; n++) {
      if (n >= this.made.length) this.made.push((text ??= schedule()));
      if (this.proved[n] !== undefined) continue;
      const report = this.reports[this.skipped + n]!;
      if (!isCircle(report)) this.proved[n] = this.made[n]!;
      else if (failure !== null && explains(failure, report)) {
        this.proved[n] = text ??= schedule();
      }
    }
  }

  /** Reports of circles that no deadlock has confirmed so far. */
  get open(): readonly LockReport[] {
    return this.reports.slice(this.skipped).filter((_, n) => this.proved[n] === undefined);
  }

  /** @param complete  everything has been tried */
  verdict(complete: boolean): Target[] {
    return this.made.map((schedule, n) => ({
      report: this.reports[this.skipped + n]!,
      outcome: this.proved[n] ? 'confirmed' : complete ? 'refuted in this scenario' : 'not reached',
      schedule: this.proved[n] ?? schedule,
    }));
  }
}
