/** ls: what is in a directory. */
import { S_IFBLK, S_IFCHR, S_IFMT } from '../../base/mode.ts';
import type { Name } from '../../base/name.ts';
import type { Cli } from '../context.ts';
import { columns, humanSize, isoTime, modeText, octal, shortTime, typeWord } from '../format.ts';
import { type ImageTree, sortNames } from '../image-tree.ts';
import { imageLocation, joinPath } from '../location.ts';
import { jsonName, print, printable, printJson, printName } from '../output.ts';
import { devMajor, devMinor, isDir, isLink, type Stat } from '../tree.ts';

export interface LsOptions {
  readonly long?: true;
  readonly all?: true;
  readonly almostAll?: true;
  readonly recursive?: true;
  readonly directory?: true;
  readonly human?: true;
  readonly inode?: true;
  readonly time?: true;
  readonly size?: true;
  readonly reverse?: true;
}

interface Entry {
  readonly name: Name;
  readonly stat: Stat;
  readonly target: Name | null;
}

export function ls(cli: Cli, paths: readonly string[], o: LsOptions): void {
  const places = paths.map(imageLocation);
  cli.withImages([], () => {
    cli.each(places, ({ image, path }) => {
      const tree = cli.image(image);
      const stat = tree.lstat(path);
      // A symlink on the command line is followed, unless -l or -d ask about itself.
      const follow = isLink(stat) && o.long !== true && o.directory !== true;
      const seen = follow ? tree.stat(path) : stat;
      if (isDir(seen) && o.directory !== true)
        new Lister(cli, tree, o).directory(path, places.length > 1);
      else new Lister(cli, tree, o).show([entryOf(tree, path, path, stat)], path);
    });
  });
}

const entryOf = (tree: ImageTree, path: Name, name: Name, stat: Stat): Entry => ({
  name,
  stat,
  target: isLink(stat) ? tree.readlink(path) : null,
});

class Lister {
  private readonly cli: Cli;
  private readonly tree: ImageTree;
  private readonly o: LsOptions;

  constructor(cli: Cli, tree: ImageTree, o: LsOptions) {
    this.cli = cli;
    this.tree = tree;
    this.o = o;
  }

  directory(path: Name, titled: boolean, depth = 0): void {
    const { o, tree } = this;
    if ((titled || o.recursive === true) && !this.cli.json) {
      if (depth > 0) print('');
      print(`${tree.show(path)}:`);
    }
    const entries: Entry[] = [];
    for (const name of this.names(path)) {
      const full = joinPath(path, name);
      this.cli.attempt(tree.show(full), () => {
        entries.push(entryOf(tree, full, name, tree.lstat(full)));
      });
    }
    this.sort(entries);
    this.show(entries, path);
    if (o.recursive !== true) return;
    for (const { name, stat } of entries) {
      if (!isDir(stat) || name === '.' || name === '..') continue;
      const full = joinPath(path, name);
      this.cli.attempt(tree.show(full), () => {
        this.directory(full, true, depth + 1);
      });
    }
  }

  private names(path: Name): Name[] {
    const { all, almostAll } = this.o;
    const names = sortNames(this.tree.entries(path).map((e) => e.name));
    if (all === true) return names;
    return names.filter((n) => (almostAll === true ? n !== '.' && n !== '..' : !n.startsWith('.')));
  }

  private sort(entries: Entry[]): void {
    const { time, size, reverse } = this.o;
    if (size === true) entries.sort((a, b) => b.stat.size - a.stat.size);
    if (time === true) {
      const when = ({ stat: { mtime } }: Entry): number => mtime.sec + mtime.nsec / 1e9;
      entries.sort((a, b) => when(b) - when(a));
    }
    if (reverse === true) entries.reverse();
  }

  show(entries: readonly Entry[], dir: Name): void {
    if (this.cli.json) {
      for (const entry of entries) printJson(entryJson(entry, this.tree, dir));
      return;
    }
    if (this.o.long !== true) {
      for (const { name, stat } of entries) {
        printName((this.o.inode === true ? `${stat.ino} ` : '') + printable(name));
      }
      return;
    }
    const rows = columns(
      entries.map((e) => this.cells(e)),
      this.o.inode === true ? [1] : [0],
    );
    entries.forEach(({ name, target }, i) => {
      const arrow = target === null ? '' : ` -> ${printable(target)}`;
      printName(`${rows[i] ?? ''} ${printable(name)}${arrow}`);
    });
  }

  private cells({ stat }: Entry): string[] {
    const type = stat.mode & S_IFMT;
    const device = type === S_IFCHR || type === S_IFBLK;
    const numbers = `${devMajor(stat.rdev)}, ${devMinor(stat.rdev)}`;
    const size = this.o.human === true ? humanSize(stat.size) : String(stat.size);
    return [
      ...(this.o.inode === true ? [String(stat.ino)] : []),
      modeText(stat.mode),
      String(stat.nlink),
      String(stat.uid),
      String(stat.gid),
      device ? numbers : size,
      shortTime(stat.mtime),
    ];
  }
}

function entryJson({ name, stat, target }: Entry, tree: ImageTree, dir: Name): object {
  return {
    ...jsonName('name', name),
    directory: tree.show(dir),
    ...statJson(stat),
    ...(target === null ? {} : jsonName('target', target)),
  };
}

/** The facts of a stat, for JSON. */
export function statJson(stat: Stat): object {
  const type = stat.mode & S_IFMT;
  const device = type === S_IFCHR || type === S_IFBLK;
  return {
    type: typeWord(stat.mode),
    ino: stat.ino,
    mode: octal(stat.mode),
    nlink: stat.nlink,
    uid: stat.uid,
    gid: stat.gid,
    size: stat.size,
    blocks: stat.blocks,
    ...(device ? { major: devMajor(stat.rdev), minor: devMinor(stat.rdev) } : {}),
    atime: isoTime(stat.atime),
    mtime: isoTime(stat.mtime),
    ctime: isoTime(stat.ctime),
    ...(stat.btime ? { btime: isoTime(stat.btime) } : {}),
  };
}
