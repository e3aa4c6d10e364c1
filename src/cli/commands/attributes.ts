/** chmod, chown, xattr: what changes a file's attributes. */
import type { Name } from '../../base/name.ts';
import { nameFromText, nameToText } from '../../base/name.ts';
import { sysGetxattr, sysListxattr, sysRemovexattr, sysSetxattr } from '../../syscall/xattr.ts';
import { sysChown } from '../../syscall/attr.ts';
import type { Cli } from '../context.ts';
import { CliError, hasCode, UsageError } from '../errors.ts';
import type { ImageTree } from '../image-tree.ts';
import { insideImage, joinPath } from '../location.ts';
import { parseMode } from '../mode-change.ts';
import { print, printJson, printName, writeBytes } from '../output.ts';
import { isDir, isLink } from '../tree.ts';
import { changeEach } from './make.ts';

export interface RecursiveOption {
  readonly recursive?: true;
  readonly dereference?: boolean;
}

export function chmod(cli: Cli, mode: string, paths: readonly string[], o: RecursiveOption): void {
  const change = parseMode(mode);
  const one = (tree: ImageTree, path: Name): void => {
    const { mode: old } = tree.stat(path);
    tree.chmod(path, change(old) & 0o7777);
  };
  changeEach(cli, paths, (tree, path) => {
    one(tree, path);
    if (o.recursive !== true) return;
    below(cli, tree, path, (child, stat) => {
      // The target of a symlink lies elsewhere, and may be none of ours.
      if (!isLink(stat)) one(tree, child);
    });
  });
}

export function chown(cli: Cli, owner: string, paths: readonly string[], o: RecursiveOption): void {
  const { uid, gid } = parseOwner(owner);
  changeEach(cli, paths, (tree, path) => {
    if (o.dereference === false || o.recursive === true) tree.lchown(path, uid, gid);
    else tree.change(sysChown(tree.volume.process, path, uid, gid));
    if (o.recursive !== true) return;
    below(cli, tree, path, (child) => {
      tree.lchown(child, uid, gid);
    });
  });
}

type Stats = ReturnType<ImageTree['lstat']>;

/** Everything below a directory, a directory before what it holds. */
function below(cli: Cli, tree: ImageTree, dir: Name, act: (path: Name, stat: Stats) => void): void {
  if (!isDir(tree.lstat(dir))) return;
  for (const name of tree.list(dir)) {
    const path = joinPath(dir, name);
    cli.attempt(tree.show(path), () => {
      const stat = tree.lstat(path);
      act(path, stat);
      if (isDir(stat)) below(cli, tree, path, act);
    });
  }
}

/** `UID`, `UID:GID`, `UID:`, `:GID`; -1 leaves one alone. Images know no names. */
export function parseOwner(text: string): { uid: number; gid: number } {
  const match = /^(\d*)(?:[:.](\d*))?$/.exec(text);
  if (match === null || text === '' || text === ':') {
    throw new UsageError(`${text}: USER:GROUP in numbers; an image does not know names`);
  }
  const id = (digits: string | undefined): number => {
    if (digits === undefined || digits === '') return -1;
    const n = Number(digits);
    if (n > 0xffff_fffe) throw new UsageError(`${digits}: not an id`);
    return n;
  };
  return { uid: id(match[1]), gid: id(match[2]) };
}

export interface XattrOptions {
  readonly dereference?: boolean;
  readonly hex?: true;
  readonly base64?: true;
}

const follows = (o: XattrOptions): boolean => o.dereference !== false;

export function xattrList(cli: Cli, path: string, o: XattrOptions): void {
  const place = insideImage(path);
  cli.withImages([], () => {
    cli.each([place], () => {
      const tree = cli.image(place.image);
      const { process } = tree.volume;
      const names = [...tree.ask(sysListxattr(process, place.path, follows(o)))].sort();
      for (const name of names) {
        if (!cli.json) printName(name);
        else printJson({ name: nameToText(name), base64: base64(read(tree, place.path, name, o)) });
      }
    });
  });
}

const read = (tree: ImageTree, path: Name, name: Name, o: XattrOptions): Uint8Array =>
  tree.ask(sysGetxattr(tree.volume.process, path, name, follows(o)));
const base64 = (value: Uint8Array): string => Buffer.from(value).toString('base64');

export function xattrGet(cli: Cli, path: string, name: string, o: XattrOptions): void {
  const place = insideImage(path);
  cli.withImages([], () => {
    cli.each([place], () => {
      const tree = cli.image(place.image);
      const value = withName(name, () => read(tree, place.path, nameFromText(name), o));
      if (cli.json) printJson({ name, base64: base64(value) });
      else if (o.hex === true) print(Buffer.from(value).toString('hex'));
      else if (o.base64 === true) print(base64(value));
      else writeBytes(value);
    });
  });
}

export function xattrSet(
  cli: Cli,
  path: string,
  name: string,
  text: string,
  o: XattrOptions,
): void {
  const value = parseValue(text, o);
  changeEach(cli, [path], (tree, p) => {
    withName(name, () => {
      const { process } = tree.volume;
      tree.change(sysSetxattr(process, p, nameFromText(name), value, 0, follows(o)));
    });
  });
}

export function xattrRemove(cli: Cli, path: string, name: string, o: XattrOptions): void {
  changeEach(cli, [path], (tree, p) => {
    withName(name, () => {
      tree.change(sysRemovexattr(tree.volume.process, p, nameFromText(name), follows(o)));
    });
  });
}

/** ENODATA alone does not say of what there is none. */
function withName<T>(name: string, act: () => T): T {
  try {
    return act();
  } catch (e) {
    if (hasCode(e, 'ENODATA')) throw new CliError('ENODATA', `no attribute ${name}`);
    throw e;
  }
}

function parseValue(text: string, o: XattrOptions): Uint8Array {
  if (o.hex === true) {
    const hex = text.replace(/^0x/i, '');
    if (!/^([0-9a-f]{2})*$/i.test(hex)) throw new UsageError(`${text}: not hexadecimal`);
    return new Uint8Array(Buffer.from(hex, 'hex'));
  }
  return new Uint8Array(Buffer.from(text, o.base64 === true ? 'base64' : 'utf8'));
}
