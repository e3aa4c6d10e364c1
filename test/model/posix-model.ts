/**
 * POSIX's names, links, bytes and attributes in plain maps: what a file system must answer, written
 * as directly as possible. Root acts; every refusal is Linux's errno.
 * @source the manual pages of section 2 with the operations' names, path_resolution(7)
 */
import { fillName, type Op, pattern, SLOTS } from './ops.ts';
import { type Answer, hashOf, NOTHING, OK, type Status } from './answer.ts';

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;
const PAGE = 4096;
const UMASK = 0o022;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_TRUNC = 0o1000;
const O_APPEND = 0o2000;
const O_DIRECTORY = 0o200000;
const O_NOFOLLOW = 0o400000;

/** A refusal. */
class Refused extends Error {
  readonly code: string;
  constructor(code: string) {
    super(code);
    this.code = code;
  }
}
const refuse = (code: string): never => {
  throw new Refused(code);
};

/** Bytes with holes. */
class Content {
  size = 0;
  private readonly pages = new Map<number, Uint8Array>();

  write(at: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const index = Math.floor((at + done) / PAGE);
      const from = (at + done) % PAGE;
      const part = bytes.subarray(done, done + PAGE - from);
      const page = this.pages.get(index) ?? new Uint8Array(PAGE);
      this.pages.set(index, page);
      page.set(part, from);
      done += part.length;
    }
    if (bytes.length > 0) this.size = Math.max(this.size, at + bytes.length);
  }

  read(at: number, length: number): Uint8Array {
    const out = new Uint8Array(Math.max(0, Math.min(length, this.size - at)));
    for (let done = 0; done < out.length;) {
      const from = (at + done) % PAGE;
      const n = Math.min(PAGE - from, out.length - done);
      const page = this.pages.get(Math.floor((at + done) / PAGE));
      if (page) out.set(page.subarray(from, from + n), done);
      done += n;
    }
    return out;
  }

  truncate(size: number): void {
    for (const [index, page] of this.pages) {
      if (index * PAGE >= size) this.pages.delete(index);
      else if (index === Math.floor(size / PAGE)) page.fill(0, size % PAGE);
    }
    this.size = size;
  }
}

export interface Node {
  mode: number;
  uid: number;
  gid: number;
  rdev: number;
  /** Directory entries that name it, "." and ".." included. */
  nlink: number;
  content: Content;
  target: string;
  children: Map<string, Node> | null;
  parent: Node | null;
  xattrs: Map<string, Uint8Array>;
  /** Seconds; null when the clock decided it. */
  mtime: number | null;
}

interface OpenFile {
  readonly node: Node;
  readonly flags: number;
  pos: number;
}

/** Where a path ends: the directory, the last name, and what is there. */
interface Place {
  readonly dir: Node;
  readonly name: string;
  readonly node: Node | null;
}

const isDir = (n: Node): boolean => (n.mode & S_IFMT) === S_IFDIR;
const isReg = (n: Node): boolean => (n.mode & S_IFMT) === S_IFREG;
const isLink = (n: Node): boolean => (n.mode & S_IFMT) === S_IFLNK;

export interface ModelRules {
  /** fallocate is answered EOPNOTSUPP: no extents. */
  readonly noFallocate: boolean;
  /** Longest target of a symlink. */
  readonly linkMax: number;
}

export class PosixModel {
  readonly root: Node;
  private readonly rules: ModelRules;
  private readonly files: (OpenFile | null)[] = Array.from({ length: SLOTS }, () => null);

  constructor(rules: ModelRules) {
    this.rules = rules;
    this.root = this.newNode(S_IFDIR | 0o755, null);
  }

  apply(op: Op): Answer {
    try {
      return this.act(op);
    } catch (e) {
      if (e instanceof Refused) return e.code;
      throw e;
    }
  }

  private newNode(mode: number, dir: Node | null): Node {
    const inherits = dir !== null && (dir.mode & 0o2000) !== 0;
    const directory = (mode & S_IFMT) === S_IFDIR;
    return {
      mode: inherits && directory ? mode | 0o2000 : mode,
      uid: 0,
      gid: inherits ? dir.gid : 0,
      rdev: 0,
      nlink: directory ? 2 : 1,
      content: new Content(),
      target: '',
      children: directory ? new Map<string, Node>() : null,
      parent: dir,
      xattrs: new Map(),
      mtime: null,
    };
  }

