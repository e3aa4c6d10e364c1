// @ts-check
/**
 * How an image is kept. Up to 32 MiB: `image.gz`, plain gzip of its bytes. Above:
 * `image.ranges.gz`, gzip of one line of JSON `{"size":n,"ranges":[[start,length],...]}` and then
 * the bytes of those ranges; what is between them is zero. (gzip alone cannot make less than a
 * thousandth of zeros.)
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { run } from './tools.mjs';

const RAW_LIMIT = 32 * 1024 * 1024;
const NONZERO = fileURLToPath(new URL('nonzero.py', import.meta.url));

/**
 * @param {string} image
 * @returns {{ file: string, packed: Buffer, sha256: string, size: number }}
 *   `sha256` is that of the stream which was compressed.
 */
export function pack(image) {
  const size = statSync(image).size;
  const raw = size <= RAW_LIMIT;
  const stream = raw ? readFileSync(image) : rangesStream(image, size);
  const packed = gzipSync(stream, { level: 9, memLevel: 9 });
  const sha256 = createHash('sha256').update(stream).digest('hex');
  return { file: raw ? 'image.gz' : 'image.ranges.gz', packed, sha256, size };
}

/**
 * @param {string} image
 * @param {number} size
 */
function rangesStream(image, size) {
  /** @type {[number, number][]} */
  const ranges = JSON.parse(run('python3', [NONZERO, image]).stdout);
  const fd = openSync(image, 'r');
  const parts = ranges.map(([start, length]) => {
    const bytes = Buffer.alloc(length);
    readSync(fd, bytes, 0, length, start);
    return bytes;
  });
  closeSync(fd);
  return Buffer.concat([Buffer.from(`${JSON.stringify({ size, ranges })}\n`), ...parts]);
}
