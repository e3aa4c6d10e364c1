/**
 * What is known of an inode's mapping without asking the disk: runs of written, unwritten, delayed
 * and hole blocks, and the counter that tells whether a mapping taken earlier is still true.
 *
 * Invariants
 *  ES-1  Entries do not overlap. Neighbours of one kind that continue each other are one entry.
 *  ES-2  Every cached entry agrees with the extent tree, but a delayed entry stands over a hole.
 *  ES-3  `seq` moves with every change of a mapping, in the same breath, and never with a mere
 *        filling from disk or an eviction (protocols E.4: SQ-1 to SQ-4).
 *  ES-4  Delayed entries exist nowhere else and are never evicted.
 * Guard: no sleep inside any function here, so each is atomic. i_data_sem orders them with the
 * tree on disk: shared to cache what was looked up, exclusive to insert or remove.
 * @source fs/ext4/extents_status.c
 */
import { assert } from '../../base/assert.ts';
import { OrderedMap } from '../../base/ordered-map.ts';

export const ES_WRITTEN = 1;
export const ES_UNWRITTEN = 2;
export const ES_DELAYED = 4;
export const ES_HOLE = 8;
export type EsType = typeof ES_WRITTEN | typeof ES_UNWRITTEN | typeof ES_DELAYED | typeof ES_HOLE;

export interface ExtentStatus {
  lblk: number;
  len: number;
  /** First physical block; 0 where the kind has none. */
  pblk: number;
  type: EsType;
  /** Used since the shrinker last came by. */
  referenced: boolean;
}

/** Does the kind have blocks on the device? */
export const esMapped = (type: EsType): boolean => (type & (ES_WRITTEN | ES_UNWRITTEN)) !== 0;

const end = (e: ExtentStatus): number => e.lblk + e.len;

/** Is `b` the continuation of `a`? */
const continues = (a: ExtentStatus, b: ExtentStatus): boolean =>
  a.type === b.type && end(a) === b.lblk && (!esMapped(a.type) || a.pblk + a.len === b.pblk);

/** Entries that all inodes of a file system together keep before the oldest are evicted. */
const MAX_ENTRIES = 1 << 16;

/** The account of one file system: bounds the memory that entries take. */
export class EsCache {
  /** Trees with entries, the least recently served first. */
  private readonly trees = new Set<ExtentStatusTree>();
  entries = 0;

  account(tree: ExtentStatusTree, delta: number): void {
    this.entries += delta;
    if (tree.size === 0) this.trees.delete(tree);
    else if (delta > 0) this.trees.add(tree);
    if (this.entries > MAX_ENTRIES) this.shrink(MAX_ENTRIES >> 3);
  }

  /** Evict about `want` entries, from each inode in turn. Returns how many went. */
  shrink(want: number): number {
    let freed = 0;
    for (let round = 0; round < 2 && freed < want; round++) {
      for (const tree of [...this.trees]) {
        if (freed >= want) break;
        this.trees.delete(tree);
        freed += tree.evict(want - freed);
        if (tree.size > 0) this.trees.add(tree);
      }
    }
    return freed;
  }
}

export class ExtentStatusTree {
  private readonly cache: EsCache;
  private readonly map = new OrderedMap<ExtentStatus>();
  /** The entry found last: sequential access hits it again. */
  private cursor: ExtentStatus | null = null;
  /** Changes of the mapping so far. A cookie is valid while it equals this. */
  seq = 0;

  constructor(cache: EsCache) {
    this.cache = cache;
  }

  get size(): number {
    return this.map.size;
  }

  /** The entry that covers a block, or null if nothing is known of it. */
  lookup(lblk: number): ExtentStatus | null {
    let e = this.cursor;
    if (!e || lblk < e.lblk || lblk >= end(e)) {
      e = this.at(this.map.floor(lblk));
      if (!e || lblk >= end(e)) return null;
      this.cursor = e;
    }
    e.referenced = true;
    return e;
  }

