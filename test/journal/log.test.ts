// Goal: what the log promises: who waits for what, what is committed when, where space comes from,
// what an aborted journal means. Method: small images in memory, a device that counts, fails and
// waits; e2fsck as the judge of every image that is left.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { errno } from '../../src/base/errno.ts';
import { marks, onTrace } from '../../src/base/trace.ts';
import type { Bio } from '../../src/block/bio.ts';
import type { RamDevice } from '../../src/block/ram-device.ts';
import { type FsError, open, openSync, type Volume } from '../../src/index.ts';
import type { Op } from '../../src/sched/op.ts';
import { WaitQueue } from '../../src/sched/wait-queue.ts';
import { EXT4_CREDITS } from '../../src/fs/ext4/ext4-jbd2.ts';
import { LogJournal } from '../../src/jbd2/journal.ts';
import type { Ext4SuperBlock } from '../../src/fs/ext4/sb-info.ts';
import { scratchDir } from '../support/e2fsprogs.ts';
import { debugfs, dumpe2fs, e2fsck, preen } from '../support/judges.ts';
import { bytesOf, deviceOfBytes, fsckDevice, ramImage, writeImage } from '../support/ram-image.ts';

const MIB = 1 << 20;

function logOf(v: Volume): LogJournal {
  const { journal } = v.sb as Ext4SuperBlock;
  if (!(journal instanceof LogJournal)) throw new Error('no log');
  return journal;
}

const codeOf = (act: () => void): string => {
  try {
    act();
    return 'ok';
  } catch (e) {
    return ((e as Error).cause as FsError).code;
  }
};

/** Sees every request that reaches the device. */
function watch(device: RamDevice, see: (bio: Bio) => void): void {
  const start = device.start.bind(device);
  device.start = (bio: Bio) => {
    see(bio);
    if (!bio.done) start(bio);
  };
}

test('fsync of a file that has not changed commits nothing, but flushes the device', () => {
  const device = ramImage(16 * MIB);
  const v = openSync(device);
  const fd = v.fs.openSync('/f', 'w');
  v.fs.writeSync(fd, Buffer.alloc(5000, 1));
  v.fs.fsyncSync(fd);
  v.fs.mkdirSync('/other'); // In the running transaction: nobody's business.
  const { commits } = logOf(v);
  let flushes = 0;
  watch(device, (bio) => {
    if (bio.op === 'flush') flushes++;
  });
  v.fs.fsyncSync(fd);
  v.fs.fdatasyncSync(fd);
  expect(logOf(v).commits).toBe(commits);
  expect(flushes).toBe(2);
  v.fs.closeSync(fd);
  v.closeSync();
});

test('fdatasync does not wait for the time of change, fsync does', () => {
  const v = openSync(ramImage(16 * MIB));
  const fd = v.fs.openSync('/f', 'w');
  v.fs.writeSync(fd, Buffer.alloc(5000, 1));
  v.fs.fsyncSync(fd);
  v.fs.fchmodSync(fd, 0o600);
  const { commits } = logOf(v);
  v.fs.fdatasyncSync(fd);
  expect(logOf(v).commits).toBe(commits);
  v.fs.fsyncSync(fd);
  expect(logOf(v).commits).toBe(commits + 1);
  v.fs.closeSync(fd);
  v.closeSync();
});

test('many who fsync at once share their commits', async () => {
  const ram = ramImage(32 * MIB);
  const start = ram.start.bind(ram);
  const slow = {
    size: ram.size,
    logicalBlockSize: 512,
    readOnly: false,
    synchronous: false,
    queueDepth: 32,
    start: (bio: Bio) => void setTimeout(start, bio.op === 'flush' ? 5 : 0, bio),
  };
  const v = await open(slow);
  const before = logOf(v).commits;
  const writers = 32;
  await Promise.all(
    Array.from({ length: writers }, (_, i) =>
      v.fs.promises.writeFile(`/f${String(i)}`, Buffer.alloc(3000, i), { flush: true }),
    ),
  );
  expect(logOf(v).commits - before).toBeLessThan(writers / 3);
  await v.close();
  expect(fsckDevice(ram)).toMatchObject({ status: 0 });
});

