/** build: an image from folders, tarballs and OCI layouts. */
import { randomBytes } from 'node:crypto';
import { existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { nameFromText } from '../../base/name.ts';
import { roundDown } from '../../base/units.ts';
import { BlockDevice } from '../../block/block-device.ts';
import { mkfs as makeFs } from '../../fs/ext4/mkfs/mkfs.ts';
import { type MkfsOptions, planFs } from '../../fs/ext4/mkfs/plan.ts';
import { FileDevice } from '../../platform/node/file-device.ts';
import { Scheduler } from '../../sched/scheduler.ts';
import { addArchive } from '../build/archive-source.ts';
import { needOf, type Need, sizeFor } from '../build/estimate.ts';
import { addFolder, inodeKey } from '../build/folder-source.ts';
import { MergedTree } from '../build/merged-tree.ts';
import { addOciLayout, isOciLayout } from '../build/oci-source.ts';
import { Populator } from '../build/populate.ts';
import type { Item } from '../build/item.ts';
import { Spools } from '../build/spool.ts';
import type { Cli } from '../context.ts';
import { CliError, hasCode, UsageError } from '../errors.ts';
import { humanSize, parseSize } from '../format.ts';
import { HostTree } from '../host-tree.ts';
import { FolderXattrs, UNREADABLE, type XattrPolicy } from '../host-xattrs.ts';
import { type Identity, identityOf, mkfsOptions, type MkfsWords } from '../mkfs-words.ts';
import { print, printJson } from '../output.ts';
import { Progress } from '../progress.ts';
import { ScratchDriver } from '../scratch-driver.ts';
import { uuidText } from '../uuid.ts';
import { Volume } from '../volume.ts';

export interface BuildOptions extends MkfsWords {
  readonly output: string;
  readonly size: string;
  readonly quiet?: true;
  readonly xattrs: XattrPolicy;
}

/** What became of the extended attributes of folders; null: there was no folder. */
type FolderXattrsState = 'read' | 'unreadable' | 'ignored' | null;

/** What a build that is sized by itself uses, unless -b says otherwise. */
const BLOCK_SIZE = 4096;
const TRIES = 12;

export async function build(cli: Cli, sources: readonly string[], o: BuildOptions): Promise<void> {
  const identity = identityOf(o, randomBytes);
  const words = mkfsOptions(o, identity);
  const fixed = o.size === 'auto' ? null : roundDown(parseSize(o.size), 512);
  if (sources.filter((s) => s === '-').length > 1) throw new UsageError('- can be given once only');
  if (existsSync(o.output) && statSync(o.output).isDirectory()) {
    cli.fail(o.output, new CliError('EISDIR', 'is a directory'));
    return;
  }
  using spools = new Spools(dirname(o.output));
  let source = '';
  try {
    const tree = new MergedTree({ sec: identity.time, nsec: 0 });
    const adder = new SourceAdder(cli, tree, o, identity, spools);
    for (source of sources) await adder.add(source);
    source = o.output;
    const { folderXattrs } = adder;
    const made = new Builder(o.output, tree.root, words, identity, fixed).build();
    if (cli.json)
      printJson({ image: o.output, uuid: uuidText(identity.uuid), ...made, folderXattrs });
    else if (o.quiet !== true) {
      print(
        `${o.output}: ${made.inodes} inodes, ${humanSize(made.bytes)} of data in ${humanSize(made.size)}`,
      );
    }
  } catch (e) {
    cli.fail(source, e);
  }
}

/** Puts sources into the tree, one after the other. */
class SourceAdder {
  folderXattrs: FolderXattrsState = null;
  private readonly cli: Cli;
  private readonly tree: MergedTree;
  private readonly o: BuildOptions;
  private readonly identity: Identity;
  private readonly spools: Spools;

  constructor(cli: Cli, tree: MergedTree, o: BuildOptions, identity: Identity, spools: Spools) {
    this.cli = cli;
    this.tree = tree;
    this.o = o;
    this.identity = identity;
    this.spools = spools;
  }

  async add(source: string): Promise<void> {
    const { tree, spools } = this;
    if (source === '-' || !statSync(source).isDirectory()) {
      tree.nextLayer();
      addArchive(tree, await spools.archive(source));
    } else if (isOciLayout(source)) {
      await addOciLayout(tree, source, spools);
    } else {
      await this.addFolder(source);
    }
  }

  private async addFolder(source: string): Promise<void> {
    const { output } = this.o;
    const host = new HostTree();
    const skip = existsSync(output) ? [inodeKey(host.stat(nameFromText(output)))] : [];
    const options = { fixedAtime: this.identity.epoch !== null, skip: new Set(skip) };
    const xattrs = this.startXattrs(source);
    try {
      const read = await addFolder(this.tree, nameFromText(source), { ...options, xattrs });
      if (xattrs !== null) this.told(read);
    } finally {
      xattrs?.stop();
    }
  }

  private startXattrs(source: string): FolderXattrs | null {
    if (this.o.xattrs === 'none') {
      this.folderXattrs = 'ignored';
      return null;
    }
    const xattrs = new FolderXattrs(source, this.spools.empty());
    if (xattrs.started) return xattrs;
    this.told(false);
    return null;
  }

  /** @throws EOPNOTSUPP attributes were required and are not there */
  private told(read: boolean): void {
    if (read) {
      this.folderXattrs ??= 'read';
      return;
    }
    if (this.o.xattrs === 'require') throw new CliError('EOPNOTSUPP', UNREADABLE);
    if (this.folderXattrs !== 'unreadable') this.cli.note(UNREADABLE);
    this.folderXattrs = 'unreadable';
  }
}

export interface BuildResult {
  readonly size: number;
  readonly inodes: number;
  readonly bytes: number;
}

/** Makes the image under another name, and gives it its own when it is complete. */
class Builder {
  private readonly output: string;
  private readonly root: Item;
  private readonly words: MkfsOptions;
  private readonly identity: Identity;
  private readonly fixed: number | null;

  constructor(
    output: string,
    root: Item,
    words: MkfsOptions,
    identity: Identity,
    fixed: number | null,
  ) {
    this.output = output;
    this.root = root;
    this.words = words;
    this.identity = identity;
    this.fixed = fixed;
  }

  build(): BuildResult {
    const { fixed, words } = this;
    const blockSize =
      words.blockSize ?? (fixed === null ? BLOCK_SIZE : planFs(fixed, words).blockSize);
    const need = needOf(this.root, blockSize, this.cluster(blockSize), words);
    if (fixed !== null) return this.once(fixed, words, need);
    for (let tries = 0, factor = 1; ; tries++, factor *= 1.3) {
      const { size, options } = sizeFor(need, words, blockSize, factor);
      try {
        return this.once(size, options, need);
      } catch (e) {
        // The estimate was too small (holes that the host does not admit): a larger one.
        if (!hasCode(e, 'ENOSPC') || tries === TRIES) throw e;
      }
    }
  }

  private cluster(blockSize: number): number {
    const bigalloc = /(^|[\s,])\+?bigalloc/.test(this.words.features ?? '');
    return bigalloc ? (this.words.clusterSize ?? 16 * blockSize) : blockSize;
  }

  private once(size: number, options: MkfsOptions, need: Need): BuildResult {
    const device = existsSync(this.output) && !statSync(this.output).isFile();
    const target = device ? this.output : temporaryName(this.output);
    try {
      this.write(target, size, options, need, !device);
      if (!device) renameSync(target, this.output);
      return { size, inodes: need.inodes, bytes: need.bytes };
    } catch (e) {
      if (!device) rmSync(target, { force: true });
      throw e;
    }
  }

  private write(
    target: string,
    size: number,
    options: MkfsOptions,
    need: Need,
    fresh: boolean,
  ): void {
    const file = new FileDevice(target, fresh ? { create: true, size } : {});
    const { root, identity } = this;
    try {
      const rootOwner = options.rootOwner ?? { uid: root.uid, gid: root.gid };
      const all = { ...options, rootOwner, rootMode: root.mode & 0o7777 };
      new Scheduler().runToEnd(
        makeFs(new BlockDevice(new ScratchDriver(file)), all, identity, fresh),
      );
    } finally {
      file.close();
    }
    if (options.rootOwner) Object.assign(root, options.rootOwner);
    forget(root);
    const time = identity.epoch === null ? {} : { time: identity.epoch };
    const volume = new Volume(target, {
      readOnly: false,
      scratch: true,
      seed: identity.seed,
      ...time,
    });
    const progress = new Progress('writing', need.bytes, true);
    try {
      new Populator(volume, (n) => {
        progress.add(n);
      }).fill(root);
      volume.close();
    } finally {
      progress.stop();
      volume.abandon();
    }
  }
}

/** A second try makes everything anew. */
function forget(item: Item): void {
  const todo = [item];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    next.made = null;
    for (const child of next.children?.values() ?? []) todo.push(child);
  }
}

const temporaryName = (output: string): string =>
  join(
    dirname(output),
    `.${basename(output)}.${process.pid}.${randomBytes(4).toString('hex')}.part`,
  );
