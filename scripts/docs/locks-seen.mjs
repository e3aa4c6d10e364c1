// @ts-check
/**
 * The lock orders that test runs saw: `docs/locks-seen.json` keeps them, from what each file of
 * tests left in `.cache/locks/` (test/support/locks-seen.ts).
 *
 * What is kept is a set of pairs of classes, each with one witness. Whether a pair is seen depends
 * on the tests alone; which of many places sees it first does not matter, so a witness stays as
 * long as its pair does and two runs give the same file. A pair that one run misses may need a
 * machine with more on it (root, a kernel's ext4), and stays too: `locks` names it, and who made
 * it impossible deletes its line.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';

export const KEPT = 'docs/locks-seen.json';
export const RUNS = '.cache/locks';

/**
 * @typedef {object} Seen
 * @property {string} from  held
 * @property {string} to    wanted under it
 * @property {string} operation  the task that did so
 * @property {string} at    the innermost functions
 */

/** @param {Seen} s */
export const pairOf = ({ from, to }) => `${from} -> ${to}`;

/**
 * Two locks of one class keep their subclasses, else the class says all. @param {Seen} s @returns
 * {Seen}
 */
function byClass(s) {
  const [from, to] = [s.from, s.to].map((name) => name.replace(/\/\d$/, ''));
  return from === to || !from || !to ? s : { ...s, from, to };
}

/** Tasks that say nothing: a bare run of an operation, one of many alike, no task at all. */
const NAMELESS = /^main$| \d+$|^code outside/;

/** What tells most comes first, then the alphabet. @param {Seen} s */
const key = (s) => JSON.stringify([s.from, s.to, NAMELESS.test(s.operation), s.operation, s.at]);

/** @param {Seen} a @param {Seen} b */
const before = (a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0);

/** One for each pair. @param {readonly Seen[]} all */
export function merged(all) {
  /** @type {Map<string, Seen>} */
  const first = new Map();
  for (const seen of all.map(byClass).sort(before)) {
    if (!first.has(pairOf(seen))) first.set(pairOf(seen), seen);
  }
  return [...first.values()];
}

/** @returns {Seen[]} */
export const kept = () => (existsSync(KEPT) ? JSON.parse(readFileSync(KEPT, 'utf8')) : []);

/**
 * What the runs since the folder was last cleared saw of locks that src/ declares.
 * @param {ReadonlySet<string>} declared  names of classes
 */
export function seenInRuns(declared) {
  const files = existsSync(RUNS) ? readdirSync(RUNS) : [];
  const runs = files.map((file) => JSON.parse(readFileSync(`${RUNS}/${file}`, 'utf8')));
  const all = /** @type {Seen[]} */ (
    runs.flatMap((run) => (existsSync(run.test) ? run.edges : []))
  );
  const known = (/** @type {string} */ name) => declared.has(name.replace(/\/\d$/, ''));
  return merged(all.filter((s) => known(s.from) && known(s.to)));
}
