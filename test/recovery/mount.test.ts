// Goal: what surrounds a recovery: errors on record, a damaged journal inode, multi-mount
// protection, journals that must not be touched, the forms of the log that only a kernel writes.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { FsError } from '../../src/base/errno.ts';
import { EXT4_ERROR_FS, Superblock } from '../../src/fs/ext4/disk/superblock.ts';
import { openSync } from '../../src/index.ts';
import {
  CommitHeader,
  JBD2_COMMIT_BLOCK,
  JBD2_COMPAT,
  JBD2_INCOMPAT,
  JBD2_MAGIC_NUMBER,
  JournalHeader,
  JournalSuperblock as S,
} from '../../src/jbd2/disk.ts';
import { makeImage, type TestImage } from '../support/e2fsprogs.ts';
import { GO_DOWN, JournalBytes, type Step, writeLog } from '../support/journal-image.ts';
import { inKernel, kernelMounts } from '../support/kernel.ts';
import { mountFile } from '../support/mounted.ts';
import { type Listing, listingOf } from './listing.ts';

const RW = { readOnly: false };
const STEPS: Step[] = [{ write: { 2000: 'a' } }];

function dirty(features: string, steps = STEPS, more: string[] = []): TestImage {
  const args = ['-t', 'ext4', '-b', '1024', '-J', 'size=1', '-O', features, ...more];
  const image = makeImage(args, '8M');
  writeLog(image, 1024, features.includes('^metadata_csum') ? '' : '-c -v 3', steps);
  return image;
}

const recovered = (image: TestImage): boolean => image.bytes()[2000 * 1024] === 0x61;
const superOf = (image: TestImage): DataView => image.view();
const stateOf = (image: TestImage): number => Superblock.s_state.get(superOf(image), 1024);

function changeJournal(image: TestImage, change: (view: DataView) => void): void {
  const log = JournalBytes.of(image, 1024);
  log.changeSuper(change);
  image.restore(log.image);
}

function failure(fn: () => unknown): FsError {
  try {
    fn();
  } catch (e) {
    return e as FsError;
  }
  return expect.fail('nothing was thrown');
}

test('the error that a journal was given up with goes to the super block', () => {
  const image = dirty('64bit');
  changeJournal(image, (v) => {
    S.s_errno.set(v, 0, -5);
  });
  const m = mountFile(image.path, RW);
  expect(m.warnings.join()).toContain('aborted after error 5');
  m.umount();
  expect(recovered(image)).toBe(true);
  expect(stateOf(image) & EXT4_ERROR_FS).toBe(EXT4_ERROR_FS);
  expect(S.s_errno.get(JournalBytes.of(image, 1024).super.view, 0)).toBe(0);
});

test('errors that the super block knows survive a copy of it in the log that knows less', () => {
  const image = makeImage(['-t', 'ext4', '-b', '1024', '-J', 'size=1'], '8M');
  const old = image.bytes().slice(1024, 2048);
  writeLog(image, 1024, '-c -v 3', [{ write: { 1: old } }]);
  image.debugfs(
    'ssv state 2',
    'ssv error_count 3',
    'ssv first_error_ino 12',
    'ssv last_error_ino 13',
  );
  mountFile(image.path, RW).umount();
  const v = superOf(image);
  expect(stateOf(image) & EXT4_ERROR_FS).toBe(EXT4_ERROR_FS);
  expect(Superblock.s_error_count.get(v, 1024)).toBe(3);
  expect(Superblock.s_first_error_ino.get(v, 1024)).toBe(12);
  expect(Superblock.s_last_error_ino.get(v, 1024)).toBe(13);
});

test('a log that the super block does not ask for is passed over, and emptied', () => {
  const image = dirty('64bit');
  image.debugfs('feature -needs_recovery');
  const reading = mountFile(image.path);
  expect(reading.warnings.join()).toContain('passed over');
  reading.umount();
  mountFile(image.path, RW).umount();
  expect(recovered(image)).toBe(false);
  const { view } = JournalBytes.of(image, 1024).super;
  expect(S.s_start.get(view, 0)).toBe(0);
  // Behind what was passed over: none of it is ever taken for new.
  expect(S.s_sequence.get(view, 0)).toBeGreaterThan(2);
});

test('a journal whose inode is damaged is found by the copy of its map, for reading', () => {
  const image = dirty('64bit');
  image.debugfs('clri <8>');
  const before = image.bytes();
  for (const readOnly of [true, false]) {
    const m = mountFile(image.path, { readOnly });
    expect(m.sb.readOnly).toBe(true);
    expect(m.warnings.join()).toContain('copy of its map');
    const block = new Uint8Array(1024);
    m.run(m.sb.device.transfer('read', 2000 * 1024, block));
    expect(block[0]).toBe(0x61);
    m.umount();
  }
  expect(Buffer.compare(before, image.bytes())).toBe(0);
  image.debugfs('ssv jnl_backup_type 0');
  expect(failure(() => mountFile(image.path)).code).toBe('EUCLEAN');
});