  /** Walk. `follow` is about the last component. */
  private place(path: string, follow: boolean, budget = { links: 0 }, from = this.root): Place {
    if (Buffer.byteLength(path) > 4095) refuse('ENAMETOOLONG');
    let dir = from;
    const parts = path.split('/');
    for (const [i, part] of parts.entries()) {
      const last = i === parts.length - 1;
      if (!isDir(dir)) refuse('ENOTDIR');
      if (Buffer.byteLength(part) > 255) refuse('ENAMETOOLONG');
      const node = dir.children!.get(part) ?? null;
      if (node && isLink(node) && (!last || follow)) {
        if (++budget.links > 40) refuse('ELOOP');
        const at = this.place(node.target, true, budget, dir);
        if (last) return at;
        dir = at.node ?? refuse('ENOENT');
        continue;
      }
      if (last) return { dir, name: part, node };
      dir = node ?? refuse('ENOENT');
    }
    return refuse('ENOENT');
  }

  private node(path: string, follow = true): Node {
    return this.place(path, follow).node ?? refuse('ENOENT');
  }

  private touch(node: Node): void {
    node.mtime = null;
  }

  private add(at: Place, node: Node): void {
    at.dir.children!.set(at.name, node);
    this.touch(at.dir);
    if (isDir(node)) {
      at.dir.nlink++;
      node.parent = at.dir;
    }
  }

  private remove(at: Place, node: Node): void {
    at.dir.children!.delete(at.name);
    this.touch(at.dir);
    if (isDir(node)) {
      at.dir.nlink--;
      node.nlink = 0;
    } else {
      node.nlink--;
    }
  }

  private act(op: Op): Answer {
    switch (op[0]) {
      case 'open':
        return this.open(op[1], op[2], op[3], op[4]);
      case 'close':
      case 'write':
      case 'pwrite':
      case 'read':
      case 'pread':
      case 'ftruncate':
      case 'fallocate':
      case 'fstat':
      case 'fsync':
        return this.onFile(op);
      case 'setxattr':
      case 'getxattr':
      case 'removexattr':
      case 'listxattr':
        return this.onAttribute(op);
      case 'chmod':
      case 'chown':
      case 'lchown':
      case 'utimes':
      case 'truncate':
        return this.onInode(op);
      case 'rename':
        return this.rename(op[1], op[2], 0);
      case 'renameat2':
        return this.rename(op[1], op[2], op[3]);
      case 'fillDir':
      case 'emptyDir':
        return this.many(op);
      default:
        return this.onName(op);
    }
  }

  private open(slot: number, path: string, flags: number, mode: number): Answer {
    if (this.files[slot]) return NOTHING;
    const follow = !(flags & O_NOFOLLOW) && (flags & (O_CREAT | O_EXCL)) !== (O_CREAT | O_EXCL);
    const at = this.place(path, follow);
    let { node } = at;
    const made = !node;
    if (!node) {
      if (!(flags & O_CREAT)) refuse('ENOENT');
      node = this.newNode(S_IFREG | (mode & 0o7777 & ~UMASK), at.dir);
      this.add(at, node);
    } else {
      if (flags & O_CREAT && flags & O_EXCL) refuse('EEXIST');
      this.mayOpen(node, flags);
    }
    if (flags & O_TRUNC && isReg(node) && !made) {
      node.content.truncate(0);
      this.touch(node);
    }
    this.files[slot] = { node, flags, pos: 0 };
    return OK;
  }

  private mayOpen(node: Node, flags: number): void {
    if (isLink(node)) refuse(flags & O_DIRECTORY ? 'ENOTDIR' : 'ELOOP');
    if (flags & O_DIRECTORY && !isDir(node)) refuse('ENOTDIR');
    if (isDir(node) && (flags & 3 || flags & O_TRUNC || flags & O_CREAT)) refuse('EISDIR');
    // Nothing stands behind a device, a fifo or a socket of an image.
    if (!isDir(node) && !isReg(node)) refuse('ENXIO');
  }

