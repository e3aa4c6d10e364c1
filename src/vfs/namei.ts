/**
 * From a path to a dentry.
 *
 * One walker, and it never sleeps: it goes as far as the caches go and says what it lacks: a name,
 * a symlink's target, an ACL. The slow form (walkToEnd) fetches that one thing and walks again,
 * which now goes further. So the rules of a walk stand in one place, a cached walk costs no
 * generator and no reference, and nothing has to be re-checked after a sleep but everything.
 *
 *   walk -> DONE | FAILED | NEED_NAME, NEED_LINK, NEED_ACL --fetched--> walk ...
 *
 * Results are good until the next sleep; whoever keeps a dentry longer holds it.
 * @source fs/namei.c, path_resolution(7), Documentation/filesystems/path-lookup.rst
 */
import { assert } from '../base/assert.ts';
import { type Errno, errno } from '../base/errno.ts';
import { type Name, NAME_MAX, PATH_MAX } from '../base/name.ts';
import { fallsShort, wentFast } from '../sched/mishap.ts';
import type { Op } from '../sched/op.ts';
import { touchAtime } from './atime.ts';
import type { Cred } from './cred.ts';
import { dLookup, dPeek, dput, dSpliceAlias, Dentry } from './dcache.ts';
import type { Inode } from './inode.ts';
import { iput } from './inode-cache.ts';
import { ALLOWED, DENIED, MAY_EXEC, permissionNowait } from './permission.ts';
import { getAcl } from './posix-acl.ts';

/** Lock subclasses of i_rwsem, in the order in which one task takes them. */
export const I_MUTEX_NORMAL = 0;
export const I_MUTEX_PARENT = 1;
export const I_MUTEX_CHILD = 2;
export const I_MUTEX_XATTR = 3;
export const I_MUTEX_NONDIR2 = 4;
export const I_MUTEX_PARENT2 = 5;

/** Follow a symlink that is the last component. */
export const LOOKUP_FOLLOW = 1;
/** Stop before the last component and tell its name: it is about to be made or removed. */
export const LOOKUP_PARENT = 2;
/** The result must be a directory. */
export const LOOKUP_DIRECTORY = 4;

/** Kinds of last component (LOOKUP_PARENT). */
export const LAST_NORM = 0;
export const LAST_ROOT = 1;
export const LAST_DOT = 2;
export const LAST_DOTDOT = 3;

/** Outcomes of a walk. */
export const DONE = 0;
const FAILED = 1;
const NEED_NAME = 2;
const NEED_LINK = 3;
const NEED_ACL = 4;

/** Symlinks followed in one walk. */
const MAXSYMLINKS = 40;
/**
 * One path lacks at most so many things before it is called a loop: 40 links of 4095 bytes each.
 */
const MAX_FETCHES = MAXSYMLINKS * PATH_MAX;

const SLASH = 47;
const DOT = 46;

/** Targets that a slow walk has fetched from a file system that cannot tell them at once. */
type Links = Map<Inode, Name>;

/** A process's view of the tree (root, working directory, rights) and the state of its walks. */
export class Namei {
  root: Dentry;
  cwd: Dentry;
  readonly cred: Cred;
  /**
   * Where the walk stands: the result, the parent (LOOKUP_PARENT), or where something is lacking.
   */
  dentry: Dentry;
  /** The last component, or the name that is lacking. */
  last = '' as Name;
  lastType: number = LAST_NORM;
  /** The path ends in a slash: it means a directory. */
  slashes = false;
  private code: Errno = 'ENOENT';

  constructor(root: Dentry, cwd: Dentry, cred: Cred) {
    this.root = root;
    this.cwd = cwd;
    this.cred = cred;
    this.dentry = root;
  }

  get error(): Errno {
    return this.code;
  }

  private fail(code: Errno): typeof FAILED {
    this.code = code;
    return FAILED;
  }

