/** stat: everything that is known of an inode. */
import { S_IFBLK, S_IFCHR, S_IFMT } from '../../base/mode.ts';
import type { Cli } from '../context.ts';
import { longTime, modeText, octal, typeWord } from '../format.ts';
import { imageLocation } from '../location.ts';
import { jsonName, print, printJson, printName } from '../output.ts';
import { devMajor, devMinor, isLink, type Stat } from '../tree.ts';
import { statJson } from './ls.ts';

export interface StatOptions {
  readonly dereference?: true;
}

export function stat(cli: Cli, paths: readonly string[], o: StatOptions): void {
  const places = paths.map(imageLocation);
  cli.withImages([], () => {
    cli.each(places, ({ image, path }) => {
      const tree = cli.image(image);
      const found = o.dereference === true ? tree.stat(path) : tree.lstat(path);
      const target = isLink(found) ? tree.readlink(path) : null;
      if (cli.json) {
        const arrow = target === null ? {} : jsonName('target', target);
        printJson({ path: tree.show(path), ...statJson(found), ...arrow });
        return;
      }
      const arrow = target === null ? '' : ` -> ${target}`;
      printName(`  File: ${image}:${path}${arrow}`);
      for (const line of lines(found)) print(line);
    });
  });
}

function lines(s: Stat): string[] {
  const type = s.mode & S_IFMT;
  const device = type === S_IFCHR || type === S_IFBLK;
  const numbers = device ? `   Device: ${devMajor(s.rdev)},${devMinor(s.rdev)}` : '';
  return [
    `  Size: ${s.size}   Blocks: ${s.blocks}   Type: ${typeWord(s.mode)}${numbers}`,
    ` Inode: ${s.ino}   Links: ${s.nlink}`,
    `Access: (${octal(s.mode)}/${modeText(s.mode)})   Uid: ${s.uid}   Gid: ${s.gid}`,
    `Access: ${longTime(s.atime)}`,
    `Modify: ${longTime(s.mtime)}`,
    `Change: ${longTime(s.ctime)}`,
    ` Birth: ${s.btime ? longTime(s.btime) : '-'}`,
  ];
}
