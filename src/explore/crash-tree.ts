/**
 * What was judged, by what it looked at: an inner node is the question that the judgement asked
 * next, with a branch for each answer that it got; a leaf is a judgement.
 *
 * Whoever gives the same answers ends at the same leaf, so that two images which a judgement cannot
 * tell apart are judged once, whichever crash left them.
 *
 * CT-1  Only blocks in `asked` are questions; all others are the same in all images.
 */
import { assert } from '../base/assert.ts';
import type { CrashEvent } from './crash-recorder.ts';

/** The question which marks there were. Others are numbers of blocks. */
export const MARKS = -1;

/** A question and its answer: a content, or the number of a list of marks. */
export interface Answer {
  readonly question: number;
  readonly answer: number;
}

export class Question {
  readonly on: number;
  readonly branches = new Map<number, Branch>();
  constructor(on: number) {
    this.on = on;
  }
}

export class Judgement {
  readonly failed: boolean;
  /** What the judgement wrote, for crashes in the middle of it. */
  readonly events: readonly CrashEvent[];
  /** Where crashes in the middle of it were looked at already. */
  readonly contexts = new Set<string>();
  constructor(failed: boolean, events: readonly CrashEvent[]) {
    this.failed = failed;
    this.events = events;
  }
}

/** A place for a node. */
export class Branch {
  node: Question | Judgement | null = null;

  /** Put what a judgement asked from here on, and the judgement, below this branch. */
  insert(answers: readonly Answer[], from: number, leaf: Judgement): void {
    assert(this.node === null, 'judged already');
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- a walk down from here
    let at: Branch = this;
    for (const { question, answer } of answers.slice(from)) {
      const node = new Question(question);
      at.node = node;
      at = new Branch();
      node.branches.set(answer, at);
    }
    at.node = leaf;
  }
}

export class CrashTree {
  readonly root = new Branch();
  readonly asked: ReadonlySet<number>;
  constructor(asked: ReadonlySet<number>) {
    this.asked = asked;
  }
}
