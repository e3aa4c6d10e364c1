/**
 * Copying between trees: data with its holes, modes, owners, times, extended attributes, hard
 * links.
 */
import { S_IALLUGO } from '../base/mode.ts';
import type { Name } from '../base/name.ts';
import type { Cli } from './context.ts';
import { CliError } from './errors.ts';
import { joinPath } from './location.ts';
import { DataRuns } from './sparse.ts';
import { isDir, isLink, isReg, lstatOrNull, type Stat, type Tree } from './tree.ts';

export interface CopyOptions {
  readonly recursive: boolean;
  /** Modes, owners, times, hard links. */
  readonly preserve: boolean;
  /** With `preserve`: extended attributes too. */
  readonly xattrs: boolean;
  /** Also owners; false where the host would not let us. */
  readonly owners: boolean;
  /** Follow symlinks in the source. */
  readonly follow: boolean;
  readonly force: boolean;
  readonly noClobber: boolean;
  /** Names to leave out. */
  readonly skip?: (dir: Name, name: Name) => boolean;
  /** Called with bytes of each piece of data. */
  readonly moved?: (bytes: number) => void;
  /** Called with each path made. */
  readonly made?: (from: Name, to: Name) => void;
}

const CHUNK = 1 << 20;

export class Copier {
  private readonly cli: Cli;
  private readonly from: Tree;
  private readonly to: Tree;
  private readonly o: CopyOptions;
  private readonly buffer = new Uint8Array(CHUNK);
  /** First copy of each inode that has more names. */
  private readonly links = new Map<string, Name>();
  private readonly umask = process.umask();
  private readonly ownDirs = new Set<string>();
  files = 0;

  constructor(cli: Cli, from: Tree, to: Tree, options: CopyOptions) {
    this.cli = cli;
    this.from = from;
    this.to = to;
    this.o = options;
  }

  /** Copy one path and what is below it. What fails is reported; the rest goes on. */
  copy(source: Name, target: Name): void {
    const stat = this.o.follow ? this.from.stat(source) : this.from.lstat(source);
    this.one(source, target, stat);
  }

  private one(source: Name, target: Name, stat: Stat): void {
    if (isDir(stat)) {
      this.directory(source, target, stat);
      return;
    }
    const there = lstatOrNull(this.to, target);
    if (there !== null) {
      if (this.o.noClobber) return;
      if (isDir(there)) throw new CliError('EISDIR', 'cannot overwrite a directory with a file');
      this.refuseItself(stat, there);
      if (!isReg(there) || !isReg(stat) || this.o.force) this.to.unlink(target);
    }
    if (this.linked(target, stat)) return;
    this.make(source, target, stat);
    this.files++;
    this.o.made?.(source, target);
  }

  private refuseItself(stat: Stat, there: Stat): void {
    if (this.from === this.to && stat.ino === there.ino && stat.dev === there.dev) {
      throw new CliError('EINVAL', 'source and target are the same file');
    }
  }

  /** A further name of what was copied already. */
  private linked(target: Name, stat: Stat): boolean {
    if (!this.o.preserve || stat.nlink < 2) return false;
    const key = `${stat.dev}:${stat.ino}`;
    const first = this.links.get(key);
    if (first === undefined) {
      this.links.set(key, target);
      return false;
    }
    this.to.link(first, target);
    this.o.made?.(first, target);
    return true;
  }

  private make(source: Name, target: Name, stat: Stat): void {
    if (isReg(stat)) this.file(source, target, stat);
    else if (isLink(stat)) this.to.symlink(this.from.readlink(source), target);
    else this.to.mknod(target, this.modeFor(stat), stat.rdev);
    this.attributes(source, target, stat);
  }

  private modeFor(stat: Stat): number {
    if (this.o.preserve) return stat.mode;
    return stat.mode & ~(this.umask | 0o7000);
  }

  private file(source: Name, target: Name, stat: Stat): void {
    const runs = new DataRuns(this.from.open(source), stat, this.buffer);
    try {
      const writer = this.to.create(target, this.modeFor(stat) & 0o777);
      try {
        for (let run = runs.next(); run !== null; run = runs.next()) {
          writer.write(run.data, run.pos);
          this.o.moved?.(run.data.length);
        }
        writer.truncate(stat.size);
      } finally {
        writer.close();
      }
    } finally {
      runs.close();
    }
  }

  private directory(source: Name, target: Name, stat: Stat): void {
    if (!this.o.recursive) throw new CliError('EISDIR', 'is a directory (-r copies it)');
    if (this.from === this.to) this.refuseInside(stat);
    const there = lstatOrNull(this.to, target);
    if (there !== null && !isDir(there)) {
      throw new CliError('ENOTDIR', 'cannot overwrite a file with a directory');
    }
    // Ours alone while it fills; its own mode comes last.
    if (there === null) {
      this.to.mkdir(target, 0o700);
      this.o.made?.(source, target);
      this.files++;
    }
    if (this.from === this.to) this.remember(target);
    for (const name of this.from.list(source)) {
      if (this.o.skip?.(source, name) === true) continue;
      this.child(joinPath(source, name), joinPath(target, name));
    }
    if (there === null && !this.o.preserve) this.to.chmod(target, this.modeFor(stat) & S_IALLUGO);
    this.attributes(source, target, stat);
  }

  private child(source: Name, target: Name): void {
    this.cli.attempt(this.from.show(source), () => {
      this.one(source, target, this.o.follow ? this.from.stat(source) : this.from.lstat(source));
    });
  }

  /** A directory that this copy has made is not copied into itself. */
  private refuseInside(stat: Stat): void {
    if (this.ownDirs.has(`${stat.dev}:${stat.ino}`)) {
      throw new CliError('EINVAL', 'cannot copy a directory into itself');
    }
  }
  private remember(target: Name): void {
    const { dev, ino } = this.to.lstat(target);
    this.ownDirs.add(`${dev}:${ino}`);
  }

  /** Owner first, because a change of it takes set-id bits away; times last. */
  private attributes(source: Name, target: Name, stat: Stat): void {
    if (!this.o.preserve) return;
    if (this.o.owners) this.to.lchown(target, stat.uid, stat.gid);
    if (!isLink(stat)) this.to.chmod(target, stat.mode & S_IALLUGO);
    if (this.o.xattrs) {
      const xattrs = this.from.xattrs(source);
      if (xattrs.length > 0) this.to.setXattrs(target, xattrs);
    }
    this.to.utimes(target, stat.atime, stat.mtime);
  }
}
