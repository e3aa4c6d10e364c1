// @ts-check
/**
 * Directories written block by block. debugfs looks through a whole directory for each name that it
 * adds, which no one waits for at ten thousand names, and its command line cannot spell every byte.
 */

import { readFileSync } from 'node:fs';

const TYPE_FILE = 1;
const TYPE_DIR = 2;

/** @typedef {{ name: Buffer | string, ino: number, type?: number }} Entry */

/** @param {Buffer | string} name */
const bytes = (name) => (typeof name === 'string' ? Buffer.from(name, 'utf8') : name);
/** @param {number} length */
const recordLength = (length) => (8 + length + 3) & ~3;

/**
 * The blocks of a linear directory: entries in order, the last of each block stretched to its end
 * (or to the checksum's tail).
 * @param {readonly Entry[]} entries
 * @param {number} blockSize
 * @param {number} tail 12 with metadata_csum, otherwise 0
 */
function blocksOf(entries, blockSize, tail) {
  const room = blockSize - tail;
  /** @type {Buffer[]} */
  const blocks = [];
  let block = Buffer.alloc(blockSize);
  let at = 0;
  let last = 0;
  const close = () => {
    block.writeUInt16LE(room - last, last + 4);
    // The tail looks like an unused entry: rec_len 12, type 0xDE. e2fsck fills the checksum in.
    if (tail > 0) Buffer.from([0, 0, 0, 0, 12, 0, 0, 0xde, 0, 0, 0, 0]).copy(block, room);
    blocks.push(block);
    block = Buffer.alloc(blockSize);
    at = 0;
  };
  for (const { name, ino, type = TYPE_FILE } of entries) {
    const text = bytes(name);
    const length = recordLength(text.length);
    if (at + length > room) close();
    last = at;
    block.writeUInt32LE(ino, at);
    block.writeUInt16LE(length, at + 4);
    block.writeUInt8(text.length, at + 6);
    block.writeUInt8(type, at + 7);
    text.copy(block, at + 8);
    at += length;
  }
  close();
  return Buffer.concat(blocks);
}

/**
 * A directory below the root. Counts and checksums are left to the `e2fsck -fy` that must follow,
 * which also makes an index if it is told `-D`.
 * @param {import('./image.mjs').Image} image
 * @param {string} name
 * @param {readonly Entry[]} entries without "." and ".."
 * @param {{ blockSize?: number, tail?: number, flags?: number }} [how]
 */
export function writeDirectory(image, name, entries, how = {}) {
  const { blockSize = 1024, tail = 12, flags = 0x80000 } = how;
  image.write(`/${name}`, '');
  const ino = Number(/Inode: (\d+)/.exec(image.answer(`stat /${name}`))?.[1]);
  const dots = [
    { name: '.', ino, type: TYPE_DIR },
    { name: '..', ino: 2, type: TYPE_DIR },
  ];
  const content = blocksOf([...dots, ...entries], blockSize, tail);
  image.debugfs(`rm /${name}`);
  image.write(`/${name}`, content);
  image.debugfs(
    `sif /${name} mode 040755`,
    `sif /${name} flags 0x${flags.toString(16)}`,
    `sif /${name} links_count 2`,
  );
  return ino;
}

/**
 * `count` names that hash differently by any version: of many lengths, some with bytes above 0x7f,
 * which signed and unsigned hashes tell apart.
 * @param {number} count
 * @param {number} [width] shortest length
 */
export function manyNames(count, width = 1) {
  return Array.from({ length: count }, (_v, i) => {
    const stem = `${i.toString(36)}-`;
    const middle = i % 3 === 0 ? 'grün' : i % 3 === 1 ? 'plain' : 'žluťoučký';
    return `${stem}${middle}`.padEnd(Math.min(width + (i % 40), 200), 'abcdefgh');
  });
}

/**
 * An index made two levels deeper: its entries are dealt out to four nodes, those to two, and the
 * root names the two. Allowed by large_dir, and otherwise reached only with tens of thousands of
 * long names.
 * @source filesystems/ext4/directory.rst, "Hash Tree Directories"
 * @param {import('./image.mjs').Image} image with blocks of 1 KiB and without metadata_csum
 * @param {string} name of an indexed directory of one level below the root
 */
export function deepenIndex(image, name) {
  const block = 1024;
  const content = readFileSync(image.dump(`/${name}`));
  const head = 32; // of the root: ".", "..", dx_root_info; limit, count and the first block follow
  const count = content.readUInt16LE(head + 2);
  const entries = Array.from({ length: count }, (_v, i) => ({
    hash: i === 0 ? 0 : content.readUInt32LE(head + i * 8),
    block: content.readUInt32LE(head + i * 8 + 4),
  }));
  const blocks = [content];
  const append = (/** @type {typeof entries} */ some) => {
    const node = Buffer.alloc(block);
    node.writeUInt16LE(block, 4);
    putEntries(node, 8, some);
    const at = blocks.reduce((sum, b) => sum + b.length, 0) / block;
    blocks.push(node);
    return { hash: some[0]?.hash ?? 0, block: at };
  };
  const quarter = Math.ceil(count / 4);
  const lower = [0, 1, 2, 3].map((i) => append(entries.slice(i * quarter, (i + 1) * quarter)));
  const upper = [append(lower.slice(0, 2)), append(lower.slice(2))];
  putEntries(content, head, upper);
  content.writeUInt8(2, 30); // indirect_levels
  // debugfs removes no directory that has entries: it is called a file first.
  image.debugfs(`sif /${name} mode 0100644`, `rm /${name}`);
  image.write(`/${name}`, Buffer.concat(blocks));
  image.debugfs(
    `sif /${name} mode 040755`,
    `sif /${name} flags 0x81000`,
    `sif /${name} links_count 2`,
  );
}

/**
 * @param {Buffer} block
 * @param {number} at where limit and count are
 * @param {readonly { hash: number, block: number }[]} entries
 */
function putEntries(block, at, entries) {
  block.fill(0, at, 1024);
  entries.forEach((entry, i) => {
    block.writeUInt32LE(entry.hash, at + i * 8);
    block.writeUInt32LE(entry.block, at + i * 8 + 4);
  });
  block.writeUInt16LE((1024 - at) / 8, at);
  block.writeUInt16LE(entries.length, at + 2);
}
