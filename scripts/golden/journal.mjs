// @ts-check
/**
 * Journals with transactions to replay, written by debugfs and given the same time in every making.
 */
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32c } from './crc32c.mjs';
import { Image } from './image.mjs';
import { FAKE_TIME } from './tools.mjs';

const BLOCK = 1024;
const MAGIC = 0xc03b3998;
const COMMIT_BLOCK = 2;
/** Journal features with a checksum in each commit block: CSUM_V2 and CSUM_V3. */
const HAS_CHECKSUM = 0x8 | 0x10;

/**
 * A transaction that makes of the image what `change` makes of a copy of it: all blocks in which
 * the two differ, but not the superblock.
 * @param {Image} image with blocks of 1 KiB
 * @param {(copy: Image) => void} change
 * @param {{ open?: string, write?: readonly string[] }} [how] options of `jo`; further `jw`
 *   commands
 */
export function leaveInJournal(image, change, { open = '', write = [] } = {}) {
  const copyDir = join(image.dir, 'later');
  mkdirSync(copyDir);
  const copy = new Image(copyDir);
  copyFileSync(image.path, copy.path);
  change(copy);
  const [before, after] = [readFileSync(image.path), readFileSync(copy.path)];
  const changed = [];
  for (let block = 2; block * BLOCK < before.length; block++) {
    const [from, to] = [block * BLOCK, (block + 1) * BLOCK];
    if (before.compare(after, from, to, from, to) !== 0) changed.push(block);
  }
  const data = Buffer.concat(changed.map((b) => after.subarray(b * BLOCK, (b + 1) * BLOCK)));
  image.log.push(...copy.log.map((line) => `on a copy: ${line}`));
  const blocks = image.hostFile(data);
  image.debugfs(`jo ${open}`.trim(), `jw -b ${changed.join(',')} ${blocks}`, ...write, 'jc');
  fixCommitTimes(image);
}

/**
 * debugfs puts the true time into commit blocks, whatever the clock that it was told.
 * @param {Image} image
 * @source filesystems/ext4/journal.rst, "Commit Block"
 */
function fixCommitTimes(image) {
  const list = image.answer('blocks <8>').trim().split(/\s+/).map(Number);
  const superblock = image.read((list[0] ?? 0) * BLOCK, BLOCK);
  const checksummed = (superblock.readUInt32BE(0x28) & HAS_CHECKSUM) !== 0;
  const seed = crc32c(0xffffffff, superblock.subarray(0x30, 0x40));
  for (const block of list.slice(1)) {
    const commit = image.read(block * BLOCK, BLOCK);
    if (commit.readUInt32BE(0) !== MAGIC || commit.readUInt32BE(4) !== COMMIT_BLOCK) continue;
    commit.writeBigUInt64BE(BigInt(FAKE_TIME), 0x30);
    commit.writeUInt32BE(0, 0x38);
    if (checksummed) {
      commit.writeUInt32BE(0, 0x10);
      commit.writeUInt32BE(crc32c(seed, commit), 0x10);
    }
    image.patch(block * BLOCK, commit, 'commit block: time');
  }
}
