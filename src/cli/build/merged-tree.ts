/** One tree out of many sources: a later one goes over what earlier ones have brought. */
import { S_IFDIR, S_IFLNK } from '../../base/mode.ts';
import type { Name } from '../../base/name.ts';
import type { Timespec } from '../../sched/clock.ts';
import { CliError } from '../errors.ts';
import { nameToText } from '../../base/name.ts';
import { Item } from './item.ts';

/** As Linux: path_resolution(7). */
const MAX_SYMLINKS = 40;
const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

export class MergedTree {
  readonly root: Item;
  private readonly time: Timespec;
  private layer = 0;

  /** @param time  of directories that no source describes */
  constructor(time: Timespec) {
    this.time = time;
    this.root = new Item(S_IFDIR | 0o755, time, 0);
  }

  /** What comes from now on lies above what came before. */
  nextLayer(): number {
    return ++this.layer;
  }

  /** Put an item at a path. A directory over a directory keeps what that holds. */
  put(path: Name, item: Item): void {
    const parts = splitPath(path);
    const name = parts.pop();
    item.layer = this.layer;
    if (name === undefined) {
      if (item.children === null) throw bad(path, 'the root must be a directory');
      this.root.adopt(item);
      return;
    }
    const dir = this.directory(parts, path);
    const there = dir.children?.get(name);
    if (there?.children && item.children) there.adopt(item);
    else dir.children?.set(name, item);
  }

  /** What is at a path, symlinks on the way followed, or null. */
  get(path: Name): Item | null {
    const parts = splitPath(path);
    const name = parts.pop();
    if (name === undefined) return this.root;
    const dir = this.walk(parts, path, false);
    return dir?.children?.get(name) ?? null;
  }

  /**
   * A name of an OCI layer that says what is no longer there.
   * @returns false: it is an ordinary name. @source OCI image-spec, layer.md, "Whiteouts"
   */
  whiteout(path: Name): boolean {
    const parts = splitPath(path);
    const name = parts.pop();
    if (name === undefined || !name.startsWith(WHITEOUT)) return false;
    const dir = this.walk(parts, path, false);
    if (!dir?.children) return true;
    if (name === OPAQUE) this.pruneAll(dir);
    else this.prune(dir, name.slice(WHITEOUT.length) as Name);
    return true;
  }

  /** Take away what lower layers have brought. */
  private prune(dir: Item, name: Name): void {
    const item = dir.children?.get(name);
    if (item === undefined) return;
    if (item.layer < this.layer) dir.children?.delete(name);
    else this.pruneAll(item);
  }
  private pruneAll(dir: Item): void {
    for (const name of [...(dir.children?.keys() ?? [])]) this.prune(dir, name);
  }

  private directory(parts: readonly Name[], path: Name): Item {
    const dir = this.walk(parts, path, true);
    if (dir === null) throw bad(path, 'a component of its path is not a directory');
    return dir;
  }

  /**
   * Walk down as if this tree were the root; with `make`, directories that are missing come to be.
   */
  private walk(parts: readonly Name[], path: Name, make: boolean): Item | null {
    const todo = [...parts].reverse();
    const above: Item[] = [];
    let here = this.root;
    for (let followed = 0; todo.length > 0;) {
      const name = todo.pop()!;
      if (name === '..') {
        here = above.pop() ?? this.root;
        continue;
      }
      let next = here.children?.get(name);
      if (next === undefined) {
        if (!make) return null;
        next = new Item(S_IFDIR | 0o755, this.time, this.layer);
        here.children?.set(name, next);
      }
      if (next.type === S_IFLNK) {
        if (++followed > MAX_SYMLINKS)
          throw new CliError('ELOOP', `${nameToText(path)}: too many symlinks`);
        const target = next.target ?? ('' as Name);
        if (target.startsWith('/')) {
          here = this.root;
          above.length = 0;
        }
        todo.push(...components(target).reverse());
        continue;
      }
      if (next.children === null) return null;
      if (make) next.layer = this.layer;
      above.push(here);
      here = next;
    }
    return here;
  }
}

const bad = (path: Name, why: string): CliError =>
  new CliError('EINVAL', `${nameToText(path)}: ${why}`);

const components = (path: Name): Name[] =>
  path.split('/').filter((part) => part !== '' && part !== '.') as Name[];

/** @throws EINVAL a path that would lead out of the image */
function splitPath(path: Name): Name[] {
  const parts = components(path);
  if (parts.includes('..' as Name)) throw bad(path, 'refusing a path with ..');
  return parts;
}
