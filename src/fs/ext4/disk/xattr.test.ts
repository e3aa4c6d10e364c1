import { expect, test } from 'vitest';
import {
  EXT4_XATTR_INDEX_SYSTEM,
  EXT4_XATTR_INDEX_USER,
  XATTR_PREFIXES,
  XattrEntry,
  eaInodeHash,
  eaInodeRef,
  setEaInodeHash,
  setEaInodeRef,
  splitXattrName,
  xattrBlockHash,
  xattrEntryLen,
  xattrPrefix,
  xattrValueLen,
} from './xattr.ts';

test('a full name splits into index and rest, and back', () => {
  for (const { index, prefix, whole } of XATTR_PREFIXES) {
    const name = whole ? prefix : `${prefix}rest.of.it`;
    expect(splitXattrName(name)).toEqual({ index, suffix: whole ? '' : 'rest.of.it' });
    expect(xattrPrefix(index)?.prefix).toBe(prefix);
  }
  expect(splitXattrName('user.')).toBe(null);
  expect(splitXattrName('nothing.known')).toBe(null);
  expect(splitXattrName('system.data')).toEqual({ index: EXT4_XATTR_INDEX_SYSTEM, suffix: 'data' });
  expect(splitXattrName('system.posix_acl_access.x')?.index).toBe(EXT4_XATTR_INDEX_SYSTEM);
  expect(xattrPrefix(99)).toBe(null);
  expect(xattrPrefix(EXT4_XATTR_INDEX_USER)?.visible).toBe(true);
});

test('sizes are padded to 4', () => {
  expect([0, 1, 4, 255].map(xattrEntryLen)).toEqual([16, 20, 20, 272]);
  expect([0, 1, 4, 5].map(xattrValueLen)).toEqual([0, 4, 4, 8]);
});

test('a list of entries that runs past its block is corruption', () => {
  const view = new DataView(new ArrayBuffer(64));
  XattrEntry.e_name_len.set(view, 0, 255);
  XattrEntry.e_hash.set(view, 0, 1);
  expect(() => xattrBlockHash(view, 0, 64)).toThrow(/EUCLEAN.*e_name_len/);
  XattrEntry.e_name_len.set(view, 0, 40);
  XattrEntry.e_name_len.set(view, 56, 1);
  expect(() => xattrBlockHash(view, 0, 64)).toThrow(/EUCLEAN/);
});

test('one entry without a hash leaves the block without one', () => {
  const view = new DataView(new ArrayBuffer(64));
  XattrEntry.e_name_len.set(view, 0, 4);
  XattrEntry.e_hash.set(view, 0, 7);
  expect(xattrBlockHash(view, 0, 64)).toBe(7);
  XattrEntry.e_name_len.set(view, 20, 4);
  expect(xattrBlockHash(view, 0, 64)).toBe(0);
});

test('count and hash of a value in its own inode have all their bits', () => {
  const view = new DataView(new ArrayBuffer(160));
  setEaInodeRef(view, 0, 2 ** 33 + 1);
  setEaInodeHash(view, 0, 0xffff_fffe);
  expect(eaInodeRef(view, 0)).toBe(2 ** 33 + 1);
  expect(eaInodeHash(view, 0)).toBe(0xffff_fffe);
});