  /**
   * Walk in the caches. DONE: `dentry` is the result, which may be negative; with LOOKUP_PARENT it
   * is the directory, and `last`, `lastType`, `slashes` tell the rest. @context Does not sleep.
   */
  walk(start: Dentry, path: Name, flags: number, links?: Links): number {
    if (path.length === 0) return this.fail('ENOENT');
    if (path.length >= PATH_MAX) return this.fail('ENAMETOOLONG');
    let at = 0;
    let followed = 0;
    let rest = path;
    let dir = start;
    if (path.charCodeAt(0) === SLASH) {
      dir = this.root;
      at = skipSlashes(path, 0);
      if (at === path.length) return this.atRoot(dir, flags);
    }
    for (;;) {
      this.dentry = dir;
      const { inode } = dir;
      if (inode === null) return this.fail('ENOENT');
      if (!inode.isDir) return this.fail('ENOTDIR');
      if (CHECKED && fallsShort('vfs.permissionNowait')) return NEED_ACL;
      const answer = permissionNowait(this.cred, inode, MAY_EXEC);
      if (answer !== ALLOWED) return answer === DENIED ? this.fail('EACCES') : NEED_ACL;

      if (CHECKED) wentFast('vfs.permissionNowait');

      let end = rest.indexOf('/', at);
      if (end < 0) end = rest.length;
      const next = end === rest.length ? end : skipSlashes(rest, end);
      const isLast = next === rest.length;
      const type = lastType(rest, at, end);
      if (type === LAST_NORM) {
        this.last = (at === 0 && end === rest.length ? rest : rest.substring(at, end)) as Name;
      }
      if (isLast && flags & LOOKUP_PARENT) {
        this.lastType = type;
        this.slashes = end < next;
        return DONE;
      }
      if (type !== LAST_NORM) {
        if (type === LAST_DOTDOT) dir = this.up(dir);
      } else {
        // Only a name that is looked up can be too long: of a parent's last one nothing is said.
        if (end - at > NAME_MAX) return this.fail('ENAMETOOLONG');
        const child = CHECKED && fallsShort('vfs.walk') ? null : dPeek(dir, this.last);
        if (!child) return NEED_NAME;
        if (CHECKED) wentFast('vfs.walk');
        const covering = child.mounted ? mountRoot(child) : child;
        const found = covering.inode;
        if (found?.isLnk && (next > end || flags & LOOKUP_FOLLOW)) {
          if (++followed > MAXSYMLINKS) return this.fail('ELOOP');
          const target = linkTarget(found, links);
          if (target === null) {
            this.dentry = child;
            return NEED_LINK;
          }
          if (target.length === 0) return this.fail('ENOENT');
          touchAtime(found);
          rest = (target + rest.substring(end)) as Name;
          at = 0;
          if (rest.charCodeAt(0) !== SLASH) continue;
          dir = this.root;
          at = skipSlashes(rest, 0);
          if (at === rest.length) return this.atRoot(dir, flags);
          continue;
        }
        dir = covering;
      }
      if (isLast) return this.finish(dir, next > end || (flags & LOOKUP_DIRECTORY) !== 0);
      at = next;
    }
  }

  private finish(dentry: Dentry, mustBeDir: boolean): number {
    this.dentry = dentry;
    if (dentry.count === 0) dentry.referenced = true;
    if (mustBeDir) {
      if (dentry.inode === null) return this.fail('ENOENT');
      if (!dentry.inode.isDir) return this.fail('ENOTDIR');
    }
    return DONE;
  }

  private atRoot(root: Dentry, flags: number): number {
    if (flags & LOOKUP_PARENT) {
      this.lastType = LAST_ROOT;
      this.slashes = true;
    }
    return this.finish(root, true);
  }

  /** `..`: not above the process's root; out of a mount by the directory that it covers. */
  private up(dentry: Dentry): Dentry {
    for (let d = dentry; d !== this.root;) {
      if (d.parent) return d.parent.mounted ? mountRoot(d.parent) : d.parent;
      const { mountpoint } = d.sb;
      if (!mountpoint) return d;
      d = mountpoint;
    }
    return this.root;
  }
}

function skipSlashes(path: string, from: number): number {
  let at = from;
  while (path.charCodeAt(at) === SLASH) at++;
  return at;
}

function lastType(path: string, at: number, end: number): number {
  if (path.charCodeAt(at) !== DOT || end - at > 2) return LAST_NORM;
  if (end - at === 1) return LAST_DOT;
  return path.charCodeAt(at + 1) === DOT ? LAST_DOTDOT : LAST_NORM;
}

/** The root of what is mounted on top. */
function mountRoot(dentry: Dentry): Dentry {
  let d = dentry;
  while (d.mounted) d = d.mounted;
  return d;
}

function linkTarget(inode: Inode, links: Links | undefined): Name | null {
  return links?.get(inode) ?? targetNowait(inode);
}
function targetNowait(inode: Inode): Name | null {
  if (CHECKED && fallsShort('vfs.getLinkNowait')) return null;
  const target = inode.iops.getLinkNowait?.(inode) ?? null;
  if (CHECKED && target !== null) wentFast('vfs.getLinkNowait');
  return target;
}

/** Target of a symlink. @throws EINVAL not a symlink */
export function* readLink(inode: Inode): Op<Name> {
  return (inode.isLnk ? targetNowait(inode) : null) ?? (yield* fetchLink(inode));
}
function* fetchLink(inode: Inode): Op<Name> {
  const { getLink } = inode.iops;
  if (!inode.isLnk || !getLink) throw errno('EINVAL', { ino: inode.ino });
  return yield* getLink(inode);
}

/**
 * What one slow walk has fetched. It stays held until the walk has ended: however short of room the
 * caches are, each fetch brings the walk further.
 */
