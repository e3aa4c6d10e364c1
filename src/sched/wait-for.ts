/** Who waits for whom: the text of a deadlock, and its circle. */
import { modeName } from './lock-class.ts';
import type { Task } from './task.ts';

/** Tasks that `task` cannot go on without, as far as is known. */
export const blockers = (task: Task): readonly Task[] => {
  if (task.state === 'sleeping') return task.waitsFor?.holders(task) ?? [];
  const on = task.pendingOn as Partial<{ holders(asker: Task): readonly Task[] }> | null;
  return on?.holders?.(task) ?? [];
};

/**
 * Those of `tasks` that nothing can ever wake: each waits for one of them, and where any of several
 * would do, for several of them. Others may still run. Waits of which nobody knows who ends them
 * are not among these.
 * @param tasks  blocked ones
 */
export function stuckForGood(tasks: readonly Task[]): readonly Task[] {
  let stuck = tasks.filter((task) => blockers(task).length > 0);
  for (;;) {
    const left = stuck.filter((task) => {
      const anyOf = task.state === 'sleeping' && task.waitsFor?.anyOf === true;
      const by = blockers(task);
      return anyOf ? by.every((b) => stuck.includes(b)) : by.some((b) => stuck.includes(b));
    });
    if (left.length === stuck.length) return stuck;
    stuck = left;
  }
}

/** A circle of tasks that wait for one another, beginning anywhere; null: none is known. */
export function waitCycle(tasks: readonly Task[]): Task[] | null {
  const settled = new Set<Task>();
  for (const start of tasks) {
    const path: Task[] = [];
    const walk = (task: Task): Task[] | null => {
      const at = path.indexOf(task);
      if (at >= 0) return path.slice(at);
      if (settled.has(task)) return null;
      path.push(task);
      for (const next of blockers(task)) {
        const cycle = walk(next);
        if (cycle !== null) return cycle;
      }
      path.pop();
      settled.add(task);
      return null;
    };
    const cycle = walk(start);
    if (cycle !== null) return cycle;
  }
  return null;
}

/** The classes of the locks that these tasks hold and of those they wait for, each once. */
export const classesIn = (tasks: readonly Task[]): string[] => [
  ...new Set(
    tasks.flatMap((task) => {
      const on = task.state === 'sleeping' ? task.waitsFor : task.pendingOn;
      return [...task.held.map((h) => h.cls.name), ...(on === null ? [] : [on.name])];
    }),
  ),
];

const names = (tasks: readonly Task[]): string => tasks.map((t) => t.name).join(', ');

function line(task: Task): string {
  const holders = blockers(task).filter((t) => t !== task);
  const by = holders.length > 0 ? `, up to ${names(holders)}` : '';
  const held = task.held.map((h) => `${h.cls.name} (${modeName(h.mode)})`).join(', ');
  const what = task.waitsWhy || task.waitsFor?.name || task.pendingOn?.name || 'nothing known';
  return `${task.name} waits for ${what}${by}${held && `; it holds ${held}`}`;
}

/** One line for each sleeping task, and the circle if there is one. */
export function describeWaits(tasks: readonly Task[]): string {
  const stuck = tasks.filter((t) => t.state !== 'done' && t.state !== 'running');
  const cycle = waitCycle(stuck);
  const lines = stuck.map(line);
  if (cycle !== null) lines.push(`in a circle: ${names([...cycle, cycle[0]!])}`);
  return `nothing can wake\n  ${lines.join('\n  ')}\n`;
}
