/** extract: out of an image, into a folder or a tar file. */
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { S_IFMT, S_IFSOCK } from '../../base/mode.ts';
import { type Name, nameFromText } from '../../base/name.ts';
import type { Cli } from '../context.ts';
import { Copier } from '../copy.ts';
import { CliError } from '../errors.ts';
import type { XattrPolicy } from '../host-xattrs.ts';
import type { ImageTree } from '../image-tree.ts';
import { baseName, imageLocation, joinPath } from '../location.ts';
import { printJson, writeBytes } from '../output.ts';
import { Progress } from '../progress.ts';
import { isDir, isLink, isReg, type Reader, type Stat, statOrNull } from '../tree.ts';
import { TarWriter } from '../tar-writer.ts';
import { XattrPlan } from '../xattr-plan.ts';
import { sysStatfs } from '../../syscall/stat.ts';

export interface ExtractOptions {
  readonly output: string;
  readonly sameOwner?: boolean;
  readonly xattrs: XattrPolicy;
}

const isTar = (output: string): boolean => output === '-' || output.endsWith('.tar');

export function extract(cli: Cli, source: string, o: ExtractOptions): void {
  const { image, path } = imageLocation(source);
  if (cli.json && o.output === '-')
    throw new CliError('EINVAL', '--json and a tar both want standard output');
  cli.withImages([], () => {
    cli.each([{ image, path }], () => {
      const tree = cli.image(image);
      const progress = new Progress('extracting', usedBytes(tree, path), true);
      try {
        const { files, xattrsLost } = isTar(o.output)
          ? { files: toTarFile(cli, tree, path, o.output, progress), xattrsLost: 0 }
          : toFolder(cli, tree, path, o, progress);
        if (cli.json) {
          const ok = cli.status === 0;
          printJson({ command: 'extract', output: o.output, files, xattrsLost, ok });
        }
      } finally {
        progress.stop();
      }
    });
  });
}

function usedBytes(tree: ImageTree, path: Name): number {
  const { blocks, bfree, bsize } = tree.ask(sysStatfs(tree.volume.process, path));
  return (blocks - bfree) * bsize;
}

/** lost+found of a new file system says nothing about what somebody put in. */
function isEmptyLostFound(tree: ImageTree, path: Name, name: Name): boolean {
  if (name !== 'lost+found' || !/^\/+$/.test(path)) return false;
  const full = joinPath(path, name);
  return isDir(tree.lstat(full)) && tree.list(full).length === 0;
}

function toFolder(
  cli: Cli,
  tree: ImageTree,
  path: Name,
  o: ExtractOptions,
  progress: Progress,
): { files: number; xattrsLost: number } {
  const { host } = cli;
  const output = nameFromText(o.output);
  const there = statOrNull(host, output);
  if (there !== null && !isDir(there)) throw new CliError('ENOTDIR', `${o.output} is not a folder`);
  const stat = tree.lstat(path);
  const plan = new XattrPlan(cli, o.xattrs);
  plan.collect();
  if (!isDir(stat) && there === null) host.mkdir(output, 0o777);
  const copier = new Copier(cli, tree, host, {
    recursive: true,
    preserve: true,
    xattrs: plan.wanted,
    owners: o.sameOwner !== false && process.getuid?.() === 0,
    follow: false,
    force: true,
    noClobber: false,
    skip: (dir, name) => isEmptyLostFound(tree, dir, name),
    moved: (n) => {
      progress.add(n);
    },
  });
  let xattrsLost = 0;
  try {
    copier.copy(path, isDir(stat) ? output : joinPath(output, baseName(path)));
  } finally {
    // Also for what is there when the copy fails half way.
    xattrsLost = plan.finish(o.output);
  }
  return { files: copier.files, xattrsLost };
}

/** The file gets its name when it is complete. */
function toTarFile(
  cli: Cli,
  tree: ImageTree,
  path: Name,
  output: string,
  progress: Progress,
): number {
  tree.lstat(path);
  if (output === '-') return new Archiver(cli, tree, new TarWriter(writeBytes), progress).all(path);
  const part = join(dirname(output), `.${basename(output)}.${randomBytes(4).toString('hex')}.part`);
  const fd = openSync(part, 'wx');
  let open = true;
  try {
    const sink = (data: Uint8Array): void => {
      for (let at = 0; at < data.length;) at += writeSync(fd, data, at);
    };
    const files = new Archiver(cli, tree, new TarWriter(sink), progress).all(path);
    closeSync(fd);
    open = false;
    renameSync(part, output);
    return files;
  } catch (e) {
    if (open) closeSync(fd);
    rmSync(part, { force: true });
    throw e;
  }
}

