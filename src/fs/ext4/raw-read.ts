/**
 * A file's bytes through the buffer cache of the device: for what the file system itself keeps in
 * files (Merkle trees, quota), which no user reads or writes through the page cache.
 */
import { pblk, shiftDown } from '../../base/units.ts';
import type { Op } from '../../sched/op.ts';
import type { Ext4Inode } from './inode-info.ts';
import { ext4MapBlocks, MAP_MAPPED, MapRequest } from './map-blocks.ts';

/**
 * Bytes of a file's blocks, whatever i_size says; holes and unwritten blocks are zeros.
 * @context May sleep for I/O. The caller bounds `length`. @throws EIO, EUCLEAN
 */
export function* ext4ReadRaw(inode: Ext4Inode, pos: number, length: number): Op<Uint8Array> {
  const { sb } = inode;
  const { blockSize, blockBits } = sb.geo;
  const out = new Uint8Array(length);
  const map = new MapRequest();
  for (let done = 0; done < length;) {
    const at = pos + done;
    const from = at % blockSize;
    const n = Math.min(blockSize - from, length - done);
    yield* ext4MapBlocks(null, inode, map.ask(shiftDown(at, blockBits), 1));
    if (map.flags & MAP_MAPPED) {
      const nr = pblk(map.pblk);
      const bh = sb.buffers.tryBread(nr) ?? (yield* sb.buffers.bread(nr));
      out.set(bh.data.subarray(from, from + n), done);
      bh.put();
    }
    done += n;
  }
  return out;
}
