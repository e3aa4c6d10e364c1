import { expect, test } from 'vitest';
import { makeImage } from '../../../../test/support/e2fsprogs.ts';
import { inKernel, kernelMounts } from '../../../../test/support/kernel.ts';
import { Inode } from './inode.ts';
import {
  ACL_UNDEFINED_ID,
  aclFromDisk,
  aclFromXattr,
  aclIsValid,
  aclToDisk,
  aclToXattr,
} from './posix-acl.ts';
import type { AclLine } from './posix-acl.ts';
import { EXT4_XATTR_INDEX_POSIX_ACL_ACCESS, XattrEntry } from './xattr.ts';

const none = ACL_UNDEFINED_ID;
const LINES: AclLine[] = [
  { tag: 1, perm: 7, id: none },
  { tag: 2, perm: 6, id: 1000 },
  { tag: 2, perm: 4, id: 70_000 },
  { tag: 4, perm: 5, id: none },
  { tag: 8, perm: 4, id: 2000 },
  { tag: 16, perm: 7, id: none },
  { tag: 32, perm: 1, id: none },
];

test('both forms come back as they were', () => {
  expect(aclFromDisk(aclToDisk(LINES), 12)).toEqual(LINES);
  expect(aclFromXattr(aclToXattr(LINES))).toEqual(LINES);
  expect(aclToDisk(LINES).length).toBe(4 + 3 * 8 + 4 * 4);
});

test('the kernel stores a list in the form on disk', ({ skip }) => {
  skip(!kernelMounts(), 'the kernel mounts no images here');
  const image = makeImage(['-t', 'ext4', '-b', '1024', '-I', '256'], '8M');
  const hex = Buffer.from(aclToXattr(LINES)).toString('hex');
  inKernel(
    image,
    `
import os, sys
f = os.path.join(sys.argv[1], 'f'); open(f, 'w').close()
os.setxattr(f, 'system.posix_acl_access', bytes.fromhex('${hex}'))
`,
  );
  const m = /block (\d+), offset 0x([0-9a-f]+)/.exec(image.ask('imap f'));
  const at = Number(m?.[1]) * 1024 + parseInt(m?.[2] ?? '', 16);
  const view = image.view();
  const first = at + 128 + Inode.i_extra_isize.get(view, at) + 4;
  expect(XattrEntry.e_name_index.get(view, first)).toBe(EXT4_XATTR_INDEX_POSIX_ACL_ACCESS);
  expect(XattrEntry.e_name_len.get(view, first)).toBe(0);
  const value = first + XattrEntry.e_value_offs.get(view, first);
  const size = XattrEntry.e_value_size.get(view, first);
  expect(new Uint8Array(view.buffer, value, size)).toEqual(aclToDisk(LINES));
});

test('a list on disk that makes no sense is corruption', () => {
  const disk = aclToDisk(LINES);
  for (const size of [0, 3, 5, 7, 11, 15, disk.length - 1]) {
    expect(() => aclFromDisk(disk.subarray(0, size), 12)).toThrow(/EUCLEAN/);
  }
  for (const [at, byte] of [
    [0, 2],
    [4, 0],
    [4, 3],
    [5, 1],
  ] as const) {
    const bad = disk.slice();
    bad[at] = byte;
    expect(() => aclFromDisk(bad, 12)).toThrow(/EUCLEAN/);
  }
});

test('a list from a caller that makes no sense is an invalid argument', () => {
  const given = aclToXattr(LINES);
  expect(() => aclFromXattr(given.subarray(0, 3))).toThrow(/EINVAL/);
  expect(() => aclFromXattr(given.subarray(0, 13))).toThrow(/EINVAL/);
  expect(() => aclFromXattr(Uint8Array.of(1, 0, 0, 0))).toThrow(/EOPNOTSUPP/);
  expect(() => aclFromXattr(Uint8Array.of(2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0))).toThrow(/EINVAL/);
  expect(aclFromXattr(Uint8Array.of(2, 0, 0, 0))).toEqual([]);
});

test('a list needs its three owners, in order, and a mask for named ones', () => {
  const without = (tag: number): AclLine[] => LINES.filter((l) => l.tag !== tag);
  expect(aclIsValid(LINES)).toBe(true);
  expect(aclIsValid([])).toBe(false);
  for (const tag of [1, 4, 16, 32]) expect(aclIsValid(without(tag))).toBe(false);
  for (const tag of [2, 8]) expect(aclIsValid(without(tag))).toBe(true);
  expect(aclIsValid(LINES.toReversed())).toBe(false);
  expect(aclIsValid([...LINES, { tag: 32, perm: 1, id: none }])).toBe(false);
  expect(aclIsValid(LINES.map((l) => ({ ...l, perm: 8 })))).toBe(false);
});
