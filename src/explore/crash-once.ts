/**
 * A part of a judgement that looks at nothing but what the image holds by then: many crashes are
 * recovered to the same image, and it is checked once.
 *
 * What the part reads of the image is asked in its own tree (crash-tree.ts), whether the recovery
 * wrote it or the crash left it. Where the answers lead to a leaf, the part is not run; what it
 * would have read counts as read all the same, so that the judgement asks what it would have asked.
 */
import type { BlockDriver } from '../block/block-device.ts';
import type { CrashContents } from './crash-contents.ts';
import { CrashImage } from './crash-image.ts';
import type { CrashRecording } from './crash-recorder.ts';
import { type Answer, type Asked, CrashTree, Judgement, type Thrown } from './crash-tree.ts';

/** Beyond so many bytes of different contents nothing more is remembered. */
const MOST_BYTES = 256 << 20;
const NO_EVENTS: readonly never[] = [];

/** What an image holds now. */
export interface Present {
  /** Blocks that were written since the crash. */
  readonly written: ReadonlyMap<number, Uint8Array>;
  /** What the crash left. */
  readonly ask: (nr: number) => number;
}

export class OnceJudged {
  private tree = new CrashTree(new Set());
  /** How often it was not run. */
  spared = 0;

  /** @throws what `judge` throws of such an image */
  judge(
    recording: CrashRecording,
    contents: CrashContents,
    present: Present,
    mayDiffer: ReadonlySet<number>,
    judge: (image: BlockDriver) => void,
  ): void {
    this.askAlso(mayDiffer, present.written.keys());
    const { tree } = this;
    const look = new Look(contents, present, tree.asked);
    let branch = tree.root;
    for (;;) {
      for (const nr of branch.reads) look.ask(nr);
      const { node } = branch;
      if (node instanceof Judgement) {
        this.spared++;
        if (node.thrown !== null) throw node.thrown.error;
        return;
      }
      const next = node?.branches.get(look.ask(node.on));
      if (next === undefined) break;
      branch = next;
    }
    const image = new CrashImage(recording.base, recording.blockSize, contents, look.again());
    let thrown: Thrown | null = null;
    try {
      judge(image);
    } catch (error) {
      thrown = { error };
    }
    if (contents.bytes < MOST_BYTES) tree.add(look, new Judgement(thrown, NO_EVENTS));
    if (thrown !== null) throw thrown.error;
  }

  private askAlso(mayDiffer: ReadonlySet<number>, written: Iterable<number>): void {
    const asked = new Set(this.tree.asked);
    for (const nr of mayDiffer) asked.add(nr);
    for (const nr of written) asked.add(nr);
    if (asked.size > this.tree.asked.size) this.tree = new CrashTree(asked, this.tree);
  }
}

/** What the part asks, answered from what was written and what the crash left. */
class Look implements Asked {
  answers: Answer[] = [];
  reads: number[][] = [[]];
  private readonly contents: CrashContents;
  private readonly present: Present;
  private readonly asked: ReadonlySet<number>;
  private readonly known = new Map<number, number>();
  private told = new Set<number>();

  constructor(contents: CrashContents, present: Present, asked: ReadonlySet<number>) {
    this.contents = contents;
    this.present = present;
    this.asked = asked;
  }

  /** From the beginning, this time for the one who reads. */
  again(): (nr: number) => number {
    this.answers = [];
    this.reads = [[]];
    this.told = new Set();
    return this.ask;
  }

  readonly ask = (nr: number): number => {
    let content = this.known.get(nr);
    if (content === undefined) this.known.set(nr, (content = this.find(nr)));
    if (this.told.has(nr)) return content;
    this.told.add(nr);
    if (!this.asked.has(nr)) this.reads.at(-1)!.push(nr);
    else {
      this.answers.push({ question: nr, answer: content });
      this.reads.push([]);
    }
    return content;
  };

  private find(nr: number): number {
    const own = this.present.written.get(nr);
    if (own !== undefined) return this.contents.idOfCopy(nr, own);
    return this.present.ask(nr);
  }
}
