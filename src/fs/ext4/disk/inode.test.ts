import { expect, test } from 'vitest';
import { makeImage } from '../../../../test/support/e2fsprogs.ts';
import type { TestImage } from '../../../../test/support/e2fsprogs.ts';
import {
  EXT4_HUGE_FILE_FL,
  EXT4_ROOT_INO,
  Inode,
  fitsInInode,
  iBlocks,
  iChecksum,
  iFileAcl,
  iGid,
  iSize,
  iUid,
  iVersion,
  setIBlocks,
  setIChecksum,
  setIFileAcl,
  setIGid,
  setISize,
  setIUid,
  setIVersion,
} from './inode.ts';
import { csumSeedOf, inodeCsumSeed, rawBlock, setInodeCsum } from '../checksum.ts';
import { inodeTime, setInodeTime } from './inode-time.ts';
import type { TimeName } from './inode-time.ts';

/** Byte of the root inode's record, as debugfs finds it. */
function rootInode(image: TestImage): number {
  const m = /located at block (\d+), offset 0x([0-9a-f]+)/.exec(image.ask('imap <2>'));
  return Number(m?.[1]) * 1024 + parseInt(m?.[2] ?? '', 16);
}

const ext4 = (): TestImage => makeImage(['-t', 'ext4', '-b', '1024', '-I', '256'], '4M');
const record = (): DataView => new DataView(new ArrayBuffer(256));

test('a value that debugfs sets by name is found in the field of that name', () => {
  const image = ext4();
  const before = image.bytes();
  const at = rootInode(image);
  const fields = new Map(Inode.$fields.map((f) => [f.name, f]));
  const names: Record<string, string> = {
    mode: 'i_mode', uid_lo: 'i_uid', uid_hi: 'l_i_uid_high', size_lo: 'i_size_lo',
    size_hi: 'i_size_high', atime_lo: 'i_atime', ctime_lo: 'i_ctime', mtime_lo: 'i_mtime',
    dtime: 'i_dtime', gid_lo: 'i_gid', gid_hi: 'l_i_gid_high', links_count: 'i_links_count',
    blocks_lo: 'i_blocks_lo', blocks_hi: 'l_i_blocks_high', flags: 'i_flags',
    version_lo: 'l_i_version', version_hi: 'i_version_hi', generation: 'i_generation',
    file_acl_lo: 'i_file_acl_lo', file_acl_hi: 'l_i_file_acl_high', faddr: 'i_obso_faddr',
    ctime_extra: 'i_ctime_extra', mtime_extra: 'i_mtime_extra', atime_extra: 'i_atime_extra',
    crtime_lo: 'i_crtime', crtime_extra: 'i_crtime_extra', projid: 'i_projid',
    extra_isize: 'i_extra_isize',
  }; // prettier-ignore
  for (const [theirs, ours] of Object.entries(names)) {
    image.debugfs(`sif <2> ${theirs} 28`);
    expect([theirs, fields.get(ours)?.get(image.view(), at)]).toEqual([theirs, 28]);
    image.restore(before);
  }
  image.debugfs('sif <2> block[2] 77');
  expect(new DataView(image.bytes().buffer, at + 0x28).getUint32(8, true)).toBe(77);
});

test('split numbers come back whole', () => {
  const v = record();
  setISize(v, 0, 2 ** 45 + 7);
  setIUid(v, 0, 0x1234_5678);
  setIGid(v, 0, 0xfffe_fffd);
  setIFileAcl(v, 0, true, 2 ** 47 + 9);
  setIVersion(v, 0, 32, 2 ** 33 + 1);
  setIChecksum(v, 0, 32, 0xdead_beef);
  expect(iSize(v, 0)).toBe(2 ** 45 + 7);
  expect(iUid(v, 0)).toBe(0x1234_5678);
  expect(iGid(v, 0)).toBe(0xfffe_fffd);
  expect(iFileAcl(v, 0, true)).toBe(2 ** 47 + 9);
  expect(iFileAcl(v, 0, false)).toBe(9);
  expect(iVersion(v, 0, 32)).toBe(2 ** 33 + 1);
  expect(iVersion(v, 0, 0)).toBe(1);
  expect(iChecksum(v, 0, 32)).toBe(0xdead_beef);
  expect(iChecksum(v, 0, 0)).toBe(0xbeef);
});

