import { expect, test } from 'vitest';
import { S_IFDIR, S_IFREG } from '../base/mode.ts';
import { n, World } from '../../test/support/vfs.ts';
import { sysMkdir } from '../syscall/dir.ts';
import { CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, type Cred } from './cred.ts';
import type { Acl, Inode } from './inode.ts';
import {
  ALLOWED,
  DENIED,
  MAY_EXEC,
  MAY_READ,
  MAY_WRITE,
  permissionNowait,
  UNKNOWN,
} from './permission.ts';
import {
  ACL_GROUP,
  ACL_GROUP_OBJ,
  ACL_MASK,
  ACL_OTHER,
  ACL_USER,
  ACL_USER_OBJ,
  aclFromXattr,
  aclToXattr,
} from './posix-acl.ts';

function inodeWith(mode: number, acl: Acl | null | undefined): Inode {
  const w = new World();
  w.run(sysMkdir(w.root, n('d')));
  const inode = [...w.sb.inodes.values()].at(-1);
  if (!inode) throw new TypeError('no inode');
  Object.assign(inode, { mode, uid: 10, gid: 20, aclAccess: acl });
  return inode;
}

const who = (uid: number, groups: number[] = [], caps = 0): Cred => ({
  uid,
  gid: 99,
  groups,
  umask: 0,
  caps,
});

/** u::rwx u:11:rwx u:12:r-- g::r-x g:30:rwx m::rw- o::--x */
const acl: Acl = [
  { tag: ACL_USER_OBJ, perm: 7, id: 0 },
  { tag: ACL_USER, perm: 7, id: 11 },
  { tag: ACL_USER, perm: 4, id: 12 },
  { tag: ACL_GROUP_OBJ, perm: 5, id: 0 },
  { tag: ACL_GROUP, perm: 7, id: 30 },
  { tag: ACL_MASK, perm: 6, id: 0 },
  { tag: ACL_OTHER, perm: 1, id: 0 },
];

test('an ACL is asked in the order of acl(5): user, groups under the mask, others', () => {
  const inode = inodeWith(S_IFREG | 0o761, acl);
  const may = (cred: Cred, mask: number) => permissionNowait(cred, inode, mask);
  expect(may(who(10), 7)).toBe(ALLOWED);
  expect(may(who(11), MAY_READ | MAY_WRITE)).toBe(ALLOWED);
  expect(may(who(11), MAY_EXEC)).toBe(DENIED);
  expect(may(who(12), MAY_READ)).toBe(ALLOWED);
  expect(may(who(12, [30]), MAY_WRITE)).toBe(DENIED);
  expect(may(who(13, [20]), MAY_READ)).toBe(ALLOWED);
  expect(may(who(13, [20]), MAY_WRITE)).toBe(DENIED);
  expect(may(who(13, [20, 30]), MAY_WRITE)).toBe(ALLOWED);
  expect(may(who(13, [30]), MAY_EXEC)).toBe(DENIED);
  expect(may(who(13), MAY_EXEC)).toBe(ALLOWED);
  expect(may(who(13), MAY_READ)).toBe(DENIED);
});

test('an ACL that nobody has read yet is unknown only where it could matter', () => {
  const file = inodeWith(S_IFREG | 0o744, undefined);
  expect(permissionNowait(who(10), file, MAY_WRITE)).toBe(ALLOWED);
  expect(permissionNowait(who(13), file, MAY_READ)).toBe(UNKNOWN);
  expect(permissionNowait(who(13, [], CAP_DAC_OVERRIDE), file, MAY_READ)).toBe(ALLOWED);
  // Without group bits the mask is empty: no entry can grant anything.
  expect(permissionNowait(who(13), inodeWith(S_IFREG | 0o704, undefined), MAY_READ)).toBe(ALLOWED);
});

test('capabilities reach as far as they say', () => {
  const file = inodeWith(S_IFREG | 0o000, null);
  const dir = inodeWith(S_IFDIR | 0o000, null);
  const search = who(13, [], CAP_DAC_READ_SEARCH);
  const all = who(13, [], CAP_DAC_OVERRIDE);
  expect(permissionNowait(search, file, MAY_READ)).toBe(ALLOWED);
  expect(permissionNowait(search, file, MAY_WRITE)).toBe(DENIED);
  expect(permissionNowait(search, dir, MAY_READ | MAY_EXEC)).toBe(ALLOWED);
  expect(permissionNowait(search, dir, MAY_WRITE)).toBe(DENIED);
  expect(permissionNowait(all, file, MAY_READ | MAY_WRITE)).toBe(ALLOWED);
  expect(permissionNowait(all, file, MAY_EXEC)).toBe(DENIED);
  expect(permissionNowait(all, dir, 7)).toBe(ALLOWED);
});

test('an ACL attribute survives the way there and back, and a malformed one is refused', () => {
  expect(aclFromXattr(aclToXattr(acl))).toEqual(acl);
  expect(aclFromXattr(new Uint8Array([2, 0, 0, 0]))).toBe(null);
  const refused = (bad: Acl) => () => aclFromXattr(aclToXattr(bad));
  expect(refused(acl.filter((e) => e.tag !== ACL_MASK))).toThrow('EINVAL');
  expect(refused(acl.filter((e) => e.tag !== ACL_OTHER))).toThrow('EINVAL');
  expect(refused([...acl].reverse())).toThrow('EINVAL');
  expect(refused([{ tag: 3, perm: 0, id: 0 }])).toThrow('EINVAL');
  expect(refused([{ tag: ACL_USER_OBJ, perm: 8, id: 0 }])).toThrow('EINVAL');
  expect(() => aclFromXattr(new Uint8Array(7))).toThrow('EINVAL');
  expect(() => aclFromXattr(new Uint8Array([1, 0, 0, 0]))).toThrow('EOPNOTSUPP');
});
