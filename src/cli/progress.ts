/**
 * Progress of long work: a bar on standard error where that is a terminal, and nothing at all
 * before the work has lasted a moment.
 */
import { SingleBar } from 'cli-progress';
import { humanSize } from './format.ts';

const MOMENT_MS = 700;
/** Between two looks at the clock. */
const STRIDE = 16;

export class Progress {
  private readonly what: string;
  private readonly total: number;
  private readonly bytes: boolean;
  private readonly since = Date.now();
  private bar: SingleBar | null = null;
  private calls = 0;
  private done = 0;

  /** @param total  what is to do, in bytes or pieces; 0: nobody knows */
  constructor(what: string, total: number, bytes = false) {
    this.what = what;
    this.total = total;
    this.bytes = bytes;
  }

  add(n: number): void {
    this.update(this.done + n);
  }

  update(done: number): void {
    this.done = done;
    if (!process.stderr.isTTY || ++this.calls % STRIDE !== 0) return;
    if (this.bar === null && Date.now() - this.since > MOMENT_MS) this.bar = this.start();
    this.bar?.update(Math.min(done, this.total));
  }

  private start(): SingleBar {
    const show = (n: number): string => (this.bytes ? humanSize(n) : String(n));
    const bar = new SingleBar({
      stream: process.stderr,
      clearOnComplete: true,
      hideCursor: false,
      format: (_options, { value, total, progress }) => {
        const width = 24;
        const full = Math.round(Math.min(1, Math.max(0, progress)) * width);
        const line = '#'.repeat(full) + '.'.repeat(width - full);
        return `${this.what} [${line}] ${Math.floor(progress * 100)}% ${show(value)}/${show(total)}`;
      },
    });
    bar.start(this.total, this.done);
    return bar;
  }

  stop(): void {
    this.bar?.stop();
    this.bar = null;
  }
}