  private onFile(op: Op): Answer {
    const slot = op[1] as number;
    const file = this.files[slot];
    if (!file) return NOTHING;
    const { node } = file;
    const writable = (file.flags & 3) !== 0;
    const readable = (file.flags & 3) !== 1;
    switch (op[0]) {
      case 'close':
        this.files[slot] = null;
        return OK;
      case 'fstat':
        return this.status(node);
      case 'write':
      case 'pwrite': {
        if (!writable) refuse('EBADF');
        const length = op[0] === 'write' ? op[2] : op[3];
        const bytes = pattern(length, op[0] === 'write' ? op[3] : op[4]);
        const start = op[0] === 'write' ? file.pos : op[2];
        const at = file.flags & O_APPEND ? node.content.size : start;
        node.content.write(at, bytes);
        if (length > 0) this.touch(node);
        if (op[0] === 'write' && length > 0) file.pos = at + length;
        return length;
      }
      case 'read':
      case 'pread': {
        if (!readable) refuse('EBADF');
        if (isDir(node)) refuse('EISDIR');
        const at = op[0] === 'read' ? file.pos : op[2];
        const bytes = node.content.read(at, op[0] === 'read' ? op[2] : op[3]);
        if (op[0] === 'read') file.pos += bytes.length;
        return hashOf(bytes);
      }
      case 'ftruncate':
        if (!writable) refuse('EINVAL');
        node.content.truncate(op[2]);
        this.touch(node);
        return OK;
      case 'fallocate':
        return this.fallocate(node, writable, op[2], op[3], op[4]);
      default:
        return OK;
    }
  }

  private fallocate(
    node: Node,
    writable: boolean,
    mode: number,
    at: number,
    length: number,
  ): Answer {
    if (length === 0) refuse('EINVAL');
    if (!writable) refuse('EBADF');
    if (this.rules.noFallocate) refuse('EOPNOTSUPP');
    this.touch(node);
    if (mode === 0 && at + length > node.content.size) node.content.truncate(at + length);
    return OK;
  }

  private onInode(op: Op): Answer {
    const node = this.node(op[1] as string, op[0] !== 'lchown');
    switch (op[0]) {
      case 'chmod':
        node.mode = (node.mode & S_IFMT) | (op[2] & 0o7777);
        return OK;
      case 'chown':
      case 'lchown':
        if (op[2] !== -1) node.uid = op[2];
        if (op[3] !== -1) node.gid = op[3];
        if (!isDir(node)) node.mode &= node.mode & 0o010 ? ~0o6000 : ~0o4000;
        return OK;
      case 'utimes':
        node.mtime = op[3];
        return OK;
      case 'truncate':
        if (isDir(node)) refuse('EISDIR');
        if (!isReg(node)) refuse('EINVAL');
        if (node.content.size !== op[2]) node.content.truncate(op[2]);
        this.touch(node);
        return OK;
      default:
        return NOTHING;
    }
  }

  private onAttribute(op: Op): Answer {
    const node = this.node(op[1] as string);
    const key = (op[2] ?? '') as string;
    const plain = isReg(node) || isDir(node);
    const value = node.xattrs.get(key);
    if (op[0] === 'listxattr') return [...node.xattrs.keys()].sort();
    if (op[0] === 'getxattr') return value ? hashOf(value) : refuse('ENODATA');
    if (key.startsWith('user.') && !plain) refuse('EPERM');
    if (op[0] === 'removexattr') {
      if (!value) refuse('ENODATA');
      node.xattrs.delete(key);
    } else if (op[0] === 'setxattr') {
      if (op[4] === 1 && value) refuse('EEXIST');
      if (op[4] === 2 && !value) refuse('ENODATA');
      node.xattrs.set(key, pattern(op[3], op[3]));
    }
    return OK;
  }

  private onName(op: Op): Answer {
    switch (op[0]) {
      case 'mkdir':
      case 'mknod':
      case 'symlink':
      case 'link':
        return this.make(op);
      case 'rmdir':
      case 'unlink': {
        const at = this.place(op[1], false);
        const node = at.node ?? refuse('ENOENT');
        if (op[0] === 'unlink' && isDir(node)) refuse('EISDIR');
        if (op[0] === 'rmdir' && !isDir(node)) refuse('ENOTDIR');
        if (node.children?.size) refuse('ENOTEMPTY');
        this.remove(at, node);
        return OK;
      }
      case 'readlink': {
        const node = this.node(op[1], false);
        return isLink(node) ? node.target : refuse('EINVAL');
      }
      case 'stat':
        return this.status(this.node(op[1]));
      case 'lstat':
        return this.status(this.node(op[1], false));
      case 'readdir': {
        const node = this.node(op[1]);
        return node.children ? [...node.children.keys()].sort() : refuse('ENOTDIR');
      }
      default:
        return NOTHING;
    }
  }

