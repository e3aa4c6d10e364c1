// @ts-check
/**
 * Makes src/fs/ext4/casefold-tables.ts from the Unicode Character Database (Debian: unicode-data).
 *
 *     node scripts/make-unicode.mjs [folder, /usr/share/unicode by default]
 *
 * Linux folds names with the tables of Unicode 12.1 and always will, as directories on disk are
 * ordered by them. A newer database serves: what was assigned by 12.1 is picked out by age, and
 * Unicode promises that its folding and its decomposition never change.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2] ?? '/usr/share/unicode';
const VERSION = 12.1;

/** @param {string} name @returns {string[][]} its lines, without comments, as trimmed columns */
const rows = (name) =>
  readFileSync(join(folder, name), 'utf8')
    .split('\n')
    .map((line) => (line.split('#')[0] ?? '').split(';').map((column) => column.trim()))
    .filter((columns) => columns[0] !== '');

/** @param {string | undefined} text `41` or `41..5A` @returns {[number, number]} */
const range = (text = '') => {
  const [first = '', last = first] = text.split('..');
  return [parseInt(first, 16), parseInt(last, 16)];
};

/** Every code point, by whether it was assigned by then, and whether it has been since. */
const assigned = new Uint8Array(0x11_0000);
const newer = new Uint8Array(0x11_0000);
for (const [points, age] of rows('DerivedAge.txt')) {
  const [first, last] = range(points);
  (Number(age) <= VERSION ? assigned : newer).fill(1, first, last + 1);
}
assigned.fill(0, 0xd800, 0xe000); // surrogates have an age, but no UTF-8

/** Some are kept to be ignored before they are assigned. */
const ignorable = new Uint8Array(0x11_0000);
for (const [points, property] of rows('DerivedCoreProperties.txt')) {
  const [first, last] = range(points);
  if (property !== 'Default_Ignorable_Code_Point') continue;
  for (let cp = first; cp <= last; cp += 1) ignorable[cp] = newer[cp] ? 0 : 1;
}

/** @type {Map<number, number[]>} common and full foldings */
const folding = new Map();
for (const [point = '', status = '', to = ''] of rows('CaseFolding.txt')) {
  const cp = parseInt(point, 16);
  if (!'CF'.includes(status) || !assigned[cp] || ignorable[cp]) continue;
  folding.set(
    cp,
    to.split(' ').map((t) => parseInt(t, 16)),
  );
}

/** @param {number[]} cps @returns {number[]} what NFD alone makes of them */
const decomposed = (...cps) =>
  [...String.fromCodePoint(...cps).normalize('NFD')].map((c) => c.codePointAt(0) ?? 0);

/** @param {number} cp @returns {number[]} folded and decomposed until neither changes anything */
const folded = (cp) => {
  const once = folding.get(cp) ?? decomposed(cp);
  return once.length === 1 && once[0] === cp ? once : once.flatMap(folded);
};

/** @type {Map<number, number[]>} where folding does what NFD of the result does not undo */
const changes = new Map();
for (let cp = 0; cp < 0x11_0000; cp += 1) {
  if (!assigned[cp] || ignorable[cp]) continue;
  const to = folded(cp);
  if (to.some((t) => !assigned[t])) throw new Error(`${cp.toString(16)} folds to what is too new`);
  if (to.join() === decomposed(cp).join()) continue;
  // The reader of the tables decomposes: the plain folding is enough where that leads to the same.
  const plain = folding.get(cp) ?? to;
  changes.set(cp, decomposed(...plain).join() === to.join() ? plain : to);
}

/** @param {number} n */
const b36 = (n) => n.toString(36);

/** Ranges as gap and length. @param {Uint8Array} set */
const ranges = (set) => {
  const out = [];
  let at = 0;
  for (;;) {
    const first = set.indexOf(1, at);
    if (first < 0) return out;
    let end = first;
    while (set[end] === 1) end += 1;
    out.push(`${b36(first - at)},${b36(end - first)}`);
    at = end;
  }
};

/**
 * Single mappings in runs of equal distance: gap, count, step, distance (`count` and `step` left
 * out where 1). Mappings to several: gap, then the code points.
 */
const singles = [];
const multiples = [];
let lastSingle = 0;
let lastMultiple = 0;
const points = [...changes.keys()];
/** @type {Set<number>} */
const done = new Set();
for (const cp of points) {
  const to = changes.get(cp) ?? [];
  if (to.length !== 1) {
    multiples.push([cp - lastMultiple, ...to].map(b36).join(','));
    lastMultiple = cp;
    continue;
  }
  if (done.has(cp)) continue;
  const distance = (to[0] ?? 0) - cp;
  /** @param {number} step @returns {number} */
  const run = (step) => {
    let count = 1;
    for (;;) {
      const next = changes.get(cp + count * step);
      if (next?.length !== 1 || (next[0] ?? 0) - cp - count * step !== distance) return count;
      count += 1;
    }
  };
  const step = run(2) > run(1) ? 2 : 1;
  const count = run(step);
  for (let i = 0; i < count; i += 1) done.add(cp + i * step);
  const tail = count === 1 ? [] : step === 1 ? [count] : [count, step];
  singles.push([b36(cp - lastSingle), b36(distance), ...tail.map(b36)].join(','));
  lastSingle = cp;
}

/** Canonical_Combining_Class where it is not 0: gap, length, class. */
const classes = [];
{
  const ccc = new Uint8Array(0x11_0000);
  for (const [point = '', , , value] of rows('UnicodeData.txt')) {
    const cp = parseInt(point, 16);
    if (assigned[cp]) ccc[cp] = Number(value);
  }
  let at = 0;
  for (let cp = 0; cp < ccc.length; cp += 1) {
    if (ccc[cp] === 0) continue;
    let end = cp;
    while (ccc[end] === ccc[cp]) end += 1;
    classes.push([cp - at, end - cp, ccc[cp] ?? 0].map(b36).join(','));
    at = end;
    cp = end - 1;
  }
}

/** @param {string[]} items @returns {string} a TypeScript string over as many lines as it needs */
const literal = (items) => {
  const lines = [''];
  for (const item of items) {
    const last = lines.length - 1;
    const line = lines[last] ?? '';
    if (line.length + item.length > 90) lines.push(`${item} `);
    else lines[last] = `${line}${item} `;
  }
  return lines.map((line) => `  '${line}'`).join(' +\n');
};

writeFileSync(
  new URL('../src/fs/ext4/casefold-tables.ts', import.meta.url),
  `/**
 * Facts of Unicode ${VERSION}, made by scripts/make-unicode.mjs from Unicode's character database.
 * Numbers in base 36; code points as distance from the end of the range, or the point, before.
 * @source unicode.org: DerivedAge, CaseFolding, DerivedCoreProperties
 */

/** Assigned code points, without surrogates: gap,length. */
export const ASSIGNED =
${literal(ranges(assigned))};

/** Default_Ignorable_Code_Point: gap,length. */
export const IGNORABLE =
${literal(ranges(ignorable))};

/** Canonical_Combining_Class where it is not 0: gap,length,class. */
export const COMBINING =
${literal(classes)};

/** Folds to one code point: gap,distance[,count[,step]]. */
export const FOLD_ONE =
${literal(singles)};

/** Folds to several: gap,code points. */
export const FOLD_SEVERAL =
${literal(multiples)};
`,
);
