/**
 * The ext4 part of an inode in memory.
 *
 * Guards: `iData` (extent root, block map, fast symlink) and the extent tree below it change under
 * i_data_sem exclusive inside a handle; inline data and in-inode xattrs under xattr_sem exclusive;
 * i_disksize with i_size under i_data_sem exclusive.
 * @source fs/ext4/ext4.h (struct ext4_inode_info)
 */
import { type Ino, type Tid, tid } from '../../base/units.ts';
import { lockClass } from '../../sched/lock-class.ts';
import { RwSemaphore } from '../../sched/rw-semaphore.ts';
import type { AddressSpaceOperations } from '../../mm/address-space.ts';
import { Inode } from '../../vfs/inode.ts';
import type { ExtentStatusTree } from './extents-status.ts';
import type { Ext4SuperBlock } from './sb-info.ts';
import type { Window } from './windows.ts';
import type { VerityInfo } from './verity.ts';

/** In-inode extended attributes and inline data. */
export const XATTR_SEM = lockClass('ext4.xattr_sem', {
  after: ['jbd2_handle', 'folio'],
  nest: 'ino',
});
/** Shared to look a mapping up, exclusive to change one, or i_size with i_disksize. */
export const I_DATA_SEM = lockClass('inode.i_data_sem', {
  after: ['jbd2_handle', 'folio', 'ext4.xattr_sem'],
  nest: 'ino',
});

export class Ext4Inode extends Inode {
  declare readonly sb: Ext4SuperBlock;
  /** EXT4_*_FL. */
  iFlags = 0;
  /** The 60 bytes of i_block: extent root, block map, device number or fast symlink. */
  readonly iData = new Uint8Array(60);
  readonly iDataView = new DataView(this.iData.buffer);
  readonly dataSem = new RwSemaphore(I_DATA_SEM, this);
  readonly xattrSem = new RwSemaphore(XATTR_SEM, this);
  /** Cached mappings and the sequence counter that validates cookies. */
  readonly es: ExtentStatusTree;
  /** Size on disk, bytes; at most i_size. */
  disksize = 0;
  /** Transactions that fsync and fdatasync have to wait for. */
  syncTid: Tid = tid(0);
  datasyncTid: Tid = tid(0);
  blockGroup = 0;
  extraIsize = 0;
  fileAcl = 0;
  dtime = 0;
  projid = 0;
  version = 0;
  /** Seed of this inode's checksums (and of its blocks'). */
  csumSeed = 0;
  /** Byte offset of the system.data entry in the raw inode, 0 none; and room for inline data. */
  inlineOff = 0;
  inlineSize = 0;
  /** The inode may hold xattrs in its body: false right after a fresh inode was zeroed. */
  hasIbodyXattr = false;
  /** On the orphan list or file. */
  orphan = false;
  /** Where in the orphan file; -1: on the list, or no orphan. */
  orphanSlot = -1;
  /** The next on-disk orphan of the list, as its i_dtime says. */
  nextOrphan = 0;
  /** Free clusters that the next writes of this file lay claim to: in memory only. */
  window: Window | null = null;
  /** Root hash and tree of a verity file, once its descriptor was read. */
  verity: VerityInfo | null = null;
  /** Where the last lookup in this directory succeeded, and where the last free slot was. */
  dirStartLookup = 0;

  constructor(sb: Ext4SuperBlock, ino: Ino, aops: AddressSpaceOperations, es: ExtentStatusTree) {
    super(sb, ino, aops);
    this.es = es;
  }

  hasFlag(flag: number): boolean {
    return (this.iFlags & flag) !== 0;
  }
}
