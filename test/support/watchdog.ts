/**
 * Ends a process that hangs in a loop, with a sentence on what it was doing: no timeout of a test
 * runner comes through while JavaScript runs.
 */
import { Worker } from 'node:worker_threads';

const TEXT = 1000;
const PROGRAM = `
  const { workerData } = require('node:worker_threads');
  const { cells, text, limit } = workerData;
  let last = 0;
  let since = Date.now();
  setInterval(() => {
    const turn = Atomics.load(cells, 0);
    if (turn !== last) {
      last = turn;
      since = Date.now();
    } else if (turn % 2 === 1 && Date.now() - since > limit) {
      const what = Buffer.from(text.slice(0, Atomics.load(cells, 1))).toString();
      require('node:fs').writeSync(2, 'it hangs: ' + what + '\\n');
      process.kill(process.pid, 'SIGKILL');
    }
  }, 250);
`;

export class Watchdog {
  private readonly cells = new Int32Array(new SharedArrayBuffer(8));
  private readonly text = new Uint8Array(new SharedArrayBuffer(TEXT));
  private readonly worker: Worker;

  /** @param limit  ms that one piece of work may take */
  constructor(limit: number) {
    const { cells, text } = this;
    this.worker = new Worker(PROGRAM, { eval: true, workerData: { cells, text, limit } });
    this.worker.unref();
  }

  watch<T>(what: string, work: () => T): T {
    const bytes = Buffer.from(what).subarray(0, TEXT);
    this.text.set(bytes);
    Atomics.store(this.cells, 1, bytes.length);
    Atomics.add(this.cells, 0, 1);
    try {
      return work();
    } finally {
      Atomics.add(this.cells, 0, 1);
    }
  }

  async stop(): Promise<void> {
    await this.worker.terminate();
  }
}
