/**
 * ACLs as archives carry them: text, with the names that users had where the archive was made.
 *
 *     user::rw-,user:lp:r--:7,group::r--,mask::r--,other::r--
 *
 * An id behind the permissions counts (star writes it); else a number is an id, and a name is
 * looked up on this machine, as tar does that unpacks here.
 * @source acl_from_text(3); star's SCHILY.acl.access, SCHILY.acl.default
 */
import { readFileSync } from 'node:fs';
import { isErrno } from '../../base/errno.ts';
import { type Name, nameToText } from '../../base/name.ts';
import type { AclEntry } from '../../vfs/inode.ts';
import {
  ACL_GROUP,
  ACL_GROUP_OBJ,
  ACL_MASK,
  ACL_OTHER,
  ACL_USER,
  ACL_USER_OBJ,
  aclToXattr,
  checkAcl,
} from '../../vfs/posix-acl.ts';
import { CliError } from '../errors.ts';

const TAGS: Readonly<Record<string, readonly [own: number, named: number]>> = {
  user: [ACL_USER_OBJ, ACL_USER],
  u: [ACL_USER_OBJ, ACL_USER],
  group: [ACL_GROUP_OBJ, ACL_GROUP],
  g: [ACL_GROUP_OBJ, ACL_GROUP],
  mask: [ACL_MASK, 0],
  m: [ACL_MASK, 0],
  other: [ACL_OTHER, 0],
  o: [ACL_OTHER, 0],
};

/**
 * The value of system.posix_acl_access or _default.
 * @throws CliError EINVAL it is no ACL, or names somebody whom this machine does not know
 */
export function aclFromText(text: Name): Uint8Array {
  const entries = nameToText(text)
    .split(/[,\n]/)
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '')
    .map(entryOf)
    .sort((a, b) => a.tag - b.tag || a.id - b.id);
  try {
    return aclToXattr(checkAcl(entries));
  } catch (e) {
    if (!isErrno(e, 'EINVAL')) throw e;
    throw new CliError('EINVAL', `not a whole ACL: ${nameToText(text).replace(/\n/g, ',')}`);
  }
}

function entryOf(line: string): AclEntry {
  const [kind = '', who = '', perms, id] = line.split(':').map((part) => part.trim());
  // `other` and `mask` may leave their empty field out.
  const bits = perms ?? who;
  const name = perms === undefined ? '' : who;
  const tags = TAGS[kind];
  if (tags === undefined || !/^[rwx-]{0,3}$/.test(bits) || (name !== '' && tags[1] === 0)) {
    throw new CliError('EINVAL', `${line}: not an entry of an ACL`);
  }
  const perm = [...bits].reduce((sum, c) => sum | ({ r: 4, w: 2, x: 1 }[c] ?? 0), 0);
  if (name === '') return { tag: tags[0], perm, id: 0 };
  return { tag: tags[1], perm, id: idOf(tags[1], id ?? name, line) };
}

function idOf(tag: number, who: string, line: string): number {
  const id = /^\d{1,10}$/.test(who) ? Number(who) : knownHere(tag).get(who);
  if (id !== undefined && id < 0xffff_ffff) return id;
  const kind = tag === ACL_USER ? 'user' : 'group';
  throw new CliError('EINVAL', `${line}: an ACL names a ${kind} whom this machine does not know`);
}

const known = new Map<number, ReadonlyMap<string, number>>();
/** Names and numbers of /etc/passwd or /etc/group; none where the host has no such file. */
function knownHere(tag: number): ReadonlyMap<string, number> {
  let ids = known.get(tag);
  if (ids === undefined) known.set(tag, (ids = readIds(tag === ACL_USER ? 'passwd' : 'group')));
  return ids;
}
function readIds(file: string): ReadonlyMap<string, number> {
  try {
    const lines = readFileSync(`/etc/${file}`, 'utf8').split('\n');
    const fields = lines.map((line) => line.split(':'));
    return new Map(fields.map(([name = '', , id]) => [name, Number(id)] as const));
  } catch {
    return new Map();
  }
}
