/**
 * A thread that explores parts of a search (explore/part.ts), one after the other. It is told of a
 * part, or to go on with the one it has, and answers each time with what came of it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { type Path, Part, type Report } from '../explore/part.ts';
import type { System } from '../explore/system.ts';
import { Slices } from './explore-slices.ts';

/** Where the system to be explored comes from: `name` is a function that `module` exports. */
export interface Origin {
  /** URL of a module. */
  readonly module: string;
  readonly name: string;
  readonly arguments: readonly unknown[];
}

export interface WorkerSettings {
  readonly origin: Origin;
  readonly faults: number;
  readonly maxSteps: number;
}

export interface Task {
  /** A new part; null: go on. */
  readonly path: Path | null;
  /** Give something away first. */
  readonly cut: boolean;
}

export type Answer = { readonly report: Report } | { readonly error: Error };

/** @throws TypeError the module has no such function */
export async function systemOf({ module, name, arguments: given }: Origin): Promise<System> {
  const exported = (await import(module)) as Record<string, unknown>;
  const make = exported[name];
  if (typeof make !== 'function') throw new TypeError(`${module} exports no function ${name}`);
  return (make as (...given: readonly unknown[]) => System)(...given);
}

async function serve(port: NonNullable<typeof parentPort>): Promise<void> {
  const { origin, faults, maxSteps } = workerData as WorkerSettings;
  const slices = new Slices(await systemOf(origin), maxSteps);
  let part: Part | null = null;
  const run = ({ path, cut }: Task): Report => {
    if (path !== null) part = new Part(path, { faults });
    if (part === null) throw new Error('a worker without a part was told to go on');
    return slices.run(part, cut);
  };
  port.on('message', (task: Task) => {
    let answer: Answer;
    try {
      answer = { report: run(task) };
    } catch (error) {
      answer = { error: error instanceof Error ? error : new Error(String(error)) };
    }
    port.postMessage(answer);
  });
}

if (parentPort !== null) await serve(parentPort);