test('a size above 2^53-1 is no number that any range contains', () => {
  const v = record();
  Inode.i_size_high.set(v, 0, 0x20_0000);
  expect(iSize(v, 0)).toBe(Infinity);
});

test('the space of a huge file is counted in blocks, of any other in 512-byte units', () => {
  const v = record();
  expect(setIBlocks(v, 0, true, 12, 2 ** 40)).toBe(true);
  expect(iBlocks(v, 0, true, 12)).toBe(2 ** 40);
  expect(Inode.i_flags.get(v, 0)).toBe(0);
  expect(setIBlocks(v, 0, true, 12, 2 ** 50)).toBe(true);
  expect(Inode.i_flags.get(v, 0)).toBe(EXT4_HUGE_FILE_FL);
  expect(iBlocks(v, 0, true, 12)).toBe(2 ** 50);
  expect(setIBlocks(v, 0, true, 12, 8)).toBe(true);
  expect(Inode.i_flags.get(v, 0)).toBe(0);
  expect(setIBlocks(v, 0, false, 12, 2 ** 32)).toBe(false);
  expect(iBlocks(v, 0, false, 12)).toBe(8);
});

test('a field is there when i_extra_isize reaches its end', () => {
  expect(fitsInInode(Inode.i_generation, 0)).toBe(true);
  expect(fitsInInode(Inode.i_checksum_hi, 2)).toBe(false);
  expect(fitsInInode(Inode.i_checksum_hi, 4)).toBe(true);
  expect(fitsInInode(Inode.i_projid, 28)).toBe(false);
});

test('debugfs reads the times that were stored, from 1901 to 2446', () => {
  const image = ext4();
  const at = rootInode(image);
  const bytes = image.bytes();
  const v = new DataView(bytes.buffer);
  const times: [TimeName, number, number][] = [
    ['atime', -(2 ** 31), 1],
    ['ctime', 2 ** 31, 999_999_999],
    ['mtime', 2 ** 34 - 2 ** 31 - 1, 123_456_789],
    ['crtime', -1, 500_000_000],
  ];
  for (const [name, sec, nsec] of times) {
    setInodeTime(v, at, 32, name, { sec, nsec });
    expect(inodeTime(v, at, 32, name)).toEqual({ sec, nsec });
  }
  const seed = inodeCsumSeed(csumSeedOf(v, 1024), EXT4_ROOT_INO, Inode.i_generation.get(v, at));
  setInodeCsum(seed, rawBlock(bytes), at, 256);
  image.restore(bytes);
  const shown = image.ask(`stat <${EXT4_ROOT_INO}>`);
  for (const [name, sec, nsec] of times) {
    const m = new RegExp(`^ *${name}: 0x([0-9a-f]{8}):([0-9a-f]{8}) -- (.*)$`, 'm').exec(shown);
    expect([name, parseInt(m?.[1] ?? '', 16)]).toEqual([name, (sec % 2 ** 32) >>> 0]);
    expect([name, parseInt(m?.[2] ?? '', 16) >>> 2]).toEqual([name, nsec]);
    const year = new Date(sec * 1000).getUTCFullYear();
    expect(m?.[3]).toContain(String(year));
  }
});

test('a time that a record cannot hold is moved to the nearest that it can', () => {
  const v = record();
  setInodeTime(v, 0, 0, 'mtime', { sec: 2 ** 31, nsec: 5 });
  expect(inodeTime(v, 0, 0, 'mtime')).toEqual({ sec: 2 ** 31 - 1, nsec: 0 });
  setInodeTime(v, 0, 32, 'mtime', { sec: 2 ** 40, nsec: 5 });
  expect(inodeTime(v, 0, 32, 'mtime')).toEqual({ sec: 2 ** 34 - 2 ** 31 - 1, nsec: 0 });
  setInodeTime(v, 0, 32, 'mtime', { sec: -(2 ** 40), nsec: 5 });
  expect(inodeTime(v, 0, 32, 'mtime')).toEqual({ sec: -(2 ** 31), nsec: 0 });
  setInodeTime(v, 0, 0, 'crtime', { sec: 1, nsec: 1 });
  expect(inodeTime(v, 0, 0, 'crtime')).toEqual({ sec: 0, nsec: 0 });
});
