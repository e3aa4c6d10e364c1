/**
 * Extended attributes, in an inode and in a block: entries, values, hashes, references.
 */
import { ino as inoUnit, pblk as pblkUnit } from '../../../base/units.ts';
import type { Op } from '../../../sched/op.ts';
import { xattrBlockCsumOk } from '../checksum.ts';
import { EXT4_EA_INODE_FL, EXT4_GOOD_OLD_INODE_SIZE, Inode } from '../disk/inode.ts';
import {
  EXT4_XATTR_INDEX_ENCRYPTION,
  EXT4_XATTR_INDEX_SYSTEM,
  EXT4_XATTR_MAGIC,
  EXT4_XATTR_SIZE_MAX,
  XattrEntry,
  XattrHeader,
  XattrIbodyHeader,
  eaInodeHash,
  isLastXattrEntry,
  xattrEntryHash,
  xattrEntryLen,
  xattrInodeEntryHash,
  xattrValueLen,
} from '../disk/xattr.ts';
import { readInodeRecord } from './inode-read.ts';
import type { CheckState } from './state.ts';

/** A value in an inode of its own. */
export interface EaValue {
  readonly ino: number;
  readonly size: number;
  readonly hash: number;
  readonly name: Uint8Array;
}

/** What a list of attributes holds that others ask for. */
export interface XattrFacts {
  /** Value of system.data, which is inline data: where in the view, or -1; and its size. */
  dataAt: number;
  dataSize: number;
  hasContext: boolean;
  readonly values: EaValue[];
}

const NO_FACTS = (): XattrFacts => ({ dataAt: -1, dataSize: 0, hasContext: false, values: [] });

/** An inode without attributes; most are. */
const NONE: XattrFacts = { dataAt: -1, dataSize: 0, hasContext: false, values: [] };

/** The list that is looked at: where it is, and what to call it. */
interface List {
  readonly view: DataView;
  readonly data: Uint8Array;
  /** First entry; end of the room; what value offsets count from. */
  readonly first: number;
  readonly end: number;
  readonly base: number;
  readonly ino: number;
  readonly pblk?: number;
}

type Fail = (code: string, field: string, text: string) => void;

/** Attributes behind the fields of the inode record at `at`. */
export function checkIbodyXattrs(
  state: CheckState,
  view: DataView,
  data: Uint8Array,
  at: number,
  ino: number,
): XattrFacts {
  const { inodeSize } = state.vol.geo;
  if (inodeSize <= EXT4_GOOD_OLD_INODE_SIZE) return NONE;
  const head = at + EXT4_GOOD_OLD_INODE_SIZE + Inode.i_extra_isize.get(view, at);
  const end = at + inodeSize;
  if (head + XattrIbodyHeader.$size > end) return NONE;
  if (XattrIbodyHeader.h_magic.get(view, head) !== EXT4_XATTR_MAGIC) return NONE;
  const facts = NO_FACTS();
  const first = head + XattrIbodyHeader.$size;
  checkList(state, { view, data, first, end, base: first, ino }, facts);
  return facts;
}

function checkList(state: CheckState, list: List, facts: XattrFacts): void {
  const { view, first, end, pblk } = list;
  const fail: Fail = (code, field, text) => {
    state.vol.report.report(code, `Inode ${list.ino}: ${text}.`, {
      ino: inoUnit(list.ino),
      ...(pblk !== undefined && { pblk: pblkUnit(pblk) }),
      field,
    });
  };
  const taken: [start: number, end: number][] = [];
  let at = first;
  while (at + 4 <= end && !isLastXattrEntry(view, at)) {
    const len = at + XattrEntry.$size <= end ? XattrEntry.e_name_len.get(view, at) : 0xffff;
    const next = at + xattrEntryLen(len);
    if (next > end || XattrEntry.e_name_index.get(view, at) === 0) {
      fail('xattr-name', 'e_name_len', 'the name of an attribute is none, or does not fit');
      return;
    }
    checkEntry(state, list, at, taken, facts, fail);
    at = next;
  }
  if (at + 4 > end) fail('xattr-end', 'e_name_len', 'the list of attributes has no end');
  taken.push([first, Math.min(at + 4, end)]);
  taken.sort((a, b) => a[0] - b[0]);
  for (let i = 1; i < taken.length; i++) {
    if (taken[i]![0] >= taken[i - 1]![1]) continue;
    fail('xattr-overlap', 'e_value_offs', 'values of attributes overlap');
    return;
  }
}

