/**
 * Make every item in a mounted image: names in byte order, the files of a directory before its
 * subdirectories, so that equal trees give equal images and neighbours lie together.
 */
import { S_IFLNK } from '../../base/mode.ts';
import { type Name, nameToText } from '../../base/name.ts';
import type { Op } from '../../sched/op.ts';
import { sysFchmod, sysFchown, sysFtruncate, sysFutimens, sysUtimens } from '../../syscall/attr.ts';
import { sysLink, sysMkdir, sysMknod, sysRmdir, sysSymlink } from '../../syscall/dir.ts';
import { sysClose, sysOpen } from '../../syscall/open.ts';
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, type Process } from '../../syscall/process.ts';
import { sysPwrite } from '../../syscall/read-write.ts';
import { sysStatfs } from '../../syscall/stat.ts';
import { sysFsetxattr, sysSetxattr } from '../../syscall/xattr.ts';
import type { Cred } from '../../vfs/cred.ts';
import { O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_WRONLY } from '../../vfs/file.ts';
import { causeOf, CliError, hasCode } from '../errors.ts';
import { sortNames } from '../image-tree.ts';
import { joinPath } from '../location.ts';
import type { Xattr } from '../tree.ts';
import type { Volume } from '../volume.ts';
import type { Content, Item } from './item.ts';

const CHUNK = 1 << 20;
/** Set-id and sticky bits, which a change of owner would take away. */
const SPECIAL_BITS = 0o7000;
/** As many blocks as one attribute may take: XATTR_SIZE_MAX in the smallest, and a map. */
const XATTR_BLOCKS = 80;

interface Level {
  readonly fd: number;
  readonly path: Name;
  readonly item: Item;
  readonly subdirs: Name[];
}

export class Populator {
  private readonly volume: Volume;
  private readonly p: Process;
  private readonly cred: { -readonly [K in keyof Cred]: Cred[K] };
  private readonly buffer = new Uint8Array(CHUNK);
  private readonly moved: (bytes: number) => void;

  /** @param moved  told about each piece of data */
  constructor(volume: Volume, moved: (bytes: number) => void) {
    this.volume = volume;
    this.p = volume.process;
    // Who makes a file owns it: one journal handle less than with chown afterwards.
    this.cred = this.p.cred;
    this.cred.umask = 0;
    this.moved = moved;
  }

  /** The whole tree. @throws what the image or a source throws, with the path */
  fill(root: Item): void {
    const stack: Level[] = [this.enter('/' as Name, AT_FDCWD, '/' as Name, root)];
    for (let level = stack.at(-1); level !== undefined; level = stack.at(-1)) {
      const name = level.subdirs.pop();
      if (name === undefined) {
        this.at(level.path, this.leave(level));
        stack.pop();
        continue;
      }
      const child = level.item.children!.get(name)!;
      const path = joinPath(level.path, name);
      this.at(path, this.makeDirectory(level.fd, name, child));
      stack.push(this.enter(name, level.fd, path, child));
    }
  }

  /** Open a directory and make all in it that is not a directory. */
  private enter(name: Name, dirfd: number, path: Name, item: Item): Level {
    const fd = this.at(path, sysOpen(this.p, name, O_RDONLY | O_DIRECTORY, 0, dirfd));
    const subdirs: Name[] = [];
    for (const child of sortNames([...item.children!.keys()])) {
      const what = item.children!.get(child)!;
      if (what.children) subdirs.push(child);
      else this.at(joinPath(path, child), this.make(fd, child, joinPath(path, child), what));
    }
    return { fd, path, item, subdirs: subdirs.reverse() };
  }

  private *makeDirectory(dirfd: number, name: Name, item: Item): Op<void> {
    this.actAs(item);
    try {
      // Without set-id bits and ACLs while it fills: nothing is inherited.
      yield* sysMkdir(this.p, name, 0o700, dirfd);
    } catch (e) {
      // lost+found is there already.
      if (!hasCode(e, 'EEXIST')) throw e;
    }
  }

  private *leave({ fd, path, item }: Level): Op<void> {
    this.actAs(item);
    yield* sysFchown(this.p, fd, item.uid, item.gid);
    yield* sysFchmod(this.p, fd, item.mode & 0o7777);
    yield* this.attributes(fd, path, item);
    yield* sysFutimens(this.p, fd, item.atime, item.mtime);
    yield* sysClose(this.p, fd);
  }

