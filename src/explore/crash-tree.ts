/**
 * What was judged, by what it looked at: an inner node is the question that the judgement asked
 * next, with a branch for each answer that it got; a leaf is a judgement.
 *
 * Whoever gives the same answers ends at the same leaf, so that two images which a judgement cannot
 * tell apart are judged once, whichever crash left them.
 *
 * CT-1  Only blocks in `asked` are questions; all others are the same in all images. What was read
 *       of those is kept at the branch on whose way it was read, for when they become questions.
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

/** What a judgement asked, and what else it read: before the first question, after each of them. */
export interface Asked {
  readonly answers: readonly Answer[];
  readonly reads: readonly (readonly number[])[];
}

export class Question {
  readonly on: number;
  readonly branches = new Map<number, Branch>();
  constructor(on: number) {
    this.on = on;
  }
}

/** What a judgement threw, whatever that is. */
export interface Thrown {
  readonly error: unknown;
}

export class Judgement {
  readonly thrown: Thrown | null;
  /** What the judgement wrote, for crashes in the middle of it. */
  readonly events: readonly CrashEvent[];
  /** Where crashes in the middle of it were looked at already. */
  readonly contexts = new Set<string>();
  constructor(thrown: Thrown | null, events: readonly CrashEvent[]) {
    this.thrown = thrown;
    this.events = events;
  }
}

const NOTHING: readonly number[] = [];

/** The way to a node. */
export class Branch {
  node: Question | Judgement | null = null;
  /** Blocks that were no question, read on the way. */
  reads: readonly number[] = NOTHING;
}

export class CrashTree {
  readonly root: Branch;
  readonly asked: ReadonlySet<number>;
  /** Most judgements read the same. */
  private readonly lists: Map<number, readonly number[]>;

  constructor(asked: ReadonlySet<number>, from: CrashTree | null = null) {
    this.asked = asked;
    this.lists = from?.lists ?? new Map<number, readonly number[]>();
    this.root = from === null ? new Branch() : this.copy(from.root);
  }

  /** What is left of a tree when more blocks are questions: whatever did not read them. */
  private copy(from: Branch): Branch {
    const to = new Branch();
    if (from.reads.some((nr) => this.asked.has(nr))) return to;
    to.reads = from.reads;
    const { node } = from;
    if (!(node instanceof Question)) to.node = node;
    else {
      const question = new Question(node.on);
      for (const [answer, branch] of node.branches) {
        question.branches.set(answer, this.copy(branch));
      }
      to.node = question;
    }
    return to;
  }

  /** Put a judgement below `branch`, where it asked its question number `from`. */
  insert(branch: Branch, { answers, reads }: Asked, from: number, leaf: Judgement): void {
    assert(branch.node === null, 'judged already');
    let at = branch;
    at.reads = this.shared(reads[from]!);
    for (let i = from; i < answers.length; i++) {
      const { question, answer } = answers[i]!;
      const node = new Question(question);
      at.node = node;
      at = new Branch();
      at.reads = this.shared(reads[i + 1]!);
      node.branches.set(answer, at);
    }
    at.node = leaf;
  }

  /** Put a judgement below the root, along answers that others may have given before. */
  add(asked: Asked, leaf: Judgement): void {
    let branch = this.root;
    let from = 0;
    for (; branch.node instanceof Question; from++) {
      const { question, answer } = asked.answers[from] ?? { question: NaN, answer: NaN };
      assert(branch.node.on === question, 'judged twice, and read other blocks the second time');
      let next = branch.node.branches.get(answer);
      if (next === undefined) branch.node.branches.set(answer, (next = new Branch()));
      branch = next;
    }
    this.insert(branch, asked, from, leaf);
  }

  private shared(list: readonly number[]): readonly number[] {
    if (list.length === 0) return NOTHING;
    let hash = list.length;
    for (const nr of list) hash = (Math.imul(hash, 31) + nr) | 0;
    const known = this.lists.get(hash);
    if (known?.length === list.length && known.every((nr, i) => nr === list[i])) return known;
    this.lists.set(hash, list);
    return list;
  }
}
