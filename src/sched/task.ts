import { assert } from '../base/assert.ts';
import type { Op } from './op.ts';
export type TaskState = 'runnable' | 'sleeping' | 'done';
export class Task<T = unknown> {
  readonly id: number; readonly name: string; readonly op: Op<T>;
  state: TaskState = 'runnable'; journalInfo: unknown = null; result: T | undefined; error: unknown = undefined; failed = false;
  readonly held: unknown[] = [];
  wakeFn: (t: Task) => void;
  private cbs: ((t: Task<T>) => void)[] = [];
  constructor(id: number, name: string, op: Op<T>, wakeFn: (t: Task) => void) { this.id = id; this.name = name; this.op = op; this.wakeFn = wakeFn; }
  onDone(cb: (t: Task<T>) => void): void { if (this.state === 'done') cb(this); else this.cbs.push(cb); }
  finish(): void { this.state = 'done'; for (const cb of this.cbs) cb(this); }
  wake(): void { if (this.state === 'sleeping') { this.state = 'runnable'; this.wakeFn(this as Task); } }
}
let current: Task | null = null;
export const currentOrNull = (): Task | null => current;
export function currentTask(): Task { assert(current !== null, 'no task is running'); return current; }
export function setCurrent(t: Task | null): Task | null { const old = current; current = t; return old; }
