/**
 * The tree that is to go into an image, put together from all sources before anything is written.
 * A file with several names is one item with several parents.
 */
import { S_IFDIR, S_IFMT, S_IFREG } from '../../base/mode.ts';
import type { Name } from '../../base/name.ts';
import type { Timespec } from '../../sched/clock.ts';
import type { Runs } from '../sparse.ts';
import { type Xattr } from '../tree.ts';

/** The bytes of a regular file. */
export interface Content {
  /** Data without its holes, in pieces that fit the buffer, in order. */
  runs(buffer: Uint8Array<ArrayBuffer>): Runs;
  /** Bytes that are surely not holes, as far as that is known beforehand. */
  readonly dataBytes: number;
}

export class Item {
  /** With type. */
  mode: number;
  uid = 0;
  gid = 0;
  rdev = 0;
  size = 0;
  mtime: Timespec;
  atime: Timespec;
  target: Name | null = null;
  content: Content | null = null;
  xattrs: readonly Xattr[] = [];
  readonly children: Map<Name, Item> | null;
  /** Number of the source that named it last; whiteouts reach only what is below. */
  layer: number;
  /** Where it was made in the image: further names are links to that. */
  made: Name | null = null;

  constructor(mode: number, time: Timespec, layer: number) {
    this.mode = mode;
    this.mtime = time;
    this.atime = time;
    this.layer = layer;
    this.children = (mode & S_IFMT) === S_IFDIR ? new Map() : null;
  }

  get type(): number {
    return this.mode & S_IFMT;
  }
  get isReg(): boolean {
    return this.type === S_IFREG;
  }

  /** Everything but the children, from an item that takes its place. */
  adopt(other: Item): void {
    this.mode = other.mode;
    this.uid = other.uid;
    this.gid = other.gid;
    this.mtime = other.mtime;
    this.atime = other.atime;
    this.xattrs = other.xattrs;
    this.layer = other.layer;
  }
}
