/**
 * What the checker finds, and the one way to say it.
 */
import type { Ino, Lblk, Pblk } from '../../../base/units.ts';

/** Where on the disk a problem is; as much of it as is known. */
export interface Place {
  readonly group?: number;
  readonly ino?: Ino;
  readonly pblk?: Pblk;
  readonly lblk?: Lblk;
  /** Field of the record, in its own spelling. */
  readonly field?: string;
  /** Name of the directory entry, as far as it is one. */
  readonly path?: string;
}

export interface Problem {
  readonly phase: string;
  /** Stable, in kebab-case: 'inode-checksum'. */
  readonly code: string;
  /** A sentence. */
  readonly text: string;
  readonly place: Place;
}

/** Passes the checker goes through, in order. */
export type Phase =
  'superblock' | 'inodes' | 'directories' | 'connectivity' | 'links' | 'bitmaps' | 'quota';

export interface CheckListener {
  onProblem(problem: Problem): void;
  /** `done` of `total` steps of this phase. */
  onProgress?(done: number, total: number, phase: string): void;
}

export class Reporter {
  phase: Phase = 'superblock';
  problems = 0;
  private readonly listener: CheckListener;
  private total = 1;
  private mute = 0;

  constructor(listener: CheckListener) {
    this.listener = listener;
  }

  /** Run `fn` once more over what was reported before: problems are not said again. */
  muted<T>(fn: () => T): T {
    this.mute++;
    try {
      return fn();
    } finally {
      this.mute--;
    }
  }

  report(code: string, text: string, place: Place = {}): void {
    if (this.mute > 0) return;
    this.problems++;
    this.listener.onProblem({ phase: this.phase, code, text, place });
  }

  begin(phase: Phase, total: number): void {
    this.phase = phase;
    this.total = Math.max(total, 1);
    this.progress(0);
  }

  progress(done: number): void {
    this.listener.onProgress?.(done, this.total, this.phase);
  }
}
