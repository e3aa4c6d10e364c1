/**
 * What a case is: something FolioFS does, beside the peer that does the same on the host.
 */
import type { Sample } from './measure.ts';

/** Where a case runs. */
export interface Stage {
  /** An empty folder of its own, on the host's ext4 if there is one. */
  readonly dir: string;
  /** Smaller sizes: shows that a case works, measures little. */
  readonly quick: boolean;
}

/** The two sides of a case that is set up. A side is called once a round. */
export interface Sides {
  ours(): void;
  theirs(): void;
  /** Before each call of a side, outside the measured time. */
  reset?(): void;
  done?(): void;
}

interface Described {
  /** What stands on the command line. */
  readonly id: string;
  readonly title: string;
}

/** Time against time. */
export interface Duel extends Described {
  readonly kind: 'duel';
  readonly peer: string;
  /** Our time may be at most this many times the peer's: 1.5, or 1/3 for "three times faster". */
  readonly goal: number;
  readonly rounds: number;
  /** Operations in one call of a side; the table shows the time of one. */
  operations(quick: boolean): number;
  /** @throws Missing what it needs is not here */
  setup(stage: Stage): Sides | Promise<Sides>;
}

/** Memory that a command takes on top of a process that does nothing, against a limit in MiB. */
export interface Footprint extends Described {
  readonly kind: 'footprint';
  readonly goal: number;
  /** MiB. @throws Missing */
  measure(stage: Stage): number | Promise<number>;
}

/** Time against figures that were taken elsewhere, since the peers cannot be had here. */
export interface Quoted extends Described {
  readonly kind: 'quoted';
  /** Milliseconds, by peer. */
  readonly peers: Readonly<Record<string, number>>;
  readonly goal: number;
  readonly rounds: number;
  run(): void;
}

/** How much gets done in a second, against what should. */
export interface Rate extends Described {
  readonly kind: 'rate';
  readonly unit: string;
  /** At least. */
  readonly goal: number;
  readonly rounds: number;
  measure(): number;
}

export type Case = Duel | Footprint | Quoted | Rate;

/** What came out of one case. */
export interface Row {
  readonly case: string;
  readonly title: string;
  readonly unit: string;
  /** Absent for memory and rates, which stand against a limit. */
  readonly peer?: string;
  /** The peer's time was not taken here. */
  readonly quoted?: true;
  /** The peer's file system. */
  readonly on?: string;
  readonly ours?: Sample;
  readonly theirs?: Sample;
  /** Our time by theirs, our memory by the limit, or the rate there should be by ours. */
  readonly ratio?: number;
  readonly goal: number;
  readonly met?: boolean;
  /** Why there are no numbers. */
  readonly missing?: string;
}

/** A tool or a command that a case needs is absent; the message says which. */
export class Missing extends Error {
  override readonly name = 'Missing';
}