function checkEntry(
  state: CheckState,
  { view, data, base, end, pblk }: List,
  at: number,
  taken: [number, number][],
  facts: XattrFacts,
  fail: Fail,
): void {
  const nameAt = at + XattrEntry.$size;
  const name = data.subarray(nameAt, nameAt + XattrEntry.e_name_len.get(view, at));
  const index = XattrEntry.e_name_index.get(view, at);
  const size = XattrEntry.e_value_size.get(view, at);
  const hash = XattrEntry.e_hash.get(view, at);
  const inum = XattrEntry.e_value_inum.get(view, at);
  if (index === EXT4_XATTR_INDEX_ENCRYPTION && name.length === 1) facts.hasContext = true;
  if (inum !== 0) {
    if (!state.vol.has.eaInode || !state.vol.validIno(inum) || size > EXT4_XATTR_SIZE_MAX) {
      fail('xattr-value-inode', 'e_value_inum', `an attribute names inode ${inum} as its value`);
      return;
    }
    facts.values.push({ ino: inum, size, hash, name: name.slice() });
    return;
  }
  const offset = XattrEntry.e_value_offs.get(view, at);
  const start = base + offset;
  if (size > 0 && (start + size > end || start < base)) {
    fail('xattr-value', 'e_value_offs', `the value of an attribute (${size} bytes) is outside`);
    return;
  }
  if (size > 0) taken.push([start, Math.min(start + xattrValueLen(size), end)]);
  if (pblk === undefined && index === EXT4_XATTR_INDEX_SYSTEM && isData(name)) {
    facts.dataAt = size > 0 ? start : 0;
    facts.dataSize = size;
  }
  if (pblk === undefined && hash === 0) return; // In an inode the hash may be left out.
  const value = data.subarray(start, start + size);
  if (hash !== xattrEntryHash(name, value) && hash !== xattrEntryHash(name, value, true)) {
    fail('xattr-hash', 'e_hash', 'the hash of an attribute is wrong');
  }
}

const isData = (name: Uint8Array): boolean =>
  name.length === 4 && name[0] === 0x64 && name[1] === 0x61 && name[2] === 0x74 && name[3] === 0x61;

/** The attribute block of an inode. @returns null where it cannot be believed */
export function* checkXattrBlock(
  state: CheckState,
  ino: number,
  block: number,
): Op<XattrFacts | null> {
  const { vol } = state;
  const facts = NO_FACTS();
  const fail: Fail = (code, field, text) => {
    const place = { ino: inoUnit(ino), pblk: pblkUnit(block), field };
    vol.report.report(code, `Inode ${ino}: ${text}.`, place);
  };
  const bh = yield* vol.bread(block);
  if (!bh) {
    fail('xattr-block-range', 'i_file_acl_lo', `its attribute block ${block} is outside`);
    return null;
  }
  try {
    const { view, data } = bh;
    const seen = state.sharedXattr.get(block);
    if (seen !== undefined) {
      state.sharedXattr.set(block, seen - 1);
    } else {
      state.claim(vol.clusterOf(block), 1, ino);
    }
    if (XattrHeader.h_magic.get(view, 0) !== EXT4_XATTR_MAGIC) {
      fail('xattr-header', 'h_magic', `block ${block} holds no attributes`);
      return null;
    }
    const refs = XattrHeader.h_refcount.get(view, 0);
    if (seen === undefined && refs !== 1) state.sharedXattr.set(block, refs - 1);
    if (seen === undefined && XattrHeader.h_blocks.get(view, 0) !== 1) {
      fail('xattr-header', 'h_blocks', `attribute block ${block} says it is more than one`);
    }
    if (
      seen === undefined &&
      vol.has.metadataCsum &&
      !xattrBlockCsumOk(vol.facts.csumSeed, block, bh)
    ) {
      fail('xattr-checksum', 'h_checksum', `the checksum of attribute block ${block} is wrong`);
    }
    const end = vol.geo.blockSize;
    const first = XattrHeader.$size;
    checkList(state, { view, data, first, end, base: 0, ino, pblk: block }, facts);
    return facts;
  } finally {
    bh.put();
  }
}

/** Values in inodes of their own: do they exist, and is the hash theirs? */
export function* checkEaValues(state: CheckState, ino: number, values: EaValue[]): Op<void> {
  for (const value of values) {
    const left = state.eaInodes.get(value.ino) ?? 0;
    state.eaInodes.set(value.ino, left - 1);
    const record = yield* readInodeRecord(state.vol, value.ino);
    const fail = (field: string, text: string): void => {
      const place = { ino: inoUnit(ino), field };
      state.vol.report.report('xattr-value-inode', `Inode ${ino}: ${text}.`, place);
    };
    if (!record) continue;
    if ((Inode.i_flags.get(record.view, 0) & EXT4_EA_INODE_FL) === 0) {
      fail('e_value_inum', `inode ${value.ino} holds no value of an attribute`);
      continue;
    }
    if (Inode.i_size_lo.get(record.view, 0) !== value.size) {
      fail('e_value_size', `the value in inode ${value.ino} has another size`);
    }
    const hash = eaInodeHash(record.view, 0);
    const same = [false, true].some((s) => xattrInodeEntryHash(value.name, hash, s) === value.hash);
    if (!same) fail('e_hash', `the hash of the value in inode ${value.ino} is wrong`);
  }
}
