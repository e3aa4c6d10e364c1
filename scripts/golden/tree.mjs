// @ts-check
/**
 * `tree.json`: one view of the complete content of an image, by inode, and the comparison of two
 * views. The form of it is described in `tree.d.mts`.
 */
import { createHash } from 'node:crypto';

/** A file whose size is above this is hashed by its mapped ranges only. */
export const DENSE_LIMIT = 64 * 1024 * 1024;
/** A directory with more entries is kept as a count and a digest. */
export const ENTRIES_LIMIT = 1500;

/**
 * A file name as JSON holds it: text if it is UTF-8, otherwise NUL and hexadecimal.
 * @param {Buffer} bytes
 */
export function nameOf(bytes) {
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? text : `\0${bytes.toString('hex')}`;
}

/** @param {string} name */
export const bytesOf = (name) =>
  name.startsWith('\0') ? Buffer.from(name.slice(1), 'hex') : Buffer.from(name, 'utf8');

/**
 * @param {Record<string, number> | import('./tree.mjs').EntriesDigest} entries
 * @returns {import('./tree.mjs').EntriesDigest}
 */
export function digestEntries(entries) {
  if (typeof entries['sha256'] === 'string')
    return /** @type {import('./tree.mjs').EntriesDigest} */ (entries);
  const named = Object.entries(/** @type {Record<string, number>} */ (entries));
  const lines = named.map(([name, ino]) => `${bytesOf(name).toString('hex')} ${ino}\n`).sort();
  const sha256 = createHash('sha256').update(lines.join('')).digest('hex');
  return { count: lines.length, sha256 };
}

/**
 * JSON with one line per inode, so that a change of an image reads as a change of lines.
 * @param {import('./tree.mjs').Tree} tree
 */
export function formatTree(tree) {
  const { inodes, ...head } = tree;
  const lines = Object.keys(inodes)
    .sort((a, b) => Number(a) - Number(b))
    .map((ino) => `  ${JSON.stringify(ino)}: ${JSON.stringify(shorten(inodes[ino]))}`);
  const first = JSON.stringify(head).slice(1, -1);
  return `{${first},\n"inodes": {\n${lines.join(',\n')}\n}}\n`;
}

/** @param {import('./tree.mjs').Node | undefined} node */
function shorten(node) {
  if (!node?.entries || 'sha256' in node.entries) return node;
  const long = Object.keys(node.entries).length > ENTRIES_LIMIT;
  return long ? { ...node, entries: digestEntries(node.entries) } : node;
}

/** @param {unknown} value */
const plain = (value) =>
  JSON.stringify(value, (_key, v) =>
    v && typeof v === 'object' && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)))
      : v,
  );

/**
 * The fields in which two views differ, one sentence each. A field that one side does not have
 * is not compared: neither debugfs nor the kernel sees everything.
 * @param {import('./tree.mjs').Tree} a
 * @param {import('./tree.mjs').Tree} b
 * @param {readonly string[]} [ignore] fields left out
 */
export function treeDifferences(a, b, ignore = []) {
  const found = [];
  for (const ino of new Set([...Object.keys(a.inodes), ...Object.keys(b.inodes)])) {
    const left = a.inodes[ino];
    const right = b.inodes[ino];
    if (!left || !right) {
      found.push(`inode ${ino}: only in the ${left ? 'first' : 'second'} view`);
      continue;
    }
    if (left.mode === undefined || right.mode === undefined) {
      found.push(`inode ${ino}: ${left.error ?? 'seen'} / ${right.error ?? 'seen'}`);
      continue;
    }
    for (const field of new Set([...Object.keys(left), ...Object.keys(right)])) {
      if (ignore.includes(field)) continue;
      const [l, r] = comparable(field, left, right);
      if (l !== r) found.push(`inode ${ino} ${field}: ${l} / ${r}`);
    }
  }
  return found;
}

/**
 * One field of two nodes, in a form where `===` means the same.
 * @param {string} field
 * @param {import('./tree.mjs').Node} left
 * @param {import('./tree.mjs').Node} right
 */
function comparable(field, left, right) {
  const l = /** @type {Record<string, any>} */ (left)[field];
  const r = /** @type {Record<string, any>} */ (right)[field];
  if (field === 'ranges') return [plain(l ?? [[0, left.size]]), plain(r ?? [[0, right.size]])];
  if (field === 'error') return [plain(l ?? 'none'), plain(r ?? 'none')];
  if (l === undefined || r === undefined) return ['', ''];
  const digested = field === 'entries' && typeof (l.sha256 ?? r.sha256) === 'string';
  return digested ? [plain(digestEntries(l)), plain(digestEntries(r))] : [plain(l), plain(r)];
}
