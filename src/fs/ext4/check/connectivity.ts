/**
 * Pass 3 and pass 4: every directory hangs below the root where its ".." says, and every inode
 * has as many names as it says.
 */
import { ino as inoUnit } from '../../../base/units.ts';
import type { Op } from '../../../sched/op.ts';
import { EXT4_FT_DIR } from '../disk/dirent.ts';
import { EXT4_LINK_MAX, EXT4_ROOT_INO, Inode } from '../disk/inode.ts';
import { pblk as pblkUnit } from '../../../base/units.ts';
import { readInodeRecord } from './inode-read.ts';
import { INODE_TYPE } from './maps.ts';
import { type CheckState, DIR_INDEXED } from './state.ts';

/** What is known of a directory on the way up: nothing, on this way, that it reaches the root. */
const UNKNOWN = 0;
const ON_WAY = 1;
const REACHES = 2;
const LOST = 3;

/** Pass 3. @context Does not sleep. */
export function checkConnectivity(state: CheckState): void {
  const { dirs, vol } = state;
  const { report } = vol;
  const known = new Uint8Array(dirs.ino.length);
  for (let i = 0; i < dirs.ino.length; i++) {
    const ino = dirs.ino.at(i);
    const parent = ino === EXT4_ROOT_INO ? ino : dirs.parent.at(i);
    const says = dirs.dotdot.at(i);
    const place = { ino: inoUnit(ino) };
    if (parent === 0) {
      report.report('directory-unconnected', `Directory ${ino} has no name anywhere.`, place);
    } else if (says !== parent) {
      const text = `Directory ${ino} stands in ${parent}, but its ".." says ${says}.`;
      report.report('dotdot', text, { ...place, path: '..' });
    }
    if (parent !== 0 && climb(state, known, i) === LOST) {
      const text = `Directory ${ino} cannot be reached from the root.`;
      report.report('directory-unreachable', text, place);
    }
  }
  if (dirs.ino.find(EXT4_ROOT_INO) < 0) {
    report.report('root-missing', 'There is no root directory.', { ino: inoUnit(EXT4_ROOT_INO) });
  }
}

/** Go up until something is known. */
function climb(state: CheckState, known: Uint8Array, from: number): number {
  const { dirs } = state;
  const way: number[] = [];
  let at = from;
  let result = UNKNOWN;
  while (result === UNKNOWN) {
    if (dirs.ino.at(at) === EXT4_ROOT_INO) result = REACHES;
    else if (known[at] === ON_WAY) result = LOST;
    else if (known[at] !== UNKNOWN) result = known[at]!;
    else {
      known[at] = ON_WAY;
      way.push(at);
      const parent = dirs.parent.at(at);
      at = parent === 0 ? -1 : dirs.ino.find(parent);
      // Without a name it is reported by itself; what hangs below it is reached with it.
      if (at < 0) result = REACHES;
    }
  }
  for (const i of way) known[i] = result;
  return result;
}

/** Pass 4. */
export function* checkLinks(state: CheckState): Op<void> {
  const { vol } = state;
  const { report } = vol;
  for (let group = 0; group < vol.geo.groupsCount; group++) {
    const first = group * vol.geo.inodesPerGroup + 1;
    let ino = state.inodes.nextUnequal(group, first);
    while (ino !== 0) {
      yield* unequalLinks(state, ino);
      ino = state.inodes.nextUnequal(group, ino + 1);
    }
    report.progress(group + 1);
  }
  for (const [block, left] of state.sharedXattr) {
    if (left === 0) continue;
    const text = `Attribute block ${block} counts ${left} more owners than it has.`;
    report.report('xattr-refcount', text, { pblk: pblkUnit(block), field: 'h_refcount' });
  }
  for (const [ino, left] of state.eaInodes) {
    if (left === 0) continue;
    const text = `Inode ${ino}, the value of an attribute, counts ${left} more owners than it has.`;
    report.report('ea-inode-refcount', text, { ino: inoUnit(ino) });
  }
}

function* unequalLinks(state: CheckState, ino: number): Op<void> {
  const { vol, dirs } = state;
  const record = yield* readInodeRecord(vol, ino);
  const says = record ? Inode.i_links_count.get(record.view, 0) : 0;
  const found = (says - state.inodes.missing(ino) + 65_536) % 65_536;
  const isDir = (state.inodes.type(ino) & INODE_TYPE) === EXT4_FT_DIR;
  if (isDir && says === 1 && vol.has.dirNlink) {
    // Once too many to count, always 1; only indexed directories grow that far.
    const many = state.overflowed.get(ino) ?? 0;
    const indexed = (dirs.flags.at(dirs.ino.find(ino)) & DIR_INDEXED) !== 0;
    if (many > EXT4_LINK_MAX || indexed) return;
  }
  const place = { ino: inoUnit(ino), field: 'i_links_count' };
  if (found === 0) {
    vol.report.report('inode-unattached', `Inode ${ino} is in use, but has no name.`, place);
    return;
  }
  const text = `Inode ${ino} says it has ${says} names, found were ${found}.`;
  vol.report.report('link-count', text, place);
}
