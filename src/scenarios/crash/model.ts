/**
 * What the operations of a workload mean, in memory, and what is promised of them: the names after
 * each operation, the contents that each file has had, and for each persistence point what must be
 * there from then on.
 */
import { assert } from '../../base/assert.ts';
import { type CrashOp, type FileOp, isPersistence, parentOf, type Persistence } from './op.ts';

type Change = Exclude<CrashOp, Persistence | { readonly op: 'hold' }>;

export type NodeKind = 'file' | 'dir' | 'symlink';

/** What a file held after an operation. */
export interface FileVersion {
  /** Operations up to this one make it. */
  readonly after: number;
  readonly size: number;
  readonly data: Uint8Array;
  /** The size is changed with the names, in one transaction; a write's follows its data. */
  readonly atOnce: boolean;
}

/** A file, directory or symbolic link, whatever its names. */
export class ModelNode {
  readonly kind: NodeKind;
  readonly target: string;
  /** Set when it is made: which one it is for whoever reads the image. */
  ino = 0;
  readonly versions: FileVersion[] = [];
  /** Operations that an fsync of it, or an fdatasync, must wait for. */
  touched = 0;
  dataTouched = 0;

  constructor(kind: NodeKind, target = '') {
    this.kind = kind;
    this.target = target;
  }
  get last(): FileVersion {
    return this.versions.at(-1)!;
  }
}

/** All names at a moment, and the attributes behind them. */
export interface Names {
  readonly nodes: ReadonlyMap<string, ModelNode>;
  readonly xattrs: ReadonlyMap<ModelNode, ReadonlyMap<string, Uint8Array>>;
  /** By file that a rename put in another's place: the version that it had then. */
  readonly replaced: ReadonlyMap<ModelNode, number>;
}

/** What holds from a persistence point on. */
export interface Promised {
  readonly what: Persistence;
  /** The names are those after so many operations, or later ones. */
  readonly names: number;
  /** By file: the version, counted from 0, that its contents have at least. */
  readonly versions: ReadonlyMap<ModelNode, number>;
  /** By file: 512-byte units that it had, and what was the last operation on it. */
  readonly blocks: ReadonlyMap<ModelNode, { readonly count: number; readonly touched: number }>;
}

export class Model {
  /** By number of operations that were done. */
  readonly names: Names[] = [];
  readonly promised: Promised[] = [];
  private nodes = new Map<string, ModelNode>([['/', new ModelNode('dir')]]);
  private xattrs = new Map<ModelNode, ReadonlyMap<string, Uint8Array>>();
  private replaced = new Map<ModelNode, number>();
  private done = 0;

  constructor() {
    this.keep();
  }

  /** Everything up to now is durable, and what comes is operation number 0. */
  begin(): void {
    this.done = 0;
    this.names.length = 0;
    this.promised.length = 0;
    this.replaced.clear();
    for (const node of this.nodes.values()) {
      node.touched = node.dataTouched = 0;
      if (node.kind !== 'file') continue;
      node.versions.splice(0, node.versions.length, { ...node.last, after: 0 });
    }
    this.keep();
  }

  private keep(): void {
    const { nodes, xattrs, replaced } = this;
    const copy = { nodes: new Map(nodes), xattrs: new Map(xattrs), replaced: new Map(replaced) };
    this.names.push(copy);
  }

  at(path: string): ModelNode {
    const node = this.nodes.get(path);
    assert(node !== undefined, `a workload names what is not there: ${path}`);
    return node;
  }

  has(path: string): boolean {
    return this.nodes.has(path);
  }

  /** Do an operation. @param stamp  what it fills with. @returns what it made */
  apply(op: CrashOp, stamp: number): ModelNode | null {
    this.done++;
    const made = isPersistence(op) || op.op === 'hold' ? null : this.change(op, stamp);
    this.keep();
    return made;
  }

  private touch(path: string): ModelNode {
    const node = this.at(path);
    node.touched = this.done;
    return node;
  }

  private make(path: string, kind: NodeKind, target = ''): ModelNode {
    assert(!this.nodes.has(path), `a workload makes what is there: ${path}`);
    const node = new ModelNode(kind, target);
    this.touch(parentOf(path));
    this.nodes.set(path, node);
    node.touched = node.dataTouched = this.done;
    if (kind === 'file') this.version(node, 0, new Uint8Array(0), true);
    return node;
  }

