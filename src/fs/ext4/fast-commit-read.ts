/**
 * Fast commits, as far as they are whole: a stream of records in the blocks behind the log, each of
 * which says what became of an inode, a range or a name.
 *
 *     HEAD(tid)  record ...  TAIL(tid, crc)  |  record ...  TAIL(tid, crc)  |  older
 *
 * What stands before a right TAIL was reported durable; what follows the last one never was.
 * @source filesystems/ext4/journal.rst, "Fast commits"; fs/ext4/fast_commit.c:ext4_fc_replay_scan()
 */
import { crc32c } from '../../base/checksum.ts';
import { corrupted, errno } from '../../base/errno.ts';
import { type Name, NAME_MAX, nameFromBytes } from '../../base/name.ts';
import { type Tid } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { BlockDevice } from '../../block/block-device.ts';
import {
  EXT4_FC_SUPPORTED_FEATURES,
  EXT4_FC_TAG_ADD_RANGE,
  EXT4_FC_TAG_CREAT,
  EXT4_FC_TAG_DEL_RANGE,
  EXT4_FC_TAG_HEAD,
  EXT4_FC_TAG_INODE,
  EXT4_FC_TAG_LINK,
  EXT4_FC_TAG_PAD,
  EXT4_FC_TAG_TAIL,
  EXT4_FC_TAG_UNLINK,
  FcAddRange,
  FcDelRange,
  FcDentryInfo,
  FcHead,
  FcInode,
  FcTail,
  FcTl,
} from '../../jbd2/disk.ts';
import type { LoadedJournal } from '../../jbd2/load.ts';
import { type LogBlock, LogReader } from '../../jbd2/log-reader.ts';
import { Extent, extentLength, extentStart, isUnwritten } from './disk/extent.ts';
import { EXT4_GOOD_OLD_INODE_SIZE } from './disk/inode.ts';

/** A name of a directory came, or went. */
export interface NameRecord {
  readonly kind: 'create' | 'link' | 'unlink';
  readonly dir: number;
  readonly ino: number;
  readonly name: Name;
}
/** Blocks [lblk, lblk + len) of a file are at `pblk` now; of a 'delete' they are a hole. */
export interface RangeRecord {
  readonly kind: 'add' | 'delete';
  readonly ino: number;
  readonly lblk: number;
  readonly len: number;
  readonly pblk: number;
  readonly unwritten: boolean;
}
/** An inode's record, without what maps its blocks. */
export interface InodeRecord {
  readonly kind: 'inode';
  readonly ino: number;
  readonly raw: Uint8Array;
}
export type FastCommitRecord = NameRecord | RangeRecord | InodeRecord;

const NAME_KINDS: Readonly<Record<number, NameRecord['kind']>> = {
  [EXT4_FC_TAG_CREAT]: 'create',
  [EXT4_FC_TAG_LINK]: 'link',
  [EXT4_FC_TAG_UNLINK]: 'unlink',
};

/** May a value have this length? @source fs/ext4/fast_commit.c:ext4_fc_value_len_isvalid() */
function lengthOk(tag: number, len: number, inodeSize: number): boolean {
  switch (tag) {
    case EXT4_FC_TAG_HEAD:
      return len === FcHead.$size;
    case EXT4_FC_TAG_ADD_RANGE:
      return len === FcAddRange.$size;
    case EXT4_FC_TAG_DEL_RANGE:
      return len === FcDelRange.$size;
    case EXT4_FC_TAG_CREAT:
    case EXT4_FC_TAG_LINK:
    case EXT4_FC_TAG_UNLINK:
      return len > FcDentryInfo.$size && len <= FcDentryInfo.$size + NAME_MAX;
    case EXT4_FC_TAG_INODE: {
      const size = len - FcInode.$size;
      return size >= EXT4_GOOD_OLD_INODE_SIZE && size <= inodeSize;
    }
    case EXT4_FC_TAG_TAIL:
      return len >= FcTail.$size;
    default:
      return tag === EXT4_FC_TAG_PAD;
  }
}

class Reader {
  readonly whole: FastCommitRecord[] = [];
  private readonly tid: Tid;
  private readonly inodeSize: number;
  /** Since the last TAIL. */
  private pending: FastCommitRecord[] = [];
  private crc = 0;
  private begun = false;

  constructor(tid: Tid, inodeSize: number) {
    this.tid = tid;
    this.inodeSize = inodeSize;
  }