test('a transaction is committed when it has the age that commit= says', async () => {
  const ram = ramImage(16 * MIB);
  const v = await open(ram, { options: 'commit=1' });
  v.fs.mkdirSync('/d');
  expect(logOf(v).commits).toBe(0);
  await new Promise((done) => setTimeout(done, 1300));
  expect(logOf(v).commits).toBe(1);
  await v.close();
});

test('the log goes round: what is in it goes home before its place is used again', () => {
  const device = ramImage(16 * MIB, { blockSize: 1024, journalSize: 1 });
  const v = openSync(device);
  const log = logOf(v);
  for (let i = 0; log.blocksLogged < 5000; i++) {
    v.fs.writeFileSync(`/f${String(i % 50)}`, Buffer.alloc(2000, i), { flush: true });
    if (i % 5 === 4) v.fs.unlinkSync(`/f${String(i % 50)}`);
  }
  const copy = join(scratchDir(), 'copy');
  writeImage(device, copy);
  expect(preen(copy).status).toBeLessThan(2);
  expect(e2fsck(copy)).toMatchObject({ status: 0 });
  v.closeSync();
  expect(fsckDevice(device)).toMatchObject({ status: 0 });
});

test('a freed metadata block that becomes data is not written over by the replay', () => {
  const device = ramImage(8 * MIB, { blockSize: 1024, journalSize: 1 });
  const v = openSync(device);
  // Directory blocks in the log, then freed, then data of files in their places.
  v.fs.mkdirSync('/d');
  for (let i = 0; i < 300; i++) v.fs.writeFileSync(`/d/${'n'.repeat(60)}${String(i)}`, '');
  v.syncSync();
  v.fs.rmSync('/d', { recursive: true });
  v.syncSync();
  const free = v.fs.statfsSync('/').bavail * 1024;
  const content = Buffer.alloc(free - 300_000, 'D');
  v.fs.writeFileSync('/data', content, { flush: true });
  const dirty = bytesOf(device);
  const path = join(scratchDir(), 'image');
  writeFileSync(path, dirty);
  expect(debugfs(path, 'logdump -a').output).toMatch(/type 5 \(revoke/);
  const again = openSync(deviceOfBytes(dirty));
  expect(Buffer.compare(again.fs.readFileSync('/data') as Buffer, content)).toBe(0);
  again.closeSync();
  preen(path);
  expect(e2fsck(path)).toMatchObject({ status: 0 });
  v.closeSync();
});

test('freed blocks are free for others after the commit, and a full disk waits for it', () => {
  const device = ramImage(8 * MIB, { blockSize: 1024, journalSize: 1, reservedPercent: 0 });
  const v = openSync(device);
  const sb = v.sb as Ext4SuperBlock;
  const half = Buffer.alloc(Math.floor((v.fs.statfsSync('/').bavail * 1024) / 2) - 50_000, 1);
  v.fs.writeFileSync('/a', half);
  v.fs.writeFileSync('/b', half);
  v.syncSync();
  v.fs.unlinkSync('/a');
  expect(sb.heldClusters).toBeGreaterThan(1000);
  marks.clear();
  v.fs.writeFileSync('/c', half);
  expect(marks.has('ext4: retry after a commit')).toBe(true);
  v.closeSync();
  expect(fsckDevice(device)).toMatchObject({ status: 0 });
});

test.each(['ext3', 'ext4'] as const)(
  '%s: a truncate that finds its transaction full goes on in the next',
  (type) => {
    const device = ramImage(32 * MIB, { type, blockSize: 1024, journalSize: 1 });
    const v = openSync(device);
    const log = logOf(v);
    const fd = v.fs.openSync('/holes', 'w');
    for (let i = 0; i < 600; i++) v.fs.writeSync(fd, Buffer.alloc(1024, 1), 0, 1024, i * 2048);
    v.syncSync();
    // Somebody else has spoken for the rest of it, and ends when the truncate restarts.
    const ended = new WaitQueue('the other handle');
    let release = false;
    let started = false;
    function* other(): Op<void> {
      // Room is left for the start of the truncate, and for the inode, but not for its second step.
      const handle = yield* log.start(log.maxTransaction - EXT4_CREDITS.truncate - 4);
      started = true;
      ended.wakeAll();
      yield* ended.waitFor(() => release);
      yield* log.stop(handle);
    }
    v.scheduler.spawn('other', other());
    v.run(ended.waitFor(() => started));
    const stop = onTrace((name) => {
      if (name !== 'jbd2:LogJournal.restart') return;
      release = true;
      ended.wakeAll();
    });
    v.fs.ftruncateSync(fd, 0);
    stop();
    expect(release).toBe(true);
    v.fs.closeSync(fd);
    v.closeSync();
    expect(fsckDevice(device)).toMatchObject({ status: 0 });
  },
);

test('a log that cannot be written ends all writing; the image is as the last commit left it', () => {
  const device = ramImage(16 * MIB);
  const v = openSync(device);
  v.fs.writeFileSync('/kept', 'kept', { flush: true });
  const fd = v.fs.openSync('/lost', 'w');
  v.fs.writeSync(fd, Buffer.from('lost'));
  const { map } = logOf(v).setup.loaded;
  let broken = true;
  watch(device, (bio) => {
    const block = (bio.sector * 512) / v.sb.blockSize;
    // The log, not its super block.
    if (broken && bio.op === 'write' && map.holds(block) && block !== map.pblkOf(0)) {
      bio.complete(errno('EIO'));
    }
  });
  expect(codeOf(() => v.fs.fsyncSync(fd))).toBe('EIO');
  broken = false;
  expect(v.readOnly).toBe(true);
  expect(codeOf(() => v.fs.mkdirSync('/d'))).toBe('EROFS');
  expect(codeOf(() => v.fs.fsyncSync(fd))).toBe('EROFS');
  expect(v.fs.readFileSync('/kept', 'utf8')).toBe('kept');
  v.fs.closeSync(fd);
  v.closeSync();
  const path = join(scratchDir(), 'image');
  writeImage(device, path);
  expect(dumpe2fs(path).output).toMatch(/Journal errno: +-5/);
  expect(preen(path).status).toBeLessThan(2);
  expect(e2fsck(path)).toMatchObject({ status: 0 });
  const again = openSync(deviceOfBytes(bytesOf(device)), { readOnly: true });
  expect(again.fs.readdirSync('/')).toContain('kept');
  again.closeSync();
});

test('a frozen volume is a whole image, and whoever writes waits for the thaw', async () => {
  const device = ramImage(16 * MIB);
  const v = await open(device);
  await v.fs.promises.writeFile('/f', 'before');
  await v.freeze();
  expect(fsckDevice(device)).toMatchObject({ status: 0 });
  const frozen = bytesOf(device);
  let done = false;
  const late = v.fs.promises.writeFile('/g', 'after').then(() => {
    done = true;
  });
  expect(await v.fs.promises.readFile('/f', 'utf8')).toBe('before');
  expect(done).toBe(false);
  await expect(v.freeze()).rejects.toMatchObject({ code: 'EBUSY' });
  expect(Buffer.compare(bytesOf(device), frozen)).toBe(0);
  await v.thaw();
  await late;
  await expect(v.thaw()).rejects.toMatchObject({ code: 'EINVAL' });
  await v.close();
  expect(fsckDevice(device)).toMatchObject({ status: 0 });
});
