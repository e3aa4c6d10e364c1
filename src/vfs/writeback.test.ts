// Goal: inodes are filled once, written when they should be, and evicted when nobody is looking.
// Method: a file system that records what it is asked for and sleeps where a disk would.
import { expect, test } from 'vitest';
import { type Ino, ino } from '../base/units.ts';
import { errno } from '../base/errno.ts';
import { S_IFDIR, S_IFREG } from '../base/mode.ts';
import { World } from '../../test/support/vfs.ts';
import type { AddressSpaceOperations } from '../mm/address-space.ts';
import type { Op } from '../sched/op.ts';
import { WaitQueue } from '../sched/wait-queue.ts';
import { dMakeRoot } from './dcache.ts';
import { markInodeDirty, writebackSingleInode } from './fs-writeback.ts';
import { I_DIRTY, I_DIRTY_SYNC, I_SYNC, Inode } from './inode.ts';
import { iget, iput, shrinkInodes } from './inode-cache.ts';
import { umount } from './namespace.ts';
import { SuperBlock, type FileSystemType, type SuperOperations } from './super.ts';
import { syncFilesystem } from './sync.ts';
import { wbcAll } from '../mm/page-writeback.ts';

const aops: AddressSpaceOperations = {
  *readFolio() {
    throw errno('EIO');
  },
  *writepages() {
    // No test dirties pages.
  },
  dirtyFolio: () => false,
};

class RecordingSuper extends SuperBlock {
  readonly log: string[] = [];
  /** While closed, fills and writes sleep. */
  gate = true;
  readonly gateOpens = new WaitQueue('gate');
  fail = false;
  /** A write of an inode dirties it again, once. */
  redirty = false;
  readonly sops: SuperOperations = {
    writeInode: (inode) => this.write(inode),
    evictInode: (inode) => this.note(`evict ${String(inode.ino)}`),
    syncFs: (wait) => this.note(`syncFs ${String(wait)}`),
    putSuper: () => this.note('put'),
    statfs: () => {
      throw errno('ENOSYS');
    },
  };

  *note(what: string): Op<void> {
    this.log.push(what);
  }
  *pass(): Op<void> {
    yield* this.gateOpens.waitFor(() => this.gate);
  }
  open(): void {
    this.gate = true;
    this.gateOpens.wakeAll();
  }
  private *write(inode: Inode): Op<void> {
    yield* this.pass();
    if (this.fail) throw errno('EIO', { ino: inode.ino });
    if (this.redirty) markInodeDirty(inode, I_DIRTY_SYNC);
    this.redirty = false;
    this.log.push(`write ${String(inode.ino)}`);
  }

  get(nr: Ino): Op<Inode> {
    const make = (): Inode => new Inode(this, nr, aops);
    return iget(this, nr, make, (inode) => this.fill(inode));
  }
  private *fill(inode: Inode): Op<void> {
    this.log.push(`fill ${String(inode.ino)}`);
    yield* this.pass();
    if (this.fail) throw errno('EIO', { ino: inode.ino });
    inode.mode = S_IFREG | 0o644;
  }
}

const recordingFs: FileSystemType = {
  name: 'recording',
  *mount(context) {
    const sb = new RecordingSuper(context, 2);
    const root = yield* sb.get(ino(1));
    root.mode = S_IFDIR | 0o755;
    sb.root = dMakeRoot(sb, root);
    sb.log.length = 0;
    return sb;
  },
};

function setup(): { w: World; sb: RecordingSuper } {
  const w = new World(recordingFs);
  if (!(w.sb instanceof RecordingSuper)) throw new TypeError('another file system');
  return { w, sb: w.sb };
}

test('two who want one inode get the same, filled once', () => {
  const { w, sb } = setup();
  sb.gate = false;
  const a = w.scheduler.spawn('a', sb.get(ino(7)));
  const b = w.scheduler.spawn('b', sb.get(ino(7)));
  w.scheduler.pump();
  expect(sb.log).toEqual(['fill 7']);
  sb.open();
  w.scheduler.pump();
  expect(a.result).toBe(b.result);
  expect(a.result?.count).toBe(2);
  expect(sb.log).toEqual(['fill 7']);
});

test('whoever waits for an inode that cannot be read tries for himself', () => {
  const { w, sb } = setup();
  sb.gate = false;
  sb.fail = true;
  const a = w.scheduler.spawn('a', sb.get(ino(7)));
  const b = w.scheduler.spawn('b', sb.get(ino(7)));
  const errors: unknown[] = [];
  for (const t of [a, b]) t.onDone((done) => errors.push(done.error));
  w.scheduler.pump();
  sb.open();
  w.scheduler.pump();
  expect(errors).toMatchObject([{ code: 'EIO' }, { code: 'EIO' }]);
  expect(sb.log).toEqual(['fill 7', 'fill 7']);
  expect(sb.inodes.has(ino(7))).toBe(false);
});

