/**
 * One execution along a schedule: its moves as far as they go, then whoever moved last goes on, and
 * when that one cannot, the first who can. Says where the schedule strays: where it names a task
 * that cannot move, or an outcome that is not offered. From there on it is not looked at any more.
 */
import type { Move, Schedule } from './schedule.ts';
import type { Search } from './search.ts';
import type { System } from './system.ts';

/** Where a schedule and the program part. */
export interface Stray {
  /** Number of the step, from 0. */
  readonly step: number;
  readonly why: string;
}

const lowest = (mask: number): number => 31 - Math.clz32(mask & -mask);
const has = (mask: number, task: number): boolean => task < 32 && ((mask >>> task) & 1) !== 0;

/** A single execution, with what it did: moves, and how often another task went on. */
export abstract class OneRun implements Search {
  readonly exhaustive = false;
  readonly blocked = 0;
  /** The steps taken, with their choices as they fell; tasks by their numbers in this system. */
  readonly moves: Move[] = [];
  switches = 0;
  /** Steps before which a task was switched away from that could have gone on. */
  readonly preemptedAt: number[] = [];
  /** Of the running step; what they were for. */
  protected choices: number[] = [];
  whys: string[] = [];
  private last = -1;

  get preemptions(): number {
    return this.preemptedAt.length;
  }

  protected abstract decide(system: System, enabled: number): number;
  protected abstract outcome(below: number): number;

  choose(system: System, enabled: number): number {
    const task = this.decide(system, enabled);
    if (this.last >= 0 && task !== this.last) {
      this.switches++;
      if (has(enabled, this.last)) this.preemptedAt.push(this.moves.length);
    }
    this.last = task;
    this.choices = [];
    this.whys = [];
    return task;
  }

  /** The task that moved last if it may; else the first of `enabled`. */
  protected anybody(enabled: number): number {
    return this.last >= 0 && has(enabled, this.last) ? this.last : lowest(enabled);
  }
  protected get mover(): number {
    return this.last;
  }

  pick(below: number, why: string): number {
    const value = this.outcome(below);
    this.choices.push(value);
    this.whys.push(why);
    return value;
  }

  stepped(_system: System, task: number): void {
    this.moves.push({ task, choices: this.choices.length === 0 ? null : this.choices });
  }

  ended(_system: System): boolean {
    return false;
  }
}

export class Follow extends OneRun {
  strayed: Stray | null = null;
  private readonly schedule: Schedule;
  private readonly numbered: boolean;

  /** @param numbered  its tasks are named by their numbers in this system: no schedule yet */
  constructor(schedule: Schedule, numbered = false) {
    super();
    this.schedule = schedule;
    this.numbered = numbered;
  }

  private get at(): number {
    return this.moves.length;
  }
  private get move(): Move | undefined {
    return this.strayed === null ? this.schedule[this.at] : undefined;
  }
  private stray(why: string): void {
    this.strayed ??= { step: this.at, why };
  }

  protected decide(system: System, enabled: number): number {
    const { move } = this;
    if (move === undefined) return this.anybody(enabled);
    const task = this.numbered ? move.task : (system.births?.[move.task] ?? move.task);
    if (has(enabled, task)) return task;
    const name = system.names[task] ?? 'which is none';
    this.stray(`task ${move.task} (${name}) cannot move`);
    return this.anybody(enabled);
  }

  protected outcome(below: number): number {
    const wanted = this.move?.choices?.[this.choices.length] ?? 0;
    if (wanted < below) return wanted;
    this.stray(`outcome ${wanted} of ${below} was asked for`);
    return 0;
  }

  override stepped(system: System, task: number): void {
    const asked = this.move?.choices?.length ?? 0;
    if (asked > this.choices.length) {
      this.stray(`choices foreseen: ${asked}, met: ${this.choices.length}`);
    }
    super.stepped(system, task);
  }

  override ended(_system: System): boolean {
    const left = this.schedule.length - this.at;
    if (left > 0) this.stray(`nobody can move, moves left over: ${left}`);
    return false;
  }
}
