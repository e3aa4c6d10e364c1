/**
 * One search in several threads: each asks for a part, reports now and then, and is told to cut it
 * when another thread has nothing to do. The sum does not depend on who was faster.
 */
import { Worker } from 'node:worker_threads';
import { Division } from '../explore/division.ts';
import type { Counts, Failed } from '../explore/part.ts';
import type { Answer, Origin, Task, WorkerSettings } from './explore-worker.ts';

export interface Divided {
  /** Everything was seen. */
  readonly complete: boolean;
  readonly counts: Counts;
  readonly failed: Failed | null;
  /** How many parts there were. */
  readonly parts: number;
}

export interface ThreadOptions {
  readonly jobs: number;
  readonly faults?: number;
  readonly maxSteps?: number;
  /** Executions, after which nothing more is begun. */
  readonly limit?: number;
  /** Go on after the first failure and count them all. */
  readonly all?: boolean;
  /** Where the bundled worker is. */
  readonly worker?: URL;
}

/** Beside the folder that this file was bundled into. */
const WORKER = new URL('../cli/explore-worker.js', import.meta.url);

interface Seat {
  readonly worker: Worker;
  job: number | null;
}

class Threads {
  private readonly division = new Division();
  private readonly seats: Seat[];
  private readonly enough: (counts: Counts) => boolean;
  private parts = 0;
  private readonly settle: PromiseWithResolvers<Divided>;

  constructor(origin: Origin, options: ThreadOptions) {
    const { limit = Infinity, all = false } = options;
    this.settle = withResolvers();
    this.enough = ({ executions }) =>
      executions >= limit || (!all && this.division.failed !== null);
    const settings: WorkerSettings = {
      origin,
      faults: options.faults ?? 1,
      maxSteps: options.maxSteps ?? 100_000,
    };
    this.seats = Array.from({ length: options.jobs }, () => {
      const worker = new Worker(options.worker ?? WORKER, { workerData: settings });
      const seat: Seat = { worker, job: null };
      worker.on('message', (answer: Answer) => {
        this.heard(seat, answer);
      });
      worker.on('error', this.settle.reject);
      return seat;
    });
  }

  async run(): Promise<Divided> {
    try {
      this.seatIdle();
      return await this.settle.promise;
    } finally {
      await Promise.all(this.seats.map(({ worker }) => worker.terminate()));
    }
  }

  private heard(seat: Seat, answer: Answer): void {
    if ('error' in answer || seat.job === null) {
      this.settle.reject('error' in answer ? answer.error : new Error('an answer to nothing'));
      return;
    }
    const { division } = this;
    division.report(seat.job, answer.report);
    if (answer.report.finished) seat.job = null;
    if (division.finished || this.enough(division.counts)) {
      const { counts, failed, finished: complete } = division;
      this.settle.resolve({ complete, counts, failed, parts: this.parts });
      return;
    }
    if (seat.job !== null) this.tell(seat, null);
    this.seatIdle();
  }

  /** Whoever has nothing to do gets a part, if there is one. */
  private seatIdle(): void {
    for (const seat of this.seats) {
      if (seat.job !== null) continue;
      const job = this.division.next();
      if (job === null) return;
      this.parts++;
      seat.job = job.id;
      this.tell(seat, job.path);
    }
  }

  private tell({ worker }: Seat, path: Task['path']): void {
    const cut = path === null && this.division.open < this.seats.length;
    worker.postMessage({ path, cut } satisfies Task);
  }
}

/** Node 20 has no Promise.withResolvers. */
interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (why: Error) => void;
}
function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve!: (value: T) => void;
  let reject!: (why: Error) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/**
 * Explore in `jobs` threads.
 * @throws what a system throws that is not its tasks' failure; TypeError no such system
 */
export const exploreInThreads = (origin: Origin, options: ThreadOptions): Promise<Divided> =>
  new Threads(origin, options).run();