test('an unreferenced inode stays until there are too many, the oldest going first', () => {
  const { w, sb } = setup();
  sb.inodeLimit = 3;
  for (const i of [10, 11, 12]) w.run(iput(w.run(sb.get(ino(i)))));
  w.run(iput(w.run(sb.get(ino(10)))));
  w.run(iput(w.run(sb.get(ino(13)))));
  expect([...sb.inodes.keys()]).toEqual([1, 10, 12, 13]);
  const held = w.run(sb.get(ino(12)));
  expect(shrinkInodes(sb, 100)).toBe(2);
  expect(sb.inodes.get(ino(12))).toBe(held);
});

test('a dirty inode is written after 30 s, not before, and then leaves at will', () => {
  const { w, sb } = setup();
  const inode = w.run(sb.get(ino(7)));
  markInodeDirty(inode, I_DIRTY_SYNC);
  w.run(iput(inode));
  expect(shrinkInodes(sb, 1)).toBe(0);
  for (let s = 0; s < 29; s++) {
    w.clock.advance(1000);
    w.scheduler.pump();
  }
  expect(sb.log.filter((l) => l.startsWith('write'))).toEqual([]);
  for (let s = 0; s < 6; s++) {
    w.clock.advance(1000);
    w.scheduler.pump();
  }
  expect(sb.log.filter((l) => l.startsWith('write'))).toEqual(['write 7']);
  expect(inode.state & I_DIRTY).toBe(0);
  expect(shrinkInodes(sb, 1)).toBe(1);
});

test('an inode dirtied while it is written is written again', () => {
  const { w, sb } = setup();
  const inode = w.run(sb.get(ino(7)));
  sb.redirty = true;
  markInodeDirty(inode, I_DIRTY_SYNC);
  w.run(writebackSingleInode(inode, wbcAll()));
  expect(inode.state & I_DIRTY).toBe(I_DIRTY_SYNC);
  expect(sb.dirtyInodes.has(inode)).toBe(true);
  w.run(syncFilesystem(sb));
  expect(sb.log).toEqual(['fill 7', 'write 7', 'write 7', 'syncFs true']);
});

test('lack of memory wakes the flusher for everything, at once', () => {
  const { w, sb } = setup();
  const inode = w.run(sb.get(ino(7)));
  markInodeDirty(inode, I_DIRTY_SYNC);
  w.memory.wakeFlusher();
  w.scheduler.pump();
  expect(sb.log).toContain('write 7');
});

test('eviction waits for the flusher, who holds no reference (I-76)', () => {
  const { w, sb } = setup();
  const inode = w.run(sb.get(ino(7)));
  inode.nlink = 0;
  markInodeDirty(inode, I_DIRTY_SYNC);
  sb.gate = false;
  w.scheduler.spawn('flusher', writebackSingleInode(inode, wbcAll()));
  w.scheduler.pump();
  expect(inode.state & I_SYNC).toBe(I_SYNC);
  const last = w.scheduler.spawn('iput', iput(inode));
  w.scheduler.pump();
  expect(last.state).toBe('sleeping');
  expect(sb.log).toEqual(['fill 7']);
  const again = w.scheduler.spawn('iget', sb.get(ino(7)));
  w.scheduler.pump();
  expect(again.state).toBe('sleeping');
  sb.open();
  w.scheduler.pump();
  expect(sb.log).toEqual(['fill 7', 'write 7', 'evict 7', 'fill 7']);
  expect(again.result).not.toBe(inode);
});

test('sync tries everything, and reports the first failure', () => {
  const { w, sb } = setup();
  const inodes = [7, 8].map((i) => w.run(sb.get(ino(i))));
  for (const inode of inodes) markInodeDirty(inode, I_DIRTY_SYNC);
  sb.fail = true;
  expect(w.code(syncFilesystem(sb))).toBe('EIO');
  expect(sb.log.at(-1)).toBe('syncFs true');
  expect(inodes.map((i) => i.mapping.wbErr.check(0)?.code)).toEqual(['EIO', 'EIO']);
});

test('umount writes, evicts and puts, in that order, and refuses while something is in use', () => {
  const { w, sb } = setup();
  const { root } = w;
  expect(w.code(umount(sb))).toBe('EBUSY');
  root.nd.root.count -= 2;
  const inode = w.run(sb.get(ino(7)));
  markInodeDirty(inode, I_DIRTY_SYNC);
  w.run(iput(inode));
  sb.log.length = 0;
  w.run(umount(sb));
  expect(sb.log).toEqual(['write 7', 'syncFs true', 'evict 1', 'evict 7', 'put']);
  expect(w.memory.shrinkers).toEqual([]);
});
