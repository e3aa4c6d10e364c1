/**
 * What a crash may leave, and what it may not. The judgement knows the operations (model.ts), which
 * persistence points had returned, and what is seen now.
 *
 * POSIX, after fsync() of a file has returned (fdatasync(): the same, without what is not needed to
 * read the data):
 *   CO-1  it is there, with the bytes and the size of then, or what later operations made of them;
 *   CO-2  rename(): the old name or the new one, never none of them and never both; and a name that
 *         was replaced is the old file or the new one.
 *
 * What POSIX leaves open and ext4 promises with its journal and `data=ordered`:
 *   CO-3  names, links, types, targets and attributes are those after the first K operations, for
 *         some K; an fsync has waited for all operations up to the last one on that inode, and sync
 *         for all.
 *   CO-4  sizes that truncate and fallocate set belong to K. A write's size comes with its data or
 *         after it: never a size without the bytes below it.
 *   CO-5  each block of a file is what one version of the file had there, whole: never parts of
 *   two. CO-6  a byte that was never written is zero, and a byte that was cut off does not come
 *         back: not from another file, not from a free block (POISON).
 *   CO-7  a file that a rename put in the place of another has the contents that it had when it was
 *         renamed (ext4(5), `auto_da_alloc`).
 * @source fsync(2), rename(2), ext4(5)
 */
import type { FileVersion, Model, ModelNode, Names, Promised } from './model.ts';
import type { Observation, Seen } from './observe.ts';
import { POISON } from './op.ts';

/** @throws CrashSymptom what is seen is nothing that may be left */
export function judge(
  model: Model,
  promisedCount: number,
  seen: Observation,
  blockSize: number,
): void {
  const promised = model.promised[promisedCount - 1] ?? null;
  const least = promised?.names ?? 0;
  let nearest: string[] | null = null;
  let contents: string | null = null;
  for (let k = model.names.length - 1; k >= least; k--) {
    const names = model.names[k]!;
    const wrong = wrongNames(names, seen);
    if (wrong.length > 0) {
      if (nearest === null || wrong.length <= nearest.length) nearest = wrong;
      continue;
    }
    const bad = wrongContents(names, k, promised, seen, blockSize);
    if (bad === null) return;
    contents ??= bad;
  }
  throw new CrashSymptom(contents ?? nearest![0]!);
}

/** What is wrong after a crash. */
export class CrashSymptom extends Error {}

/** Everything in which what is seen differs from these names. */
function wrongNames({ nodes, xattrs }: Names, seen: Observation): string[] {
  const wrong: string[] = [];
  const links = linkCounts(nodes);
  for (const [path, node] of nodes) {
    const now = seen.get(path);
    if (now === undefined) wrong.push(`${path} is not there`);
    else wrong.push(...wrongNode(path, node, now, links.get(node)!));
    if (now !== undefined) wrong.push(...wrongXattrs(path, xattrs.get(node), now));
  }
  for (const path of seen.keys()) if (!nodes.has(path)) wrong.push(`${path} is there`);
  return wrong;
}

function wrongNode(path: string, node: ModelNode, now: Seen, links: number): string[] {
  if (now.kind !== node.kind) return [`${path} is a ${now.kind}`];
  if (node.ino !== 0 && now.ino !== node.ino) return [`${path} is another ${now.kind}`];
  if (node.kind === 'symlink' && now.target !== node.target) return [`${path} leads elsewhere`];
  if (now.nlink !== links) return [`${path} has ${now.nlink} links and not ${links}`];
  return [];
}

function wrongXattrs(
  path: string,
  wanted: ReadonlyMap<string, Uint8Array> | undefined,
  now: Seen,
): string[] {
  const wrong: string[] = [];
  for (const [name, value] of wanted ?? []) {
    const found = now.xattrs.get(name);
    if (found === undefined) wrong.push(`${path} has no attribute ${name}`);
    else if (!sameBytes(found, value)) wrong.push(`${path}'s attribute ${name} has another value`);
  }
  for (const name of now.xattrs.keys()) {
    if (!wanted?.has(name)) wrong.push(`${path} has an attribute ${name}`);
  }
  return wrong;
}

function linkCounts(nodes: ReadonlyMap<string, ModelNode>): ReadonlyMap<ModelNode, number> {
  const counts = new Map<ModelNode, number>();
  for (const [path, node] of nodes) {
    const dir = node.kind === 'dir';
    // A directory: its name and `.`; and `..` of each directory in it, of which the root has
    // lost+found besides.
    const own = dir ? (path === '/' ? 3 : 2) : 1;
    counts.set(node, (counts.get(node) ?? 0) + own);
    if (!dir || path === '/') continue;
    const parent = nodes.get(path.slice(0, path.lastIndexOf('/')) || '/')!;
    counts.set(parent, (counts.get(parent) ?? 0) + 1);
  }
  return counts;
}

