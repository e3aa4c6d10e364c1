/**
 * What may turn out otherwise than it mostly does, so that the explorer tries both: an allocation
 * fails, a page of the user is gone, a fast path falls short. Each is a free choice of data at the
 * place where it would show. An exploration offers some of them; elsewhere nothing goes wrong by
 * itself, and in production none of this is left (CHECKED).
 */
import { mark } from '../base/trace.ts';
import { choose, exploring } from './point.ts';
import { currentOrNull, type Task } from './task.ts';

/** A kind of mishap; the place tells what it does. */
export type Mishap =
  /** A no-fault copy comes to a page of the user that is not there, and stops. */
  | 'user page gone'
  /** Such a page cannot be brought in: EFAULT. */
  | 'user page bad'
  /** An allocation reclaims first, although it need not. */
  | 'reclaim'
  /** No folio is free and nothing can be reclaimed: sleep for memory. */
  | 'memory short'
  /** Sleeping does not help: ENOMEM. */
  | 'no memory'
  /** No block is free: ENOSPC. */
  | 'no space'
  /** A fast path gives up, although it could answer. */
  | 'fast path short';

/**
 * Plain functions that answer from memory, each the first half of an operation that may sleep.
 * Where one falls short, the operation must do the same without it.
 */
export const fastPaths = [
  'vfs.walk',
  'vfs.lookupOne',
  'vfs.permissionNowait',
  'vfs.getLinkNowait',
  'vfs.getattrNowait',
  'vfs.readNowait',
  'mm.filemapReadNowait',
  'mm.filemapTryGrabFolio',
  'buffer.tryBread',
  'buffer.bread',
  'ext4.beginNowait',
  'ext4.mapBlocksNowait',
  'ext4.breadNowait',
] as const;
export type FastPath = (typeof fastPaths)[number];

const NOTHING: ReadonlySet<Mishap> = new Set();
let offered = NOTHING;
let allShort = false;

export interface Mishaps {
  readonly mishaps?: readonly Mishap[];
  /**
   * Every fast path falls short, not by choice: the 1st, 2nd, 4th, 8th time that a task asks, so
   * that one which begins again, and asks several, comes to its end.
   */
  readonly fastPathsShort?: boolean;
}

/** From now on the explorer may choose these. Nothing: no mishaps any more. */
export function offerMishaps({ mishaps = [], fastPathsShort = false }: Mishaps = {}): void {
  offered = mishaps.length === 0 ? NOTHING : new Set(mishaps);
  allShort = fastPathsShort;
}

/** 0: nothing goes wrong. Else one of the ways in which it does. @param below  ways, and 0 */
export function mishap(which: Mishap, below = 2, what: string = which): number {
  return CHECKED && exploring && offered.has(which) ? choose(below, what) : 0;
}

/** How often a task has asked. An execution has tasks of its own. */
const asked = new WeakMap<Task, Map<FastPath, number>>();

/** Is this fast path to give up? */
export function fallsShort(path: FastPath): boolean {
  if (!CHECKED || !exploring) return false;
  const short = allShort
    ? shortByCount(path)
    : mishap('fast path short', 2, `${path} falls short`) !== 0;
  if (short) mark(`short: ${path}`);
  return short;
}

function shortByCount(path: FastPath): boolean {
  const task = currentOrNull();
  if (task === null) return false;
  let counts = asked.get(task);
  if (counts === undefined) asked.set(task, (counts = new Map()));
  const n = (counts.get(path) ?? 0) + 1;
  counts.set(path, n);
  return (n & (n - 1)) === 0;
}

/** The fast path has answered. */
export function wentFast(path: FastPath): void {
  if (CHECKED && exploring) mark(`fast: ${path}`);
}
