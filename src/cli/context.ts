/**
 * One run of one command: what it shares, what failed, and the exit status.
 */
import { causeOf, UsageError } from './errors.ts';
import { HostTree } from './host-tree.ts';
import { ImageTree } from './image-tree.ts';
import { type Location, showLocation } from './location.ts';
import { printError } from './output.ts';
import type { Tree } from './tree.ts';
import { type OpenOptions, Volumes } from './volume.ts';

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/** A defect of ours, to be told apart from a failure: with its stack. */
function defect(where: string, e: unknown): string {
  const text = e instanceof Error ? (e.stack ?? e.message) : String(e);
  return `${where}: this should not happen, please report it: ${text}`;
}

export class Cli {
  readonly json: boolean;
  readonly command: string;
  readonly host = new HostTree();
  status: number = EXIT_OK;
  /** How many things failed so far. */
  failures = 0;
  private trees = new Map<string, ImageTree>();
  private volumes: Volumes | null = null;

  constructor(command: string, json: boolean) {
    this.command = command;
    this.json = json;
  }

  /** Say that something failed; the command goes on. */
  fail(where: string, e: unknown): void {
    if (e instanceof UsageError) throw e;
    const cause = causeOf(e);
    this.failures++;
    this.status = Math.max(this.status, EXIT_FAILED);
    if (cause === null) printError(`foliofs: ${this.command}: ${defect(where, e)}`);
    else printError(`foliofs: ${this.command}: ${where}: ${cause}`);
  }

  note(sentence: string): void {
    printError(`foliofs: ${this.command}: ${sentence}`);
  }

  /** Do one thing of several. @returns did it work? */
  attempt(where: string, act: () => void): boolean {
    try {
      act();
      return true;
    } catch (e) {
      this.fail(where, e);
      return false;
    }
  }

  /**
   * Open images as they are asked for, and close them at the end, whatever happens.
   * @param written  images that are about to be changed
   */
  withImages(written: readonly string[], act: () => void, usual?: OpenOptions): void {
    this.volumes = new Volumes(written, usual);
    try {
      act();
    } finally {
      for (const { image, error } of this.volumes.close()) this.fail(image, error);
      this.volumes = null;
      this.trees.clear();
    }
  }

  /** The tree of an image, within withImages(). */
  image(image: string): ImageTree {
    let tree = this.trees.get(image);
    if (tree === undefined) {
      if (this.volumes === null) throw new UsageError('no image is open');
      tree = new ImageTree(this.volumes.get(image));
      this.trees.set(image, tree);
    }
    return tree;
  }
  tree({ image }: Location): Tree {
    return image === null ? this.host : this.image(image);
  }

  /** For each place in turn: act, or say what failed. */
  each<L extends Location>(places: readonly L[], act: (place: L) => void): void {
    for (const place of places) {
      this.attempt(showLocation(place.image, place.path), () => {
        act(place);
      });
    }
  }
}