/** The first file whose contents cannot be, with these names. */
function wrongContents(
  names: Names,
  k: number,
  promised: Promised | null,
  seen: Observation,
  blockSize: number,
): string | null {
  for (const [path, node] of names.nodes) {
    if (node.kind !== 'file') continue;
    const floor = Math.max(promised?.versions.get(node) ?? 0, names.replaced.get(node) ?? 0);
    const file = new FileJudge(node, k, floor, blockSize);
    const bad = file.wrong(seen.get(path)!) ?? wrongBlocks(node, promised, seen.get(path)!);
    if (bad !== null) return `${path} ${bad}`;
  }
  return null;
}

/** After fsync alone the blocks are what they were then: preallocated ones too. */
function wrongBlocks(node: ModelNode, promised: Promised | null, now: Seen): string | null {
  const blocks = promised?.blocks.get(node);
  if (blocks === undefined || node.touched !== blocks.touched) return null;
  if (now.blocks >= blocks.count) return null;
  return `has ${now.blocks * 512} bytes allocated and not ${blocks.count * 512}`;
}

/** The contents that one file may have. */
class FileJudge {
  private readonly versions: readonly FileVersion[];
  private readonly floor: number;
  private readonly blockSize: number;
  /** The newest version that belongs to the names; and the newest whose size came with them. */
  private readonly last: number;
  private readonly base: number;

  constructor(node: ModelNode, k: number, floor: number, blockSize: number) {
    this.versions = node.versions;
    this.blockSize = blockSize;
    this.last = node.versions.findLastIndex((v) => v.after <= k);
    this.floor = Math.min(floor, this.last);
    const atOnce = node.versions.findLastIndex((v) => v.after <= k && v.atOnce);
    this.base = Math.max(this.floor, atOnce, 0);
  }

  wrong(now: Seen): string | null {
    const { size } = now;
    if (now.data.length !== size) return `has ${size} bytes and reads ${now.data.length}`;
    if (!this.mayHaveSize(size)) return `has the size ${size}, and may have ${this.sizes()}`;
    for (let at = 0; at < size; at += this.blockSize) {
      const bad = this.wrongBlock(now.data.subarray(at, at + this.blockSize), at, size);
      if (bad !== null) return bad;
    }
    return null;
  }

  /** A write that makes a file longer may come in several steps, each whole blocks. */
  private mayHaveSize(size: number): boolean {
    const { base, last, versions, blockSize } = this;
    const [low, high] = [versions[base]!.size, versions[last]!.size];
    if (size % blockSize === 0 && size >= low && size <= high) return true;
    return versions.slice(base, last + 1).some((v) => v.size === size);
  }

  private sizes(): string {
    const { base, last, versions } = this;
    return [...new Set(versions.slice(base, last + 1).map((v) => v.size))].join(' or ');
  }

  private wrongBlock(block: Uint8Array, at: number, size: number): string | null {
    const { versions, floor, base, blockSize } = this;
    const grown = size > versions[base]!.size && at + blockSize > versions[base]!.size;
    for (let j = floor; j < versions.length; j++) {
      // A size that a write made tells that the bytes below it are there.
      if (grown && versions[j]!.size < Math.min(size, at + blockSize)) continue;
      if (this.matches(block, at, j)) return null;
    }
    const i = block.indexOf(POISON);
    const what = i >= 0 ? 'what a free block held' : `bytes ${[...new Set(block)].join(' and ')}`;
    return `has ${what} at ${i >= 0 ? at + i : at}, and may have ${this.allowed(block, at)}`;
  }

  private allowed(block: Uint8Array, at: number): string {
    const all = this.versions.slice(this.floor).map((_, k) => {
      const want = new Uint8Array(block.length).map((_b, i) => this.byteOf(at + i, this.floor + k));
      return [...new Set(want)].join(' and ');
    });
    return [...new Set(all)].join(', or ');
  }

  private matches(block: Uint8Array, at: number, j: number): boolean {
    for (let i = 0; i < block.length; i++) if (block[i] !== this.byteOf(at + i, j)) return false;
    return true;
  }

  /** A byte of version `j`, as it is seen with the sizes of the present names. */
  private byteOf(at: number, j: number): number {
    for (let k = j; k <= this.last; k++) if (this.versions[k]!.size <= at) return 0;
    return this.versions[j]!.data[at] ?? 0;
  }
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((x, i) => x === b[i]);
