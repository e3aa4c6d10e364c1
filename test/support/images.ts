/**
 * The golden images: made by `scripts/make-golden.mjs`, kept in `test/golden/`, read here.
 * Why two forms of a packed image: see `scripts/golden/pack.mjs`.
 */
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Tree } from '../../scripts/golden/tree.mjs';

const KEPT = new URL('../golden/', import.meta.url);
const CACHE = new URL('../../.cache/golden/', import.meta.url);
/** An image above this is handed out as a sparse file only. */
const IN_MEMORY_LIMIT = 256 * 1024 * 1024;
/** Zeros of this length become a hole: the block size of most hosts. */
const GRAIN = 4096;

/** A line of `test/golden/manifest.json`. */
export interface GoldenEntry {
  recipe: string;
  about: string;
  features: string[];
  file: 'image.gz' | 'image.ranges.gz';
  size: number;
  packed: number;
  sha256: string;
  kept: boolean;
  reproducible: boolean;
  tools: string[];
  /** Exit status of `e2fsck -fn`. */
  fsck: number;
}

/** An unpacked image; the caller's own, and gone when disposed. */
export interface GoldenFile extends Disposable {
  readonly path: string;
}

export const goldenManifest = JSON.parse(
  readFileSync(new URL('manifest.json', KEPT), 'utf8'),
) as Record<string, GoldenEntry>;

const entryOf = (name: string): GoldenEntry => {
  const entry = goldenManifest[name];
  if (!entry) throw new Error(`no golden image is called ${name}`);
  return entry;
};

const packedUrl = (name: string): URL => {
  const entry = entryOf(name);
  return new URL(`${name}/${entry.file}`, entry.kept ? KEPT : CACHE);
};

/** Is the packed image at hand? Large ones exist only after `make-golden.mjs` has run. */
export const haveGolden = (name: string): boolean => existsSync(packedUrl(name));

/**
 * The golden images at hand, by name.
 * @param feature only those that cover it: a word of the manifest's `features`
 */
export function goldenNames(feature?: string): string[] {
  return Object.keys(goldenManifest).filter(
    (name) => haveGolden(name) && (!feature || entryOf(name).features.includes(feature)),
  );
}

/**
 * Their expected content: where there is a journal to replay, that after the recovery. A long tree
 * of an image that is not kept lies beside that image.
 */
export function goldenTree(name: string): Tree {
  const recovered = new URL(`${name}/recovered.json`, KEPT);
  if (existsSync(recovered)) return JSON.parse(readFileSync(recovered, 'utf8')) as Tree;
  const kept = new URL(`${name}/tree.json`, KEPT);
  const url = existsSync(kept) ? kept : new URL(`${name}/tree.json`, CACHE);
  return JSON.parse(readFileSync(url, 'utf8')) as Tree;
}

interface Unpacked {
  size: number;
  /** Where in `bytes` each range of the image is. */
  ranges: [start: number, length: number][];
  bytes: Uint8Array;
}

function unpack(name: string): Unpacked {
  const url = packedUrl(name);
  if (!existsSync(url)) {
    throw new Error(`${name} is not kept: run "node scripts/make-golden.mjs ${name}"`);
  }
  const stream = gunzipSync(readFileSync(url));
  if (entryOf(name).file === 'image.gz') {
    return { size: stream.length, ranges: [[0, stream.length]], bytes: stream };
  }
  const line = stream.indexOf(10);
  const head = JSON.parse(stream.toString('utf8', 0, line)) as Omit<Unpacked, 'bytes'>;
  return { ...head, bytes: stream.subarray(line + 1) };
}

/**
 * The bytes of an image, a copy of the caller's own.
 * @throws Error when it is too large for memory: use `goldenPath`
 */
export function goldenImage(name: string): Uint8Array {
  const { size } = entryOf(name);
  if (size > IN_MEMORY_LIMIT) throw new Error(`${name} has ${size} bytes: use goldenPath()`);
  const { ranges, bytes } = unpack(name);
  const image = new Uint8Array(size);
  let at = 0;
  for (const [start, length] of ranges) {
    image.set(bytes.subarray(at, at + length), start);
    at += length;
  }
  return image;
}

/**
 * An image as a sparse file in a temporary folder. `using image = goldenPath(name)`.
 */
export function goldenPath(name: string): GoldenFile {
  const { size, ranges, bytes } = unpack(name);
  const dir = mkdtempSync(join(tmpdir(), 'foliofs-golden-'));
  const path = join(dir, `${name}.img`);
  const fd = openSync(path, 'w');
  let at = 0;
  for (const [start, length] of ranges) {
    writeHoley(fd, bytes.subarray(at, at + length), start);
    at += length;
  }
  ftruncateSync(fd, size);
  closeSync(fd);
  return { path, [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }) };
}

/** Write what is not zero, so that the file stays as sparse as the image is empty. */
function writeHoley(fd: number, bytes: Uint8Array, offset: number): void {
  const zero = new Uint8Array(GRAIN);
  let from = -1;
  for (let at = 0; at <= bytes.length; at += GRAIN) {
    const piece = bytes.subarray(at, at + GRAIN);
    const empty = Buffer.compare(piece, zero.subarray(0, piece.length)) === 0;
    if (!empty && from < 0) from = at;
    if ((empty || at + GRAIN >= bytes.length) && from >= 0) {
      writeAll(fd, bytes.subarray(from, empty ? at : bytes.length), offset + from);
      from = -1;
    }
  }
}

function writeAll(fd: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(fd, bytes, done, bytes.length - done, offset + done);
  }
}