  private change(op: Change, stamp: number): ModelNode | null {
    switch (op.op) {
      case 'creat':
        return this.make(op.path, 'file');
      case 'mkdir':
        return this.make(op.path, 'dir');
      case 'symlink':
        return this.make(op.path, 'symlink', op.target);
      case 'unlink':
      case 'rmdir':
        this.touch(op.path);
        this.touch(parentOf(op.path));
        this.nodes.delete(op.path);
        return null;
      case 'link':
        this.touch(parentOf(op.to));
        this.nodes.set(op.to, this.touch(op.from));
        return null;
      case 'rename':
        this.rename(op.from, op.to);
        return null;
      default:
        this.changeNode(op, stamp);
        return null;
    }
  }

  private rename(from: string, to: string): void {
    if (this.nodes.get(to) === this.at(from)) return; // rename(2): two names of one file stay.
    const node = this.touch(from);
    this.touch(parentOf(from));
    this.touch(parentOf(to));
    if (this.nodes.has(to)) {
      this.touch(to);
      if (node.kind === 'file') this.replaced.set(node, node.versions.length - 1);
    }
    const moved = [...this.nodes].filter(([p]) => p === from || p.startsWith(`${from}/`));
    for (const [path] of moved) this.nodes.delete(path);
    for (const [path, n] of moved) this.nodes.set(to + path.slice(from.length), n);
  }

  private changeNode(op: FileOp, stamp: number): void {
    switch (op.op) {
      case 'write': {
        const node = this.touch(op.path);
        const { size, data } = node.last;
        const next = new Uint8Array(Math.max(size, op.at + op.length));
        next.set(data);
        next.fill(stamp, op.at, op.at + op.length);
        if (next.length > size) node.dataTouched = this.done;
        this.version(node, next.length, next, false);
        break;
      }
      case 'truncate': {
        const node = this.touch(op.path);
        const next = new Uint8Array(op.size);
        next.set(node.last.data.subarray(0, op.size));
        if (op.size !== node.last.size) node.dataTouched = this.done;
        this.version(node, op.size, next, true);
        break;
      }
      case 'falloc': {
        const node = this.touch(op.path);
        const { size, data } = node.last;
        const next = new Uint8Array(op.keepSize ? size : Math.max(size, op.at + op.length));
        next.set(data);
        if (next.length > size) node.dataTouched = this.done;
        this.version(node, next.length, next, next.length > size);
        break;
      }
      case 'setxattr':
      case 'removexattr': {
        const node = this.touch(op.path);
        const next = new Map(this.xattrs.get(node));
        if (op.op === 'removexattr') next.delete(op.name);
        else next.set(op.name, new Uint8Array(op.length).fill(stamp));
        this.xattrs.set(node, next);
        break;
      }
    }
  }

  /** The last operation gave a file blocks, or took some: its data is not found without it. */
  remapped(path: string): void {
    this.at(path).dataTouched = this.done;
  }

  private version(node: ModelNode, size: number, data: Uint8Array, atOnce: boolean): void {
    node.versions.push({ after: this.done, size, data, atOnce });
  }

  /**
   * A persistence point has returned.
   * @param blocksOf  512-byte units of a file now
   */
  promise(what: Persistence, blocksOf: (path: string) => number): void {
    const before = this.promised.at(-1);
    const versions = new Map(before?.versions);
    const blocks = new Map(before?.blocks);
    let names = before?.names ?? 0;
    for (const [path, node] of this.nodes) {
      if (what.op !== 'sync' && path !== what.path) continue;
      // ext4: with a file everything is durable that its last change came after; POSIX promises
      // only the file. fdatasync may leave out what is not needed to read the data.
      const reached = what.op === 'fdatasync' ? node.dataTouched : node.touched;
      names = Math.max(names, what.op === 'sync' ? this.done : reached);
      if (node.kind !== 'file') continue;
      versions.set(node, node.versions.length - 1);
      // Attributes have blocks too, which fdatasync does not wait for.
      if (what.op === 'fdatasync' && node.dataTouched < node.touched) blocks.delete(node);
      else blocks.set(node, { count: blocksOf(path), touched: node.touched });
    }
    this.promised.push({ what, names, versions, blocks });
  }
}
