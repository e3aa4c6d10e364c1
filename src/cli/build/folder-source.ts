/** A folder of the host as a source. */
import { S_IFBLK, S_IFCHR } from '../../base/mode.ts';
import { nameToText, type Name } from '../../base/name.ts';
import { causeOf, CliError } from '../errors.ts';
import { HostTree } from '../host-tree.ts';
import type { FolderXattrs } from '../host-xattrs.ts';
import { joinPath } from '../location.ts';
import { DataRuns, type Runs } from '../sparse.ts';
import { isDir, isLink, isReg, type Stat } from '../tree.ts';
import { type Content, Item } from './item.ts';
import type { MergedTree } from './merged-tree.ts';

export interface FolderOptions {
  /** Reading a file changes its time of access: for equal bytes it is set to the time of change. */
  readonly fixedAtime: boolean;
  /** Inodes to leave out: the image that is being made. */
  readonly skip: ReadonlySet<string>;
  /** What is reading the folder's extended attributes meanwhile. */
  readonly xattrs: FolderXattrs | null;
}

export const inodeKey = (s: Pick<Stat, 'dev' | 'ino'>): string => `${s.dev}:${s.ino}`;

/**
 * Everything below `folder` goes into the tree, the folder itself to its root.
 * @returns did extended attributes come with it?
 */
export async function addFolder(
  tree: MergedTree,
  folder: Name,
  o: FolderOptions,
): Promise<boolean> {
  const layer = tree.nextLayer();
  addFiles(tree, folder, layer, o);
  if (o.xattrs === null) return false;
  return await o.xattrs.finish((path, xattrs) => {
    const item = tree.get(path);
    // What came into the folder after it was listed is not in the image either.
    if (item?.layer === layer) item.xattrs = xattrs;
  });
}

function addFiles(tree: MergedTree, folder: Name, layer: number, o: FolderOptions): void {
  const host = new HostTree();
  const links = new Map<string, Item>();
  const todo: { from: Name; to: Name; stat: Stat }[] = [
    { from: folder, to: '/' as Name, stat: host.stat(folder) },
  ];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const { from, to, stat } = next;
    const key = inodeKey(stat);
    if (o.skip.has(key)) continue;
    try {
      tree.put(to, itemOf(host, from, stat, layer, o, links));
      if (!isDir(stat)) continue;
      for (const name of host.list(from).reverse()) {
        const path = joinPath(from, name);
        todo.push({ from: path, to: joinPath(to, name), stat: host.lstat(path) });
      }
    } catch (e) {
      const cause = causeOf(e);
      if (cause === null) throw e;
      throw new CliError(codeOf(e), `${nameToText(from)}: ${cause.replace(/ \([A-Z0-9]+\)$/, '')}`);
    }
  }
}

const codeOf = (e: unknown): string => (e as { code: string }).code;

function itemOf(
  host: HostTree,
  from: Name,
  stat: Stat,
  layer: number,
  o: FolderOptions,
  links: Map<string, Item>,
): Item {
  const key = inodeKey(stat);
  const known = stat.nlink > 1 && !isDir(stat) ? links.get(key) : undefined;
  if (known !== undefined) return known;
  const item = new Item(stat.mode, stat.mtime, layer);
  item.uid = stat.uid;
  item.gid = stat.gid;
  if (!o.fixedAtime) item.atime = stat.atime;
  if (isReg(stat)) {
    item.size = stat.size;
    item.content = new HostContent(host, from, stat);
  } else if (isLink(stat)) {
    item.target = host.readlink(from);
  } else if (item.type === S_IFCHR || item.type === S_IFBLK) {
    item.rdev = stat.rdev;
  }
  if (stat.nlink > 1) links.set(key, item);
  return item;
}

/** A regular file of the host, opened when its turn comes. */
class HostContent implements Content {
  readonly dataBytes: number;
  private readonly host: HostTree;
  private readonly path: Name;
  private readonly stat: Stat;

  constructor(host: HostTree, path: Name, stat: Stat) {
    this.host = host;
    this.path = path;
    this.stat = stat;
    this.dataBytes = Math.min(stat.size, stat.blocks * 512);
  }

  runs(buffer: Uint8Array<ArrayBuffer>): Runs {
    return new DataRuns(this.host.open(this.path), this.stat, buffer);
  }
}
