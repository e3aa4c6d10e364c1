/** extents: where the blocks of files are. @source filefrag(8) */
import {
  FIEMAP_EXTENT_DATA_INLINE,
  FIEMAP_EXTENT_DELALLOC,
  FIEMAP_EXTENT_LAST,
  FIEMAP_EXTENT_NOT_ALIGNED,
  FIEMAP_EXTENT_SHARED,
  FIEMAP_EXTENT_UNKNOWN,
  FIEMAP_EXTENT_UNWRITTEN,
} from '../../iomap/seek.ts';
import { sysClose } from '../../syscall/open.ts';
import { sysFiemap } from '../../syscall/stat.ts';
import type { FiemapExtent } from '../../vfs/inode.ts';
import type { Name } from '../../base/name.ts';
import type { Cli } from '../context.ts';
import { CliError } from '../errors.ts';
import { columns } from '../format.ts';
import type { ImageTree } from '../image-tree.ts';
import { insideImage } from '../location.ts';
import { print, printJson } from '../output.ts';
import { isDir, isReg, type Stat } from '../tree.ts';

export interface ExtentsOptions {
  readonly bytes?: true;
}

const FLAGS: readonly (readonly [number, string])[] = [
  [FIEMAP_EXTENT_UNKNOWN, 'unknown'],
  [FIEMAP_EXTENT_DELALLOC, 'delalloc'],
  [FIEMAP_EXTENT_NOT_ALIGNED, 'not_aligned'],
  [FIEMAP_EXTENT_DATA_INLINE, 'inline'],
  [FIEMAP_EXTENT_UNWRITTEN, 'unwritten'],
  [FIEMAP_EXTENT_SHARED, 'shared'],
  [FIEMAP_EXTENT_LAST, 'last'],
];
const flagNames = (flags: number): string[] =>
  FLAGS.filter(([bit]) => flags & bit).map(([, name]) => name);

export function extents(cli: Cli, paths: readonly string[], o: ExtentsOptions): void {
  const places = paths.map(insideImage);
  cli.withImages([], () => {
    cli.each(places, ({ image, path }) => {
      const tree = cli.image(image);
      const stat = tree.stat(path);
      if (!isReg(stat) && !isDir(stat))
        throw new CliError('EINVAL', 'neither a file nor a directory');
      const found = extentsOf(tree, path);
      if (cli.json) showJson(tree.show(path), stat, found);
      else show(tree.show(path), stat, found, o.bytes === true ? 1 : tree.volume.sb.blockSize);
    });
  });
}

function extentsOf(tree: ImageTree, path: Name): FiemapExtent[] {
  const { process } = tree.volume;
  const fd = tree.openReadable(path);
  const found: FiemapExtent[] = [];
  try {
    tree.ask(
      sysFiemap(process, fd, 0, Number.MAX_SAFE_INTEGER, (extent) => {
        found.push(extent);
        return true;
      }),
    );
  } finally {
    tree.ask(sysClose(process, fd));
  }
  return found;
}

const isInline = ({ flags }: FiemapExtent): boolean => (flags & FIEMAP_EXTENT_DATA_INLINE) !== 0;

/** Pieces that do not follow each other on the disk. */
function fragments(found: readonly FiemapExtent[]): number {
  let n = 0;
  let next = -1;
  for (const e of found) {
    if (e.physical !== next) n++;
    next = e.physical + e.length;
  }
  return n;
}

function showJson(path: string, stat: Stat, found: readonly FiemapExtent[]): void {
  printJson({
    path,
    size: stat.size,
    inline: found.some(isInline),
    fragments: fragments(found),
    extents: found.map(({ logical, physical, length, flags }) => ({
      logical,
      physical,
      length,
      flags: flagNames(flags),
    })),
  });
}

function show(path: string, stat: Stat, found: readonly FiemapExtent[], unit: number): void {
  print(`${path}: ${stat.size} bytes, unit ${unit}`);
  if (found.some(isInline)) print('  inline: the data is in the inode');
  const range = (from: number, length: number): string =>
    `${from / unit}..${Math.max(from, from + length - unit) / unit}`;
  const rows = found
    .filter((e) => !isInline(e))
    .map((e, i) => [
      String(i),
      range(e.logical, e.length),
      range(e.physical, e.length),
      String(e.length / unit),
      flagNames(e.flags).join(','),
    ]);
  const head = ['ext', 'logical', 'physical', 'length', 'flags'];
  if (rows.length > 0) for (const line of columns([head, ...rows], [4])) print(`  ${line}`);
  const n = fragments(found);
  print(`  ${n} ${n === 1 ? 'fragment' : 'fragments'}`);
}
