/**
 * The dentry cache: names that were looked up, found or not.
 *
 *   allocated --dAdd(inode)--> positive --unlink, last user--> negative --reclaim--> gone
 *                 \-dAdd(null)-> negative --dInstantiate--> positive
 *
 * Invariants
 *  D-1  A positive dentry holds one reference of its inode. A child holds one of its parent.
 *  D-2  `children` of a directory is complete for nothing: a missing name means "ask the disk".
 *  D-3  `parent` and `name` change only under the rename mutex and both directories' i_rwsem.
 *  D-4  A directory inode has at most one dentry.
 * @source fs/dcache.c
 */
import { assert } from '../base/assert.ts';
import { asciiName, type Name } from '../base/name.ts';
import type { Inode } from './inode.ts';
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
  children: Map<Name, Dentry> | null = null;

  constructor(sb: SuperBlock, parent: Dentry | null, name: Name) {
    this.sb = sb;
    this.parent = parent;
    this.name = name;
    if (parent) parent.count++;
  }

  get negative(): boolean {
    return this.inode === null;
  }

  hold(): this {
    this.count++;
    return this;
  }
}

/** The root of a mount; takes over the caller's reference of `inode`. */
export function dMakeRoot(sb: SuperBlock, inode: Inode): Dentry {
  const root = new Dentry(sb, null, asciiName(''));
  root.inode = inode;
  root.hashed = true;
  return root;
}

/** A cached name of a directory, with a reference. @context Does not sleep. */
export function dLookup(parent: Dentry, name: Name): Dentry | null {
  return parent.children?.get(name)?.hold() ?? null;
}

/** Put a new dentry into its directory; takes over a reference of `inode` (null: negative). */
export function dAdd(dentry: Dentry, inode: Inode | null): void {
  const { parent } = dentry;
  assert(parent !== null && !dentry.hashed);
  dentry.inode = inode;
  (parent.children ??= new Map()).set(dentry.name, dentry);
  dentry.hashed = true;
}

/** A negative dentry gets its inode; takes over the caller's reference. */
export function dInstantiate(dentry: Dentry, inode: Inode): void {
  assert(dentry.inode === null, 'dentry has an inode already');
  dentry.inode = inode;
}
