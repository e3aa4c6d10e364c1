/**
 * The dentry cache: names that were looked up, found or not.
 *
 *   allocated --dAdd(inode)--> positive --unlink, last user--> negative --reclaim--> gone
 *                 \-dAdd(null)-> negative --dInstantiate--> positive
 *   positive, negative --unlink with other users, rmdir--> unhashed --last dput--> gone
 *
 * Invariants
 *  D-1  A positive dentry holds one reference of its inode. A child holds one of its parent.
 *  D-2  `children` of a directory is complete for nothing: a missing name means "ask the disk".
 *  D-3  `parent` and `name` change only under the rename mutex and both directories' i_rwsem.
 *  D-4  A directory inode has at most one dentry.
 *  D-5  An unreferenced, hashed dentry is on sb.dentryLru. Unreferenced and unhashed: it is gone.
 * @source fs/dcache.c
 */
import { assert } from '../base/assert.ts';
import { corrupted } from '../base/errno.ts';
import { ListNode } from '../base/list.ts';
import { asciiName, type Name } from '../base/name.ts';
import type { Op } from '../sched/op.ts';
import { watching } from '../sched/point.ts';
import { WatchedMap } from '../sched/watch.ts';
import { type Inode, S_CASEFOLD } from './inode.ts';
import { iput, iputNowait } from './inode-cache.ts';
import type { SuperBlock } from './super.ts';

export class Dentry {
  readonly sb: SuperBlock;
  parent: Dentry | null;
  name: Name;
  inode: Inode | null = null;
  /** Users; the dentry stays cached at 0 until it is reclaimed. */
  count = 1;
  /** In its parent's `children`. */
  hashed = false;
  /** Used since reclaim saw it last. */
  referenced = false;
  children: Map<Name, Dentry> | null = null;
  /** Root of the file system that is mounted here and covers this directory. */
  mounted: Dentry | null = null;
  readonly lru = new ListNode<Dentry>(this);

  constructor(sb: SuperBlock, parent: Dentry | null, name: Name) {
    this.sb = sb;
    this.parent = parent;
    this.name = name;
    if (parent) parent.hold();
    // There from the start, so that a look-up which finds no names yet leaves its mark.
    if (CHECKED && watching) this.children = new WatchedMap(`names in ${pathOf(this)}`);
  }

  get negative(): boolean {
    return this.inode === null;
  }

  hold(): this {
    this.count++;
    return this;
  }
}

/** For identities: where it was when it was made. */
const pathOf = (d: Dentry): string => (d.parent ? `${pathOf(d.parent)}/${d.name}` : '');

/** The root of a mount; takes over the caller's reference of `inode`. */
export function dMakeRoot(sb: SuperBlock, inode: Inode): Dentry {
  const root = new Dentry(sb, null, asciiName(''));
  root.inode = inode;
  inode.alias = root;
  root.hashed = true;
  return root;
}

/** What `name` is filed under in a directory: itself, or its folded form. */
function childKey(dir: Dentry, name: Name): Name {
  const { inode } = dir;
  if (inode === null || (inode.flags & S_CASEFOLD) === 0) return name;
  return inode.iops.dentryKey?.(inode, name) ?? name;
}

/** A cached name of a directory without a reference: good until the next sleep. */
export function dPeek(parent: Dentry, name: Name): Dentry | null {
  return parent.children?.get(childKey(parent, name)) ?? null;
}

/** A cached name of a directory, with a reference. @context Does not sleep. */
export function dLookup(parent: Dentry, name: Name): Dentry | null {
  return dPeek(parent, name)?.hold() ?? null;
}

function rehash(dentry: Dentry, parent: Dentry): void {
  assert(!dentry.hashed);
  (parent.children ??= new Map()).set(childKey(parent, dentry.name), dentry);
  dentry.hashed = true;
}

/** Nobody finds the dentry any more; who has it keeps it. */
export function dDrop(dentry: Dentry): void {
  const { parent } = dentry;
  if (!dentry.hashed || !parent) return;
  parent.children?.delete(childKey(parent, dentry.name));
  dentry.hashed = false;
}

/** Put a new dentry into its directory; takes over a reference of `inode` (null: negative). */
export function dAdd(dentry: Dentry, inode: Inode | null): void {
  const { parent } = dentry;
  assert(parent !== null && !dentry.hashed);
  if (inode) dInstantiate(dentry, inode);
  rehash(dentry, parent);
}

/** A negative dentry gets its inode; takes over the caller's reference. */
export function dInstantiate(dentry: Dentry, inode: Inode): void {
  assert(dentry.inode === null, 'dentry has an inode already');
  dentry.inode = inode;
  if (inode.isDir) inode.alias = dentry;
}

/**
 * dAdd() of what a look-up found. A directory that has a name already must not get a second one:
 * on a sound disk it has one parent, and its dentry was here if it was anywhere.
 * @throws EUCLEAN a second name of a directory; the reference is dropped by the caller
 */
export function dSpliceAlias(dentry: Dentry, inode: Inode | null): void {
  const alias = inode?.isDir ? inode.alias : null;
  if (alias?.hashed && alias.inode === inode) {
    throw corrupted('dirent', 'inode', { ino: inode?.ino, want: 'one name for a directory' });
  }
  dAdd(dentry, inode);
}

/** A name for something that has none: O_TMPFILE. Takes over the caller's reference of `inode`. */
export function dMakeNameless(parent: Dentry, inode: Inode): Dentry {
  const dentry = new Dentry(parent.sb, parent, asciiName(`#${String(inode.ino)}`));
  dentry.inode = inode;
  return dentry;
}

