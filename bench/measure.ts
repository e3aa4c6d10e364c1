/**
 * Time, taken in rounds: ours, theirs, ours, theirs. Whatever else the machine does falls on both
 * sides alike, and the ratio is taken within a round before the median is taken over them.
 */
import type { Sides } from './case.ts';

/** Of a list of times. */
export interface Sample {
  readonly median: number;
  readonly min: number;
  /** Between the quartiles, as a part of the median: how far to trust the number. */
  readonly spread: number;
}

export interface Comparison {
  readonly ours: Sample;
  readonly theirs: Sample;
  /** Median over the rounds of our time by theirs. */
  readonly ratio: number;
}

const quantile = (sorted: readonly number[], q: number): number => {
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] ?? NaN;
  const high = sorted[Math.ceil(at)] ?? NaN;
  return low + (high - low) * (at - Math.floor(at));
};

const ascending = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);
const medianOf = (values: readonly number[]): number => quantile(ascending(values), 0.5);

export function sampleOf(values: readonly number[]): Sample {
  const sorted = ascending(values);
  const median = quantile(sorted, 0.5);
  const spread = (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / median;
  return { median, min: sorted[0] ?? NaN, spread };
}

function timed(sides: Sides, side: 'ours' | 'theirs'): number {
  sides.reset?.();
  const start = performance.now();
  sides[side]();
  return performance.now() - start;
}

/** Milliseconds of `rounds` rounds, after one that warms up and does not count. */
export function compare(sides: Sides, rounds: number): Comparison {
  const ours: number[] = [];
  const theirs: number[] = [];
  timed(sides, 'ours');
  timed(sides, 'theirs');
  for (let round = 0; round < rounds; round++) {
    // Who goes first changes, so that neither always finds what the other left behind.
    if (round % 2 === 1) theirs.push(timed(sides, 'theirs'));
    ours.push(timed(sides, 'ours'));
    if (round % 2 === 0) theirs.push(timed(sides, 'theirs'));
  }
  const ratios = ours.map((time, round) => time / (theirs[round] ?? NaN));
  return { ours: sampleOf(ours), theirs: sampleOf(theirs), ratio: medianOf(ratios) };
}
