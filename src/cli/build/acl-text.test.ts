import { expect, test } from 'vitest';
import { asciiName } from '../../base/name.ts';
import { aclFromXattr } from '../../vfs/posix-acl.ts';
import { aclFromText } from './acl-text.ts';

const parse = (text: string): string =>
  (aclFromXattr(aclFromText(asciiName(text))) ?? [])
    .map((e) => `${e.tag}:${e.id}:${e.perm}`)
    .join();

test('an ACL as GNU tar writes it, in any order, with names that are known here', () => {
  const whole = 'user::rw-\nuser:root:r-x\ngroup::r--\nmask::rwx\nother::r--\n';
  expect(parse(whole)).toBe('1:0:6,2:0:5,4:0:4,16:0:7,32:0:4');
  expect(parse('other::---,g:7:rw-,group::r--,u::rwx,m::rwx')).toBe(
    '1:0:7,4:0:4,8:7:6,16:0:7,32:0:0',
  );
});

test('an id behind the permissions counts, not the name', () => {
  expect(parse('user::rw-,user:nobody-knows:r--:4711,group::r--,mask::r--,other::r--')).toBe(
    '1:0:6,2:4711:4,4:0:4,16:0:4,32:0:4',
  );
});

test.each([
  ['user::rw-,user:nobody-knows:r--,group::r--,mask::r--,other::r--', /nobody-knows/],
  ['user::rw-,group::r--', /not a whole ACL/],
  ['user::rw-,user:1:r--,group::r--,other::r--', /not a whole ACL/],
  ['user::rwxrwx,group::r--,other::r--', /user::rwxrwx/],
  ['nonsense', /nonsense/],
])('%s is refused with the entry', (text, why) => {
  expect(() => aclFromText(asciiName(text))).toThrow(why);
});
