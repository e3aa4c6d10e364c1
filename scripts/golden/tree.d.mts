/** Types of `tree.mjs`; `test/golden/<name>/tree.json` is a `Tree`. */

export type NodeType = 'file' | 'dir' | 'symlink' | 'char' | 'block' | 'fifo' | 'socket';

/** What a long directory is kept as: number of entries, and the hash of "hex(name) ino\n" lines, sorted. */
export interface EntriesDigest {
  count: number;
  sha256: string;
}

export interface Node {
  type: NodeType;
  /** Permission bits, octal, four digits. */
  mode: string;
  uid: number;
  gid: number;
  nlink: number;
  size: number;
  /** Units of 512 bytes, as stat(2) says it. */
  blocks: number;
  /** Seconds (may be negative), ".", nine digits of nanoseconds that count forward. */
  atime: string;
  mtime: string;
  ctime: string;
  crtime?: string;
  /** `i_flags` as on disk, hexadecimal. */
  flags?: string;
  generation?: number;
  project?: number;
  /** "major:minor" */
  rdev?: string;
  /** Of a symlink, spelled as names are (`nameOf`). */
  target?: string;
  /** Name to value in hexadecimal. */
  xattrs?: Record<string, string>;
  /** Of the whole content; of a file above `DENSE_LIMIT`, of the bytes in `ranges` in order. */
  sha256?: string;
  /** Written byte ranges [start, end). Absent: the whole size is written. */
  ranges?: [number, number][];
  /**
   * The errno that open(2), read(2) or readlink(2) gives, where there is no content to see. If there
   * is nothing but `type` and `error`, then already lstat(2) fails: Linux refuses the inode.
   */
  error?: string;
  /** Inode number of "..". */
  dotdot?: number;
  /** Without "." and "..". Names as `nameOf` spells them. */
  entries?: Record<string, number> | EntriesDigest;
}

export interface Tree {
  /** Who looked, the one that wins first: "kernel 6.18", "debugfs 1.47.0". */
  source: string[];
  /**
   * Present when the image must not open, or not for writing (`readOnly`): what opening must answer, the
   * feature that it must name, and what mount(2) of Linux answers.
   */
  refused?: { errno: string; feature?: string; why: string; readOnly?: boolean; linux?: string };
  /** Paths looked up under rules of their own (casefold), to an inode number or an errno. */
  lookups?: Record<string, number | string>;
  inodes: Record<string, Node>;
}

export const DENSE_LIMIT: number;
export const ENTRIES_LIMIT: number;
export function nameOf(bytes: Uint8Array): string;
export function bytesOf(name: string): Buffer;
export function digestEntries(entries: Record<string, number> | EntriesDigest): EntriesDigest;
export function formatTree(tree: Tree): string;
export function treeDifferences(a: Tree, b: Tree, ignore?: readonly string[]): string[];