  /** Take one block. False: the stream ends in it. */
  block({ data, view }: LogBlock): boolean {
    for (let at = 0; at + FcTl.$size <= data.length;) {
      const tag = FcTl.fc_tag.get(view, at);
      const len = FcTl.fc_len.get(view, at);
      const value = at + FcTl.$size;
      if (value + len > data.length || !lengthOk(tag, len, this.inodeSize)) return false;
      // The first of all is a HEAD: anything else is left from another time.
      if (!this.begun && tag !== EXT4_FC_TAG_HEAD) return false;
      if (tag === EXT4_FC_TAG_TAIL) {
        this.crc = crc32c(this.crc, data, at, value + FcTail.fc_crc.offset);
        if (!this.tail(view, value)) return false;
      } else {
        if (tag === EXT4_FC_TAG_HEAD && !this.head(view, value)) return false;
        this.crc = crc32c(this.crc, data, at, value + len);
        this.record(tag, data, view, value, len);
      }
      at = value + len;
    }
    return true;
  }

  private head(view: DataView, at: number): boolean {
    if (FcHead.fc_tid.get(view, at) !== this.tid) return false;
    const unknown = FcHead.fc_features.get(view, at) & ~EXT4_FC_SUPPORTED_FEATURES;
    if (unknown !== 0) {
      const facts = { record: FcHead.$name, field: 'fc_features', got: unknown >>> 0 };
      throw errno('EINVAL', facts, 'the fast commits have a feature that nobody knows here');
    }
    this.begun = true;
    return true;
  }

  private tail(view: DataView, at: number): boolean {
    if (FcTail.fc_tid.get(view, at) !== this.tid) return false;
    if (FcTail.fc_crc.get(view, at) !== this.crc) return false;
    this.whole.push(...this.pending);
    this.pending = [];
    this.crc = 0;
    return true;
  }

  private record(tag: number, data: Uint8Array, view: DataView, at: number, len: number): void {
    const name = NAME_KINDS[tag];
    if (name) {
      const from = at + FcDentryInfo.$size;
      this.pending.push({
        kind: name,
        dir: FcDentryInfo.fc_parent_ino.get(view, at),
        ino: FcDentryInfo.fc_ino.get(view, at),
        name: nameFromBytes(data, from, at + len),
      });
    } else if (tag === EXT4_FC_TAG_ADD_RANGE) {
      this.pending.push(addRange(view, at));
    } else if (tag === EXT4_FC_TAG_DEL_RANGE) {
      const ino = FcDelRange.fc_ino.get(view, at);
      const lblk = FcDelRange.fc_lblk.get(view, at);
      const blocks = FcDelRange.fc_len.get(view, at);
      this.pending.push({ kind: 'delete', ino, lblk, len: blocks, pblk: 0, unwritten: false });
    } else if (tag === EXT4_FC_TAG_INODE) {
      const raw = data.slice(at + FcInode.$size, at + len);
      this.pending.push({ kind: 'inode', ino: FcInode.fc_ino.get(view, at), raw });
    }
  }
}

function addRange(view: DataView, at: number): RangeRecord {
  const ex = at + FcAddRange.fc_ex.offset;
  const len = Extent.ee_len.get(view, ex);
  return {
    kind: 'add',
    ino: FcAddRange.fc_ino.get(view, at),
    lblk: Extent.ee_block.get(view, ex),
    len: extentLength(len),
    pblk: extentStart(view, ex),
    unwritten: isUnwritten(len),
  };
}

/**
 * The records that were reported durable after the log's last whole transaction, in their order.
 * @param tid  the transaction that they are of: the one that would come next in the log
 * @throws EINVAL they have a feature that nobody knows here; EUCLEAN a number cannot be; EIO
 * @context Memory is bounded by the blocks of the area.
 */
export function* readFastCommits(
  device: BlockDevice,
  journal: LoadedJournal,
  tid: Tid,
  geo: { readonly inodeSize: number; readonly inodesCount: number },
): Op<readonly FastCommitRecord[]> {
  const area = journal.fastCommit;
  if (!area || journal.start === 0) return [];
  const log = new LogReader(device, journal);
  const reader = new Reader(tid, geo.inodeSize);
  for (let at = area.first; at < area.end; at++) {
    if (!reader.block(yield* log.read(at, Math.min(area.end - at - 1, 64)))) break;
  }
  for (const record of reader.whole) checkNumbers(record, geo.inodesCount);
  return reader.whole;
}

/** Checksums say that somebody meant it; numbers must be possible all the same. */
function checkNumbers(record: FastCommitRecord, inodesCount: number): void {
  const check = (name: string, field: string, ino: number): void => {
    if (ino >= 1 && ino <= inodesCount) return;
    throw corrupted(name, field, { got: ino, want: `1..${inodesCount}` });
  };
  switch (record.kind) {
    case 'inode':
      check(FcInode.$name, 'fc_ino', record.ino);
      break;
    case 'add':
      check(FcAddRange.$name, 'fc_ino', record.ino);
      break;
    case 'delete':
      check(FcDelRange.$name, 'fc_ino', record.ino);
      break;
    default:
      check(FcDentryInfo.$name, 'fc_ino', record.ino);
      check(FcDentryInfo.$name, 'fc_parent_ino', record.dir);
  }
}
