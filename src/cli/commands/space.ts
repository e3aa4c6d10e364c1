/** df and du: how much room is there, and who takes it. */
import type { Name } from '../../base/name.ts';
import { sysStatfs } from '../../syscall/stat.ts';
import type { Kstatfs } from '../../vfs/stat.ts';
import type { Cli } from '../context.ts';
import { columns, humanSize } from '../format.ts';
import type { ImageTree } from '../image-tree.ts';
import { imageLocation, joinPath } from '../location.ts';
import { print, printJson, printName } from '../output.ts';
import { isDir } from '../tree.ts';

export interface DfOptions {
  readonly human?: true;
  readonly inodes?: true;
}

export function df(cli: Cli, images: readonly string[], o: DfOptions): void {
  const places = images.map(imageLocation);
  const found: (Kstatfs & { image: string })[] = [];
  cli.withImages([], () => {
    cli.each(places, ({ image, path }) => {
      const tree = cli.image(image);
      found.push({ image, ...tree.ask(sysStatfs(tree.volume.process, path)) });
    });
  });
  if (cli.json) for (const f of found) printJson(dfJson(f));
  else if (found.length > 0) dfTable(found, o);
}

const dfJson = (f: Kstatfs & { image: string }): object => ({
  image: f.image,
  blockSize: f.bsize,
  blocks: f.blocks,
  free: f.bfree,
  available: f.bavail,
  inodes: f.files,
  inodesFree: f.ffree,
});

function dfTable(found: readonly (Kstatfs & { image: string })[], o: DfOptions): void {
  const head =
    o.inodes === true
      ? ['Image', 'Inodes', 'IUsed', 'IFree', 'IUse%']
      : ['Image', o.human === true ? 'Size' : '1K-blocks', 'Used', 'Available', 'Use%'];
  const percent = (used: number, rest: number): string =>
    used + rest === 0 ? '-' : `${Math.ceil((100 * used) / (used + rest))}%`;
  const rows = found.map((f) => {
    if (o.inodes === true) {
      const used = f.files - f.ffree;
      return [f.image, String(f.files), String(used), String(f.ffree), percent(used, f.ffree)];
    }
    const show = (blocks: number): string =>
      o.human === true ? humanSize(blocks * f.bsize) : String(Math.ceil((blocks * f.bsize) / 1024));
    const used = f.blocks - f.bfree;
    return [f.image, show(f.blocks), show(used), show(f.bavail), percent(used, f.bavail)];
  });
  for (const line of columns([head, ...rows], [0])) print(line);
}

export interface DuOptions {
  readonly human?: true;
  readonly summarize?: true;
  readonly all?: true;
  readonly apparentSize?: true;
  readonly bytes?: true;
  readonly total?: true;
}

export function du(cli: Cli, paths: readonly string[], o: DuOptions): void {
  const places = paths.map(imageLocation);
  let total = 0;
  cli.withImages([], () => {
    cli.each(places, ({ image, path }) => {
      total += new Counter(cli, cli.image(image), o).count(path, true);
    });
  });
  if (o.total === true) show(cli, o, total, 'total');
}

const apparent = (o: DuOptions): boolean => o.apparentSize === true || o.bytes === true;

function show(cli: Cli, o: DuOptions, bytes: number, path: string): void {
  if (cli.json) printJson({ path: Buffer.from(path, 'latin1').toString(), bytes });
  else if (o.human === true) printName(`${humanSize(bytes)}\t${path}`);
  else printName(`${o.bytes === true ? bytes : Math.ceil(bytes / 1024)}\t${path}`);
}

class Counter {
  private readonly cli: Cli;
  private readonly tree: ImageTree;
  private readonly o: DuOptions;
  /** Inodes with more names count once. */
  private readonly seen = new Set<number>();

  constructor(cli: Cli, tree: ImageTree, o: DuOptions) {
    this.cli = cli;
    this.tree = tree;
    this.o = o;
  }

  count(path: Name, top: boolean): number {
    const { tree, o } = this;
    const stat = tree.lstat(path);
    const dir = isDir(stat);
    if (!dir && stat.nlink > 1) {
      if (this.seen.has(stat.ino)) return 0;
      this.seen.add(stat.ino);
    }
    let bytes = apparent(o) ? stat.size : stat.blocks * 512;
    if (dir) {
      for (const name of tree.list(path)) {
        const child = joinPath(path, name);
        this.cli.attempt(tree.show(child), () => {
          bytes += this.count(child, false);
        });
      }
    }
    if (top || (o.summarize !== true && (dir || o.all === true))) {
      show(this.cli, o, bytes, `${tree.volume.image}:${path}`);
    }
    return bytes;
  }
}