class Fetched {
  readonly links: Links = new Map();
  private readonly held: Dentry[];

  constructor(start: Dentry) {
    this.held = [start.hold()];
  }

  /** Fetch what the last walk lacked. @context May sleep. */
  *more(nd: Namei, outcome: number): Op<void> {
    const { dentry, last } = nd;
    const { inode } = dentry;
    assert(inode !== null);
    this.held.push(dentry.hold());
    if (outcome === NEED_NAME) this.held.push(yield* lookupOne(dentry, last));
    else if (outcome === NEED_LINK) this.links.set(inode, yield* fetchLink(inode));
    else yield* getAcl(inode, 'access');
  }

  *drop(): Op<void> {
    for (const dentry of this.held) yield* dput(dentry);
  }
}

/** Where a walk ended: a directory and the name that is about to come or to go in it. */
export interface LastComponent {
  /** The directory (without LOOKUP_PARENT: the result), with a reference that the caller drops. */
  readonly parent: Dentry;
  readonly name: Name;
  /** LAST_* */
  readonly type: number;
  readonly slashes: boolean;
}

/** A name, not `.`, `..` or the root. */
export const lastIsNormal = (at: LastComponent): boolean => at.type === LAST_NORM;

/**
 * Walk, and fetch what is lacking, until the end is reached. @context May sleep.
 * @throws ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG of a component, and what the disk brings
 */
function* walkToEnd(nd: Namei, start: Dentry, path: Name, flags: number): Op<LastComponent> {
  let fetched: Fetched | null = null;
  try {
    for (let fetches = 0; fetches < MAX_FETCHES; fetches++) {
      const outcome = nd.walk(start, path, flags, fetched?.links);
      if (outcome === DONE) {
        return { parent: nd.dentry.hold(), name: nd.last, type: nd.lastType, slashes: nd.slashes };
      }
      if (outcome === FAILED) throw errno(nd.error);
      fetched ??= new Fetched(start);
      yield* fetched.more(nd, outcome);
    }
    throw errno('ELOOP');
  } finally {
    if (fetched) yield* fetched.drop();
  }
}

/** What a path means, with a reference. @throws ENOENT nothing */
export function* pathLookup(nd: Namei, start: Dentry, path: Name, flags: number): Op<Dentry> {
  const { parent: found } = yield* walkToEnd(nd, start, path, flags);
  if (found.inode !== null) return found;
  yield* dput(found);
  throw errno('ENOENT');
}

/** The last name of a path, and the directory that it is in. */
export const pathParent = (nd: Namei, start: Dentry, path: Name): Op<LastComponent> =>
  walkToEnd(nd, start, path, LOOKUP_PARENT);

/** Lock a directory or file exclusively; with the subclass of its place in the order. */
export function* lockInode(inode: Inode, subclass = I_MUTEX_NORMAL): Op<void> {
  if (!inode.rwsem.tryExclusive(subclass)) yield* inode.rwsem.lockExclusive(subclass);
}

/** A removed directory takes no new names. */
export const isDeadDir = (dir: Inode): boolean => dir.nlink === 0;

/** A name of a directory, positive or negative, with a reference. @context May sleep. */
export function* lookupOne(parent: Dentry, name: Name): Op<Dentry> {
  const cached = CHECKED && fallsShort('vfs.lookupOne') ? null : dLookup(parent, name);
  if (CHECKED && cached) wentFast('vfs.lookupOne');
  if (cached) return cached;
  const dir = parent.inode;
  assert(dir !== null);
  if (!dir.rwsem.tryShared()) yield* dir.rwsem.lockShared();
  try {
    return yield* lookupLocked(parent, name);
  } finally {
    dir.rwsem.unlockShared();
  }
}

/** lookupOne() for those who hold the directory's i_rwsem. */
export function* lookupLocked(parent: Dentry, name: Name): Op<Dentry> {
  const cached = dLookup(parent, name);
  if (cached) return cached;
  const dir = parent.inode;
  assert(dir !== null);
  if (isDeadDir(dir)) throw errno('ENOENT', { ino: dir.ino });
  if (name.length > NAME_MAX) throw errno('ENAMETOOLONG');
  if (!dir.iops.lookup) throw errno('ENOTDIR', { ino: dir.ino });
  const inode = yield* dir.iops.lookup(dir, name);
  // Two may look the same name up at once under a shared lock: the second one takes the first's.
  const again = dLookup(parent, name);
  if (again) {
    if (inode) yield* iput(inode);
    return again;
  }
  const dentry = new Dentry(parent.sb, parent, name);
  try {
    dSpliceAlias(dentry, inode);
  } catch (e) {
    yield* dput(dentry);
    if (inode) yield* iput(inode);
    throw e;
  }
  return dentry;
}