/** Drop a reference where that needs no sleep; false: nothing was done, use dput(). */
export function dputNowait(dentry: Dentry): boolean {
  if (dentry.count > 1) {
    dentry.count--;
    return true;
  }
  assert(dentry.count === 1, 'dentry reference dropped twice');
  if (!dentry.hashed || !dentry.sb.active) return false;
  // In a removed directory nothing stays: it would keep the directory's inode from going.
  if (dentry.parent && !dentry.parent.hashed) return false;
  dentry.count = 0;
  const { dentryLru, dentryLimit } = dentry.sb;
  // Once is no habit: what is used again stays longer than what is only passed through.
  if (dentry.lru.list !== null) dentry.referenced = true;
  else dentryLru.addTail(dentry.lru);
  if (dentryLru.size > dentryLimit) trimDentries(dentry.sb);
  return true;
}

/** Drop a reference. @context May sleep: an unlinked inode may go with it. No locks, no handle. */
export function* dput(dentry: Dentry): Op<void> {
  for (let d: Dentry | null = dentry; d !== null && !dputNowait(d);) {
    const { inode } = d;
    const up: Dentry | null = detach(d);
    if (inode) yield* iput(inode);
    d = up;
  }
}

/** Take a dentry apart: unhash it, take its inode away. Its reference to the parent is returned. */
function detach(dentry: Dentry): Dentry | null {
  dDrop(dentry);
  if (dentry.lru.list) dentry.sb.dentryLru.remove(dentry.lru);
  const { inode, parent } = dentry;
  if (inode?.alias === dentry) inode.alias = null;
  dentry.inode = null;
  dentry.count = 0;
  return parent;
}

/**
 * The name is gone from the disk. Without other users the dentry turns negative, else it is
 * unhashed and dies with its last user. Call with a reference of the inode held elsewhere: its last
 * one may need a sleep, which the caller's locks forbid.
 */
export function dDelete(dentry: Dentry): void {
  const { inode } = dentry;
  assert(inode !== null && inode.count > 1, 'deleting a name with the last reference');
  if (dentry.count === 1 && !inode.isDir) {
    dentry.inode = null;
    const dropped = iputNowait(inode);
    assert(dropped);
  } else {
    dDrop(dentry);
  }
}

/** `dentry` takes the place of `target`, which is unhashed. Both directories locked. */
export function dMove(dentry: Dentry, target: Dentry): void {
  const { parent } = target;
  assert(parent !== null && dentry.parent !== null && dentry !== target);
  dDrop(dentry);
  dDrop(target);
  // The references to the parents change places with the dentries.
  target.parent = dentry.parent;
  dentry.parent = parent;
  dentry.name = target.name;
  rehash(dentry, parent);
}

/** Two names change places (RENAME_EXCHANGE). Both directories locked. */
export function dExchange(a: Dentry, b: Dentry): void {
  const { parent, name } = a;
  assert(parent !== null && b.parent !== null && a !== b);
  dDrop(a);
  dDrop(b);
  a.parent = b.parent;
  a.name = b.name;
  b.parent = parent;
  b.name = name;
  rehash(a, a.parent);
  rehash(b, b.parent);
}

/** Is `ancestor` the same as `dentry` or above it? */
export function isSubdir(dentry: Dentry, ancestor: Dentry): boolean {
  for (let d: Dentry | null = dentry; d; d = d.parent) if (d === ancestor) return true;
  return false;
}

/**
 * Drop up to `count` unreferenced dentries, oldest first; what was used since the last walk goes
 * round once more. Returns how many were dropped. @context Does not sleep.
 */
export function shrinkDentries(sb: SuperBlock, count: number): number {
  let dropped = 0;
  for (let scan = 4 * count; scan > 0 && dropped < count; scan--) {
    const dentry = sb.dentryLru.first();
    if (!dentry) break;
    if (dentry.count > 0) {
      sb.dentryLru.remove(dentry.lru);
    } else if (dentry.referenced) {
      dentry.referenced = false;
      sb.dentryLru.moveTail(dentry.lru);
    } else if (tryPrune(dentry)) {
      dropped++;
    } else {
      sb.dentryLru.moveTail(dentry.lru);
    }
  }
  return dropped;
}

/** Down to what there is room for. @context Does not sleep. */
export function trimDentries(sb: SuperBlock): number {
  const excess = Math.ceil(sb.dentryLru.size - sb.dentryRoom);
  return excess > 0 ? shrinkDentries(sb, excess) : 0;
}

/** Drop an unreferenced dentry if its inode can stay or go without a sleep. */
function tryPrune(dentry: Dentry): boolean {
  const { inode, parent } = dentry;
  if (inode?.count === 1 && inode.nlink === 0) return false;
  detach(dentry);
  if (inode) iputNowait(inode);
  // The parent may become unreferenced, and so reclaimable in its turn; it is hashed or a root.
  if (parent && !dputNowait(parent)) parent.count--;
  return true;
}

/** Forget the unreferenced names below a removed directory. @context Does not sleep. */
export function shrinkChildren(dentry: Dentry): void {
  for (const child of dentry.children?.values() ?? []) {
    if (child.count === 0) tryPrune(child);
  }
}

/**
 * Umount: every unreferenced dentry goes, deepest first. @context May sleep.
 * @returns whether only the root is left, with one user
 */
export function* shrinkForUmount(sb: SuperBlock): Op<boolean> {
  const { root } = sb;
  if (!root) return true;
  const order: Dentry[] = [root];
  for (let i = 0; i < order.length; i++) {
    // One by one: a call takes only so many arguments, and a directory has more names than that.
    for (const child of order[i]?.children?.values() ?? []) order.push(child);
  }
  for (const d of order.reverse()) {
    if (d === root || d.count > 0) continue;
    // Unhashed it does not stay cached.
    dDrop(d);
    yield* dput(d.hold());
  }
  return root.count === 1 && (root.children?.size ?? 0) === 0;
}