  private make(op: Op): Answer {
    if (op[0] === 'link') {
      const node = this.node(op[1], false);
      const at = this.place(op[2], false);
      if (at.node) refuse('EEXIST');
      if (isDir(node)) refuse('EPERM');
      node.nlink++;
      this.add(at, node);
      return OK;
    }
    if (op[0] === 'symlink') {
      if (Buffer.byteLength(op[1]) > 4095) refuse('ENAMETOOLONG');
      const at = this.place(op[2], false);
      if (at.node) refuse('EEXIST');
      if (Buffer.byteLength(op[1]) > this.rules.linkMax) refuse('ENAMETOOLONG');
      const node = this.newNode(S_IFLNK | 0o777, at.dir);
      node.target = op[1];
      this.add(at, node);
    } else if (op[0] === 'mkdir' || op[0] === 'mknod') {
      const at = this.place(op[1], false);
      if (at.node) refuse('EEXIST');
      const type = op[0] === 'mkdir' ? S_IFDIR : op[2] & S_IFMT;
      // mkdir() heeds the permission bits and the sticky bit only.
      const bits = op[2] & (op[0] === 'mkdir' ? 0o1777 : 0o7777) & ~UMASK;
      const node = this.newNode(type | bits, at.dir);
      if (op[0] === 'mknod' && (type === 0o020000 || type === 0o060000)) node.rdev = op[3];
      this.add(at, node);
    }
    return OK;
  }

  private rename(from: string, to: string, flags: number): Answer {
    // Both parents are walked to before either name is looked up.
    for (const path of [from, to]) this.place(path.replace(/[^/]*$/, 'x'), false);
    const a = this.place(from, false);
    const source = a.node ?? refuse('ENOENT');
    const b = this.place(to, false);
    if (flags === 1 && b.node) refuse('EEXIST');
    if (flags === 2 && !b.node) refuse('ENOENT');
    if (this.above(source, b.dir)) refuse('EINVAL');
    if (b.node && this.above(b.node, a.dir)) refuse(flags === 2 ? 'EINVAL' : 'ENOTEMPTY');
    if (b.node === source) return OK;
    if (flags === 2) return this.exchange(a, source, b, b.node!);
    if (b.node) {
      if (isDir(source) && !isDir(b.node)) refuse('ENOTDIR');
      if (!isDir(source) && isDir(b.node)) refuse('EISDIR');
      if (b.node.children?.size) refuse('ENOTEMPTY');
      this.remove(b, b.node);
    }
    this.take(a, source);
    this.add(b, source);
    return OK;
  }

  /** Away from its place, without losing a link. */
  private take(at: Place, node: Node): void {
    at.dir.children!.delete(at.name);
    this.touch(at.dir);
    if (isDir(node)) at.dir.nlink--;
  }

  private exchange(a: Place, one: Node, b: Place, other: Node): Answer {
    this.take(a, one);
    this.take(b, other);
    this.add(b, one);
    this.add(a, other);
    return OK;
  }

  /** Is `node` the directory `dir` or one above it? */
  private above(node: Node, dir: Node): boolean {
    for (let at: Node | null = dir; at; at = at.parent) if (at === node) return true;
    return false;
  }

  private many(op: Op): Answer {
    const dir = this.node(op[1] as string);
    if (!dir.children) return refuse('ENOTDIR');
    if (op[0] === 'fillDir') {
      for (let i = 0; i < op[2]; i++) {
        const name = fillName(i, op[3]);
        if (dir.children.has(name)) continue;
        this.add({ dir, name, node: null }, this.newNode(S_IFREG | 0o644, dir));
      }
      return OK;
    }
    const names = [...dir.children].filter(([, n]) => isReg(n)).map(([n]) => n);
    for (const name of names.sort().slice(op[2] as number)) {
      this.remove({ dir, name, node: null }, dir.children.get(name)!);
    }
    return OK;
  }

  status(node: Node): Status {
    return {
      mode: node.mode,
      nlink: node.nlink,
      uid: node.uid,
      gid: node.gid,
      rdev: node.rdev,
      size: isDir(node) ? null : isLink(node) ? Buffer.byteLength(node.target) : node.content.size,
      mtime: node.mtime,
    };
  }

  /** All descriptors are gone. */
  closeAll(): void {
    this.files.fill(null);
  }
}