  private *make(dirfd: number, name: Name, path: Name, item: Item): Op<void> {
    if (item.made !== null) {
      yield* sysLink(this.p, item.made, name, 0, AT_FDCWD, dirfd);
      return;
    }
    this.actAs(item);
    try {
      yield* this.makeNew(dirfd, name, path, item);
    } catch (e) {
      if (!hasCode(e, 'EEXIST')) throw e;
      yield* sysRmdir(this.p, path); // a file in the place of lost+found
      yield* this.makeNew(dirfd, name, path, item);
    }
    item.made = path;
  }

  private *makeNew(dirfd: number, name: Name, path: Name, item: Item): Op<void> {
    if (item.isReg) {
      yield* this.makeFile(dirfd, name, path, item);
      return;
    }
    if (item.type === S_IFLNK) yield* sysSymlink(this.p, item.target ?? ('' as Name), name, dirfd);
    else yield* sysMknod(this.p, name, item.mode, item.rdev, dirfd);
    yield* this.attributes(null, path, item);
    const { atime, mtime } = item;
    yield* sysUtimens(this.p, name, atime, mtime, dirfd, AT_SYMLINK_NOFOLLOW);
  }

  private *makeFile(dirfd: number, name: Name, path: Name, item: Item): Op<void> {
    const flags = O_WRONLY | O_CREAT | O_EXCL;
    const fd = yield* sysOpen(this.p, name, flags, item.mode & 0o777, dirfd);
    try {
      const end = item.content ? yield* this.contents(fd, item.content) : 0;
      if (end < item.size) yield* sysFtruncate(this.p, fd, item.size);
      if (item.mode & SPECIAL_BITS) yield* sysFchmod(this.p, fd, item.mode & 0o7777);
      yield* this.attributes(fd, path, item);
      yield* sysFutimens(this.p, fd, item.atime, item.mtime);
    } finally {
      yield* sysClose(this.p, fd);
    }
  }

  /** All extended attributes. `fd` is null for what cannot be opened. */
  private *attributes(fd: number | null, path: Name, { xattrs }: Item): Op<void> {
    for (const x of xattrs) {
      try {
        if (fd !== null) yield* sysFsetxattr(this.p, fd, x.name, x.value);
        else yield* sysSetxattr(this.p, path, x.name, x.value, 0, false);
      } catch (e) {
        throw yield* this.notSet(path, x, e);
      }
    }
  }

  /** A failure that names the attribute. */
  private *notSet(path: Name, { name, value }: Xattr, e: unknown): Op<unknown> {
    const what = `${nameToText(path)}: extended attribute ${nameToText(name)}`;
    if (hasCode(e, 'ENOSPC')) {
      const { bfree } = yield* sysStatfs(this.p, '/' as Name);
      if (bfree <= XATTR_BLOCKS) return e;
      // Not the image is full but the one block of this file: a larger image would not help.
      const size = `${value.length} bytes do not fit beside the others`;
      return new CliError('E2BIG', `${what}: ${size} (-O ea_inode, a larger -b make room)`);
    }
    if (hasCode(e, 'EOPNOTSUPP')) {
      return new CliError('EOPNOTSUPP', `${what}: ext4 cannot hold one of that name`);
    }
    const cause = causeOf(e);
    if (cause === null) return e;
    const { code } = e as { code: string };
    return new CliError(code, `${what}: ${cause.replace(/ \([A-Z0-9]+\)$/, '')}`);
  }

  /** @returns where the data ends */
  private *contents(fd: number, content: Content): Op<number> {
    const runs = content.runs(this.buffer);
    let end = 0;
    try {
      for (let run = runs.next(); run !== null; run = runs.next()) {
        const { data, pos } = run;
        for (let done = 0; done < data.length;) {
          const rest = done === 0 ? data : data.subarray(done);
          done += yield* sysPwrite(this.p, fd, rest, pos + done);
        }
        end = pos + data.length;
        this.moved(data.length);
      }
    } finally {
      runs.close();
    }
    return end;
  }

  private actAs({ uid, gid }: Item): void {
    this.cred.uid = uid;
    this.cred.gid = gid;
  }

  /** Run a step; its failure gets the path. */
  private at<T>(path: Name, op: Op<T>): T {
    try {
      return this.volume.run(op);
    } catch (e) {
      const cause = e instanceof CliError ? null : causeOf(e);
      if (cause === null) throw e;
      const { code } = e as { code: string };
      throw new CliError(code, `${nameToText(path)}: ${cause.replace(/ \([A-Z0-9]+\)$/, '')}`);
    }
  }
}