  /** The first delayed entry that ends after `lblk`, or null. */
  findDelayed(lblk: number): ExtentStatus | null {
    const before = this.at(this.map.floor(lblk));
    let key = before && end(before) > lblk ? before.lblk : this.map.higher(lblk);
    for (; key >= 0; key = this.map.higher(key)) {
      const e = this.at(key);
      if (e?.type === ES_DELAYED) return e;
    }
    return null;
  }

  /** The mapping of a range changed: what was known of it gives way. Moves `seq`. */
  insert(lblk: number, len: number, pblk: number, type: EsType): void {
    assert(len > 0, 'an empty extent');
    const before = this.map.size;
    this.carve(lblk, len);
    this.put({ lblk, len, pblk: esMapped(type) ? pblk : 0, type, referenced: true });
    this.seq++;
    this.cache.account(this, this.map.size - before);
  }

  /** What a look-up on disk found: fills only where nothing is known. Does not move `seq`. */
  cacheExtent(lblk: number, len: number, pblk: number, type: EsType): void {
    const before = this.map.size;
    const stop = lblk + len;
    for (let from = lblk; from < stop;) {
      const known = this.at(this.map.floor(from));
      if (known && end(known) > from) {
        from = end(known);
        continue;
      }
      const next = this.map.higher(from);
      const to = next < 0 ? stop : Math.min(stop, next);
      const at = esMapped(type) ? pblk + (from - lblk) : 0;
      this.put({ lblk: from, len: to - from, pblk: at, type, referenced: false });
      from = to;
    }
    this.cache.account(this, this.map.size - before);
  }

  /** Nothing is known of the range any more: it was changed on disk. Moves `seq`. */
  remove(lblk: number, len: number): void {
    const before = this.map.size;
    this.carve(lblk, len);
    this.seq++;
    this.cache.account(this, this.map.size - before);
  }

  /** The inode leaves memory. */
  clear(): void {
    const before = this.map.size;
    for (let key = this.map.ceil(0); key >= 0; key = this.map.ceil(0)) this.map.delete(key);
    this.cursor = null;
    this.seq++;
    this.cache.account(this, -before);
  }

  /** Give up to `want` entries that were not used since the last time. Called by EsCache. */
  evict(want: number): number {
    let freed = 0;
    for (let key = this.map.ceil(0); key >= 0 && freed < want; key = this.map.higher(key)) {
      const e = this.at(key);
      if (!e || e.type === ES_DELAYED) continue;
      if (e.referenced) {
        e.referenced = false;
        continue;
      }
      this.map.delete(key);
      freed++;
    }
    this.cursor = null;
    this.cache.entries -= freed;
    return freed;
  }

  private at(key: number): ExtentStatus | null {
    return key < 0 ? null : (this.map.get(key) ?? null);
  }

  /** Add an entry over nothing, joined with its neighbours where they continue each other. */
  private put(e: ExtentStatus): void {
    const before = this.at(this.map.lower(e.lblk));
    let entry = e;
    if (before && continues(before, e)) {
      before.len += e.len;
      before.referenced ||= e.referenced;
      entry = before;
    } else {
      this.map.set(e.lblk, e);
    }
    const after = this.at(this.map.higher(entry.lblk));
    if (after && continues(entry, after)) {
      entry.len += after.len;
      this.map.delete(after.lblk);
    }
    this.cursor = entry;
  }

  /** Remove a range; entries that reach out of it keep what lies outside. */
  private carve(lblk: number, len: number): void {
    const stop = lblk + len;
    this.cursor = null;
    const first = this.at(this.map.floor(lblk));
    let key = first && end(first) > lblk ? first.lblk : this.map.higher(lblk);
    while (key >= 0 && key < stop) {
      const e = this.at(key);
      assert(e !== null);
      this.map.delete(key);
      if (e.lblk < lblk) this.map.set(e.lblk, { ...e, len: lblk - e.lblk });
      if (end(e) > stop) {
        const cut = stop - e.lblk;
        const pblk = esMapped(e.type) ? e.pblk + cut : 0;
        this.map.set(stop, { ...e, lblk: stop, len: e.len - cut, pblk });
        return;
      }
      key = this.map.higher(key);
    }
  }
}
