/**
 * A map ordered by number: a B+tree, which in short arrays of numbers beats the red-black trees
 * that Linux uses in the same places (extent status, VMAs, preallocations) and needs no node an
 * entry.
 *
 * Searches return a key or -1, so a walk is `for (k = m.ceil(a); k >= 0; k = m.higher(k))`, and it
 * stays right whatever is set or deleted on the way. The leaf of the last search is remembered:
 * the usual `get(floor(x))`, and each step of a walk, finds its leaf at once.
 *
 *  OM-1  Keys are in ascending order within a leaf, and along the chain of leaves.
 *  OM-2  All leaves have the same depth; all nodes but the root are at least half full.
 *  OM-3  `keys[i]` of a branch is at least every key below child i, and below every key of child
 *  i+1.
 */
import { assert } from './assert.ts';

const MAX = 32;
const MIN = MAX / 2;

class Leaf<V> {
  keys: number[] = [];
  values: V[] = [];
  prev: Leaf<V> | null = null;
  next: Leaf<V> | null = null;
}
class Branch<V> {
  /** One less than there are children: what separates them. */
  keys: number[] = [];
  children: TreeNode<V>[] = [];
}
type TreeNode<V> = Leaf<V> | Branch<V>;

/** How many keys are below `key`: where it is, or where it would be put. */
function lowerBound(keys: readonly number[], key: number): number {
  let lo = 0;
  let hi = keys.length;
  while (lo < hi) {
    const mid = (lo + hi) >>> 1;
    if (keys[mid]! < key) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

/** splice() without the array that it returns; runs are short. */
function insertAt<E>(array: E[], at: number, item: E): void {
  array.push(item);
  for (let i = array.length - 1; i > at; i--) array[i] = array[i - 1]!;
  array[at] = item;
}
function removeAt(array: unknown[], at: number): void {
  for (let i = at + 1; i < array.length; i++) array[i - 1] = array[i];
  array.pop();
}

export class OrderedMap<V> {
  /** Entries held. */
  size = 0;
  private root: TreeNode<V> = new Leaf<V>();
  /** The leaf that the last search ended in; always one of the tree. */
  private hint: Leaf<V> = this.root as Leaf<V>;

  get(key: number): V | undefined {
    const leaf = this.leafOf(key);
    const at = lowerBound(leaf.keys, key);
    return leaf.keys[at] === key ? leaf.values[at] : undefined;
  }

  has(key: number): boolean {
    const leaf = this.leafOf(key);
    return leaf.keys[lowerBound(leaf.keys, key)] === key;
  }

  /** @param key  a number from 0: -1 is what searches answer when there is none */
  set(key: number, value: V): void {
    assert(key >= 0, 'keys are numbers from 0');
    const leaf = this.leafOf(key);
    const at = lowerBound(leaf.keys, key);
    if (leaf.keys[at] === key) {
      leaf.values[at] = value;
      return;
    }
    this.size++;
    if (leaf.keys.length < MAX) {
      insertAt(leaf.keys, at, key);
      insertAt(leaf.values, at, value);
      return;
    }
    const added = this.insertBelow(this.root, key, value);
    if (added === null) return;
    const root = new Branch<V>();
    root.keys.push(added.separator);
    root.children.push(this.root, added.node);
    this.root = root;
  }

  /** @returns whether there was such an entry */
  delete(key: number): boolean {
    const leaf = this.leafOf(key);
    const at = lowerBound(leaf.keys, key);
    if (leaf.keys[at] !== key) return false;
    this.size--;
    if (leaf.keys.length > MIN || leaf === this.root) {
      removeAt(leaf.keys, at);
      removeAt(leaf.values, at);
      return true;
    }
    this.removeBelow(this.root, key);
    if (this.root instanceof Branch && this.root.children.length === 1) {
      this.root = this.root.children[0]!;
    }
    return true;
  }

  clear(): void {
    this.size = 0;
    this.root = this.hint = new Leaf<V>();
  }

  /** The greatest key at or below `key`, or -1. `floor(Infinity)` is the last key. */
  floor(key: number): number {
    const leaf = this.leafOf(key);
    const at = lowerBound(leaf.keys, key);
    if (leaf.keys[at] === key) return key;
    return at > 0 ? leaf.keys[at - 1]! : this.lastOf(leaf.prev);
  }

  /** The least key at or above `key`, or -1. `ceil(0)` is the first key. */
  ceil(key: number): number {
    const leaf = this.leafOf(key);
    const at = lowerBound(leaf.keys, key);
    return at < leaf.keys.length ? leaf.keys[at]! : this.firstOf(leaf.next);
  }

  /** The greatest key below `key`, or -1. */
  lower(key: number): number {
    const leaf = this.leafOf(key);
    const at = lowerBound(leaf.keys, key);
    return at > 0 ? leaf.keys[at - 1]! : this.lastOf(leaf.prev);
  }

  /** The least key above `key`, or -1. */
  higher(key: number): number {
    const leaf = this.leafOf(key);
    let at = lowerBound(leaf.keys, key);
    if (leaf.keys[at] === key) at++;
    return at < leaf.keys.length ? leaf.keys[at]! : this.firstOf(leaf.next);
  }

  private firstOf(leaf: Leaf<V> | null): number {
    if (leaf === null) return -1;
    this.hint = leaf;
    return leaf.keys[0]!;
  }
  private lastOf(leaf: Leaf<V> | null): number {
    if (leaf === null) return -1;
    this.hint = leaf;
    return leaf.keys[leaf.keys.length - 1]!;
  }

  /** The leaf whose range holds `key`. */
  private leafOf(key: number): Leaf<V> {
    const { keys } = this.hint;
    if (keys.length > 0 && keys[0]! <= key && key <= keys[keys.length - 1]!) return this.hint;
    let node = this.root;
    while (node instanceof Branch) node = node.children[lowerBound(node.keys, key)]!;
    this.hint = node;
    return node;
  }

  /** Insert a new key below `node`. @returns the right half and what separates it, if it split */
  private insertBelow(node: TreeNode<V>, key: number, value: V): Split<V> | null {
    const at = lowerBound(node.keys, key);
    if (node instanceof Leaf) {
      insertAt(node.keys, at, key);
      insertAt(node.values, at, value);
      return node.keys.length > MAX ? splitLeaf(node) : null;
    }
    const added = this.insertBelow(node.children[at]!, key, value);
    if (added === null) return null;
    insertAt(node.keys, at, added.separator);
    insertAt(node.children, at + 1, added.node);
    return node.children.length > MAX ? splitBranch(node) : null;
  }

  /** Remove a key that exists below `node`, and keep the child it was in half full. */
  private removeBelow(node: TreeNode<V>, key: number): void {
    const at = lowerBound(node.keys, key);
    if (node instanceof Leaf) {
      removeAt(node.keys, at);
      removeAt(node.values, at);
      return;
    }
    const child = node.children[at]!;
    this.removeBelow(child, key);
    const fill = child instanceof Leaf ? child.keys.length : child.children.length;
    if (fill >= MIN) return;
    // Level with the left neighbour, or the first child with its right one.
    this.level(node, Math.max(0, at - 1));
  }

  /** Children `left` and `left + 1` become one, or share what they hold. */
  private level(parent: Branch<V>, left: number): void {
    const a = parent.children[left]!;
    const b = parent.children[left + 1]!;
    let gone: boolean;
    if (a instanceof Leaf && b instanceof Leaf) {
      gone = levelLeaves(parent, left, a, b);
      if (gone && this.hint === b) this.hint = a;
    } else {
      gone = levelBranches(parent, left, a as Branch<V>, b as Branch<V>);
    }
    if (gone) {
      removeAt(parent.keys, left);
      removeAt(parent.children, left + 1);
    }
  }
}

interface Split<V> {
  readonly separator: number;
  readonly node: TreeNode<V>;
}

function splitLeaf<V>(leaf: Leaf<V>): Split<V> {
  const right = new Leaf<V>();
  const cut = leaf.keys.length >>> 1;
  right.keys = leaf.keys.splice(cut);
  right.values = leaf.values.splice(cut);
  right.next = leaf.next;
  right.prev = leaf;
  if (right.next) right.next.prev = right;
  leaf.next = right;
  return { separator: leaf.keys[cut - 1]!, node: right };
}

function splitBranch<V>(branch: Branch<V>): Split<V> {
  const right = new Branch<V>();
  const cut = branch.children.length >>> 1;
  right.children = branch.children.splice(cut);
  right.keys = branch.keys.splice(cut);
  return { separator: branch.keys.pop()!, node: right };
}

/** @returns whether `b` was emptied into `a` */
function levelLeaves<V>(parent: Branch<V>, left: number, a: Leaf<V>, b: Leaf<V>): boolean {
  const total = a.keys.length + b.keys.length;
  const keys = a.keys.concat(b.keys);
  const values = a.values.concat(b.values);
  if (total <= MAX) {
    a.keys = keys;
    a.values = values;
    a.next = b.next;
    if (b.next) b.next.prev = a;
    return true;
  }
  const cut = total >>> 1;
  b.keys = keys.splice(cut);
  b.values = values.splice(cut);
  a.keys = keys;
  a.values = values;
  parent.keys[left] = keys[cut - 1]!;
  return false;
}

/** @returns whether `b` was emptied into `a` */
function levelBranches<V>(parent: Branch<V>, left: number, a: Branch<V>, b: Branch<V>): boolean {
  const keys = [...a.keys, parent.keys[left]!, ...b.keys];
  const children = a.children.concat(b.children);
  if (children.length <= MAX) {
    a.keys = keys;
    a.children = children;
    return true;
  }
  const cut = children.length >>> 1;
  b.children = children.splice(cut);
  b.keys = keys.splice(cut);
  parent.keys[left] = keys.pop()!;
  a.keys = keys;
  a.children = children;
  return false;
}
