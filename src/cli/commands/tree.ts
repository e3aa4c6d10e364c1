/** tree: a directory and all below it, drawn. */
import type { Name } from '../../base/name.ts';
import type { Cli } from '../context.ts';
import { parseNumber } from '../format.ts';
import type { ImageTree } from '../image-tree.ts';
import { imageLocation, joinPath } from '../location.ts';
import { print, printable, printJson, printName } from '../output.ts';
import { isDir, isLink, type Stat } from '../tree.ts';
import { statJson } from './ls.ts';

export interface TreeOptions {
  readonly all?: true;
  readonly dirsOnly?: true;
  readonly level?: string;
}

export function tree(cli: Cli, paths: readonly string[], o: TreeOptions): void {
  const level = o.level === undefined ? Infinity : parseNumber(o.level, 'a level');
  const places = paths.map(imageLocation);
  cli.withImages([], () => {
    cli.each(places, ({ image, path }) => {
      const drawing = new Drawing(cli, cli.image(image), o, level);
      drawing.draw(path);
    });
  });
}

class Drawing {
  private readonly cli: Cli;
  private readonly tree: ImageTree;
  private readonly o: TreeOptions;
  private readonly level: number;
  private dirs = 0;
  private files = 0;

  constructor(cli: Cli, tree: ImageTree, o: TreeOptions, level: number) {
    this.cli = cli;
    this.tree = tree;
    this.o = o;
    this.level = level;
  }

  draw(path: Name): void {
    const stat = this.tree.lstat(path);
    this.line('', path, path, stat);
    if (isDir(stat)) this.children(path, '', 1);
    if (this.cli.json) return;
    const count = (n: number, one: string, more: string): string => `${n} ${n === 1 ? one : more}`;
    print(
      `\n${count(this.dirs, 'directory', 'directories')}, ${count(this.files, 'file', 'files')}`,
    );
  }

  private line(prefix: string, name: Name, path: Name, stat: Stat): void {
    const target = isLink(stat) ? this.tree.readlink(path) : null;
    if (this.cli.json) {
      const arrow = target === null ? {} : { target: Buffer.from(target, 'latin1').toString() };
      printJson({ path: this.tree.show(path), ...statJson(stat), ...arrow });
    } else {
      const arrow = target === null ? '' : ` -> ${printable(target)}`;
      printName(`${prefix}${printable(name)}${arrow}`);
    }
  }

  private children(path: Name, indent: string, depth: number): void {
    if (depth > this.level) return;
    const { all, dirsOnly } = this.o;
    const entries = this.tree
      .list(path)
      .filter((name) => all === true || !name.startsWith('.'))
      .map((name) => {
        const full = joinPath(path, name);
        return { name, full, stat: this.tree.lstat(full) };
      })
      .filter(({ stat }) => dirsOnly !== true || isDir(stat));
    entries.forEach(({ name, full, stat }, i) => {
      const last = i === entries.length - 1;
      this.line(`${indent}${last ? '`-- ' : '|-- '}`, name, full, stat);
      if (!isDir(stat)) {
        this.files++;
        return;
      }
      this.dirs++;
      this.cli.attempt(this.tree.show(full), () => {
        this.children(full, `${indent}${last ? '    ' : '|   '}`, depth + 1);
      });
    });
  }
}