test('multi-mount protection is taken before the first write and given back', () => {
  const image = dirty('64bit,mmp');
  const held = image.bytes();
  mountFile(image.path, RW).umount();
  expect(recovered(image)).toBe(true);
  expect(image.fsck()).toMatchObject({ code: 0 });
  image.restore(held);
  const mmp = Superblock.s_mmp_block.get(image.view(), 1024);
  const bytes = image.bytes();
  // Another node's: not the number that says that nobody has it.
  bytes[mmp * 1024 + 4]! ^= 0x10;
  image.restore(bytes);
  expect(['EBUSY', 'EUCLEAN']).toContain(failure(() => mountFile(image.path, RW)).code);
  expect(Buffer.compare(bytes, image.bytes())).toBe(0);
});

test('a feature of the journal that nobody knows is refused by its field', () => {
  const image = dirty('64bit,^metadata_csum');
  changeJournal(image, (v) => {
    S.s_feature_incompat.set(v, 0, S.s_feature_incompat.get(v, 0) | 0x4000);
  });
  const e = failure(() => mountFile(image.path));
  expect(e.code).toBe('EINVAL');
  expect(e.message).toMatch(/journal_superblock_s, field s_feature_incompat/);
});

test('on a device that cannot be written the recovery stays in memory', () => {
  const image = dirty('64bit');
  const before = readFileSync(image.path);
  const v = openSync(image.path, { readOnly: true });
  expect(v.readOnly).toBe(true);
  expect(() => {
    v.fs.writeFileSync('/x', 'x');
  }).toThrow(/EROFS/);
  v.closeSync();
  expect(Buffer.compare(before, readFileSync(image.path))).toBe(0);
});

const KERNEL_WORK = `
import os, sys, json
os.chdir(sys.argv[1])
def put(name, data):
    f = os.open(name, os.O_CREAT | os.O_RDWR); os.write(f, data); os.fsync(f); os.close(f)
for i in range(12):
    put('f%d' % i, b'%d' % i * 700)
    if i % 3 == 0: os.mkdir('d%d' % i); put('d%d/in' % i, b'in')
    if i % 4 == 3: os.unlink('f%d' % (i - 1)); os.rename('f%d' % i, 'd0/moved%d' % i)
put('last', b'last')
`;

const LOOK = `
import hashlib, stat
def look(p, out):
    st = os.lstat(p)
    line = [st.st_ino, st.st_mode, st.st_nlink, st.st_size]
    if stat.S_ISREG(st.st_mode): line.append(hashlib.sha256(open(p, 'rb').read()).hexdigest())
    out[p[1:] or '/'] = line
    if stat.S_ISDIR(st.st_mode):
        for n in sorted(os.listdir(p)): look(p + '/' + n, out)
tree = {}
look('.', tree)
print(json.dumps(tree))
`;

const NO_CSUM = ['-t', 'ext4', '-b', '1024', '-O', '^metadata_csum'];
const KERNEL_FORMS: [string, string[], string, (compat: number, incompat: number) => boolean][] = [
  ['version 1', NO_CSUM, 'journal_checksum', (c) => (c & JBD2_COMPAT.journal_checksum) !== 0],
  [
    'version 1, commits that wait for nothing',
    NO_CSUM,
    'journal_async_commit,data=writeback',
    (_, i) => (i & JBD2_INCOMPAT.journal_async_commit) !== 0,
  ],
  ['data in the journal', ['-t', 'ext4', '-b', '1024'], 'data=journal', () => true],
  ['ext3', ['-t', 'ext3', '-b', '1024'], '', () => true],
];

test.each(KERNEL_FORMS)('a log of the kernel: %s', (_form, mkfs, options, is) => {
  if (!kernelMounts(mkfs)) return;
  const image = makeImage(mkfs, '16M');
  const script = [KERNEL_WORK, LOOK, GO_DOWN].join('\n');
  const live = JSON.parse(
    inKernel(image, script, ['loop', options].filter(Boolean).join(',')),
  ) as Listing;
  const log = JournalBytes.of(image, 1024);
  const { view } = log.super;
  expect(is(S.s_feature_compat.get(view, 0), S.s_feature_incompat.get(view, 0))).toBe(true);
  expect(log.start).not.toBe(0);
  const look = (readOnly: boolean): Listing => {
    const v = openSync(image.path, { readOnly });
    try {
      return readOnly ? listingOf(v) : {};
    } finally {
      v.closeSync();
    }
  };
  expect(look(true)).toEqual(live);
  look(false);
  expect(image.fsck()).toMatchObject({ code: 0 });
  expect(look(true)).toEqual(live);
});

test('with checksums of version 1 a copy that was damaged is found by its commit block', () => {
  if (!kernelMounts(NO_CSUM)) return;
  const image = makeImage(NO_CSUM, '16M');
  inKernel(image, `${KERNEL_WORK}\n${GO_DOWN}`, 'loop,journal_checksum');
  const log = JournalBytes.of(image, 1024);
  log.block(log.start + 1).data[700]! ^= 1;
  image.restore(log.image);
  const commits = [...Array(log.length).keys()].filter((i) => {
    const { view } = log.block(i);
    return (
      JournalHeader.h_magic.get(view, 0) === JBD2_MAGIC_NUMBER &&
      JournalHeader.h_blocktype.get(view, 0) === JBD2_COMMIT_BLOCK
    );
  });
  expect(CommitHeader.h_chksum_type.get(log.block(commits[0] ?? 0).view, 0)).toBe(1);
  expect(failure(() => mountFile(image.path)).message).toMatch(/commit_header, field h_chksum/);
});
