/**
 * Folios of ext4's files: read through iomap, verified where the file has a Merkle tree, written
 * back through iomap.
 * @source fs/ext4/inode.c (ext4_aops), fs/ext4/readpage.c
 */
import { errno } from '../../base/errno.ts';
import { trace } from '../../base/trace.ts';
import type { AddressSpaceOperations } from '../../mm/address-space.ts';
import { folioEndRead } from '../../mm/filemap.ts';
import { iomapInvalidateFolio, iomapReleaseFolio } from '../../iomap/buffered-write.ts';
import { inodeOf } from '../../iomap/iter.ts';
import { iomapReadahead, iomapReadFolio } from '../../iomap/read.ts';
import { iomapDirtyFolio, iomapWritepages } from '../../iomap/writeback.ts';
import { EXT4_ENCRYPT_FL, EXT4_INLINE_DATA_FL, EXT4_VERITY_FL } from './disk/inode.ts';
import { ext4IomapOps, ext4WritebackOps } from './iomap.ts';
import type { Ext4Inode } from './inode-info.ts';
import { verityReadFolio } from './verity.ts';

export const ext4Aops: AddressSpaceOperations = {
  *readFolio(mapping, folio) {
    trace('fs/ext4:ext4Aops.readFolio');
    const inode = inodeOf(mapping) as Ext4Inode;
    if ((inode.iFlags & (EXT4_ENCRYPT_FL | EXT4_VERITY_FL)) === 0) {
      yield* iomapReadFolio(mapping, folio, ext4IomapOps);
      return;
    }
    let ok = false;
    try {
      if (inode.hasFlag(EXT4_ENCRYPT_FL)) throw errno('ENOKEY', { ino: inode.ino });
      yield* verityReadFolio(inode, folio);
      ok = true;
    } finally {
      folioEndRead(folio, ok);
    }
  },

  *readahead(rac) {
    trace('fs/ext4:ext4Aops.readahead');
    const inode = inodeOf(rac.mapping) as Ext4Inode;
    // Read one by one, on demand: inline data is a copy, verified data needs its tree.
    if (inode.iFlags & (EXT4_INLINE_DATA_FL | EXT4_VERITY_FL | EXT4_ENCRYPT_FL)) {
      for (const folio of rac.folios) folioEndRead(folio, false);
      return;
    }
    yield* iomapReadahead(rac, ext4IomapOps);
  },

  *writepages(mapping, wbc) {
    trace('fs/ext4:ext4Aops.writepages');
    yield* iomapWritepages(mapping, wbc, ext4WritebackOps);
  },
  dirtyFolio: iomapDirtyFolio,
  releaseFolio: iomapReleaseFolio,
  invalidateFolio: iomapInvalidateFolio,
};