class Archiver {
  private readonly cli: Cli;
  private readonly tree: ImageTree;
  private readonly tar: TarWriter;
  private readonly progress: Progress;
  private readonly links = new Map<number, Name>();
  private readonly buffer = new Uint8Array(1 << 20);
  private files = 0;

  constructor(cli: Cli, tree: ImageTree, tar: TarWriter, progress: Progress) {
    this.cli = cli;
    this.tree = tree;
    this.tar = tar;
    this.progress = progress;
  }

  /** A directory's contents stand at the top of the archive. */
  all(path: Name): number {
    const stat = this.tree.lstat(path);
    this.add(path, isDir(stat) ? ('.' as Name) : baseName(path), stat);
    this.tar.end();
    return this.files;
  }

  private add(path: Name, name: Name, stat: Stat): void {
    if ((stat.mode & S_IFMT) === S_IFSOCK) {
      this.cli.note(`${this.tree.show(path)}: a socket, which tar cannot hold, is left out`);
      return;
    }
    this.files++;
    if (isDir(stat)) {
      const xattrs = this.tree.xattrs(path);
      this.tar.begin({ name: `${name}/` as Name, stat, xattrs });
      this.children(path, name);
    } else if (!this.linked(name, stat)) {
      this.file(path, name, stat);
    }
  }

  private children(path: Name, name: Name): void {
    for (const child of this.tree.list(path)) {
      const full = joinPath(path, child);
      this.cli.attempt(this.tree.show(full), () => {
        if (isEmptyLostFound(this.tree, path, child)) return;
        this.add(full, `${name}/${child}` as Name, this.tree.lstat(full));
      });
    }
  }

  private linked(name: Name, stat: Stat): boolean {
    if (stat.nlink < 2) return false;
    const first = this.links.get(stat.ino);
    if (first === undefined) {
      this.links.set(stat.ino, name);
      return false;
    }
    this.tar.begin({ name, stat, link: first, hardLink: true, xattrs: [] });
    return true;
  }

  private file(path: Name, name: Name, stat: Stat): void {
    const xattrs = this.tree.xattrs(path);
    if (!isReg(stat)) {
      const link = isLink(stat) ? { link: this.tree.readlink(path) } : {};
      this.tar.begin({ name, stat, xattrs, ...link });
      return;
    }
    const reader = this.tree.open(path);
    try {
      const pieces = piecesOf(reader, stat);
      const whole = pieces.length === 1 && pieces[0]?.length === stat.size;
      const dense = whole || stat.size === 0;
      this.tar.begin({ name, stat, xattrs, ...(dense ? {} : { pieces }) });
      this.contents(reader, pieces);
    } finally {
      // A header has promised this much.
      while (this.tar.missing > 0) {
        this.tar.data(new Uint8Array(Math.min(this.tar.missing, this.buffer.length)));
      }
      reader.close();
    }
  }

  private contents(reader: Reader, pieces: readonly { pos: number; length: number }[]): void {
    for (const { pos, length } of pieces) {
      for (let done = 0; done < length;) {
        const want = this.buffer.subarray(0, Math.min(this.buffer.length, length - done));
        const n = reader.read(want, pos + done);
        if (n === 0) throw new CliError('EIO', 'the file ends too early');
        this.tar.data(want.subarray(0, n));
        this.progress.add(n);
        done += n;
      }
    }
  }
}

/** Where a file has data. */
function piecesOf(reader: Reader, { size }: Stat): { pos: number; length: number }[] {
  const pieces: { pos: number; length: number }[] = [];
  for (let pos = 0; pos < size;) {
    const data = reader.nextData(pos);
    if (data === null) break;
    const end = Math.min(data.end, size);
    pieces.push({ pos: data.start, length: end - data.start });
    pos = end;
  }
  return pieces;
}
