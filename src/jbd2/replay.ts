/**
 * A recovery made real: copies go home, the device is flushed, and only then the journal says that
 * it is empty. A crash in between leaves the log as it was, and the next recovery does it again.
 * @source fs/jbd2/recovery.c, fs/jbd2/journal.c:jbd2_mark_journal_empty()
 */
import { BE } from '../base/struct.ts';
import { sector, SECTOR_SIZE, type Tid } from '../base/units.ts';
import type { Op } from '../sched/op.ts';
import { Bio, REQ_FUA, REQ_META, REQ_PREFLUSH } from '../block/bio.ts';
import type { BlockDevice } from '../block/block-device.ts';
import { OverlayDevice } from '../block/overlay-device.ts';
import { setJournalSuperblockCsum } from './checksum.ts';
import { JBD2_INCOMPAT, JBD2_MAGIC_NUMBER, JBD2_SUPERBLOCK_V2, JournalSuperblock } from './disk.ts';
import type { LoadedJournal } from './load.ts';
import type { LogCopy, Recovery } from './recovery.ts';

/** Bytes that are under way at once. */
const BATCH = 4 << 20;

const magicBytes = (): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, JBD2_MAGIC_NUMBER, BE);
  return bytes;
};

/** A copy and the block that it goes to. */
type Move = readonly [home: number, copy: LogCopy];

/**
 * Write all copies home, and wait until they are on the medium.
 * @throws EIO; the log is whole still
 */
export function* writeHome(
  device: BlockDevice,
  journal: LoadedJournal,
  { copies }: Recovery,
): Op<void> {
  const moves = [...copies].sort(([, a], [, b]) => a.block - b.block);
  const most = Math.max(1, Math.min(BATCH / journal.blockSize, moves.length));
  const buffer = new Uint8Array(most * journal.blockSize);
  for (let i = 0; i < moves.length; i += most) {
    const batch = moves.slice(i, i + most);
    yield* readCopies(device, journal, batch, buffer);
    yield* writeBatch(device, journal, batch, buffer);
  }
  yield* device.flush();
}

/** The copies one after the other in the buffer, neighbours in one read. */
function* readCopies(
  device: BlockDevice,
  journal: LoadedJournal,
  moves: readonly Move[],
  buffer: Uint8Array,
): Op<void> {
  const { map, blockSize } = journal;
  for (let i = 0; i < moves.length;) {
    const from = map.from(moves[i]![1].block);
    let n = 1;
    while (n < from.len && moves[i + n]?.[1].block === moves[i]![1].block + n) n++;
    const part = buffer.subarray(i * blockSize, (i + n) * blockSize);
    yield* device.transfer('read', from.pblk * blockSize, part);
    i += n;
  }
}

function* writeBatch(
  device: BlockDevice,
  journal: LoadedJournal,
  moves: readonly Move[],
  buffer: Uint8Array,
): Op<void> {
  const { blockSize } = journal;
  const magic = magicBytes();
  const bios: Bio[] = [];
  // Neighbours become one request when the queue is unplugged.
  device.queue.plug();
  try {
    for (const [i, [home, { escaped }]] of moves.entries()) {
      const data = buffer.subarray(i * blockSize, (i + 1) * blockSize);
      if (escaped) data.set(magic);
      const bio = new Bio('write', sector((home * blockSize) / SECTOR_SIZE), REQ_META).add(data);
      bios.push(bio);
      device.submit(bio);
    }
  } finally {
    device.queue.unplug();
  }
  for (const bio of bios) yield* bio.wait();
}

/** Write whole blocks to their places, and wait until they are on the medium. @throws EIO */
export function* writeBlocks(
  device: BlockDevice,
  blockSize: number,
  blocks: ReadonlyMap<number, Uint8Array>,
): Op<void> {
  const bios: Bio[] = [];
  device.queue.plug();
  try {
    for (const [nr, data] of blocks) {
      const bio = new Bio('write', sector((nr * blockSize) / SECTOR_SIZE), REQ_META).add(data);
      bios.push(bio);
      device.submit(bio);
    }
  } finally {
    device.queue.unplug();
  }
  for (const bio of bios) yield* bio.wait();
  yield* device.flush();
}

/** The device as it would be after `writeHome()` of the copies, none of whose bytes change. */
export function overlayOf(
  device: BlockDevice,
  { map, blockSize }: LoadedJournal,
  copies: Recovery['copies'],
): OverlayDevice {
  const overlay = new OverlayDevice(device, blockSize, magicBytes());
  for (const [home, { block, escaped }] of copies) {
    overlay.redirect(home, map.pblkOf(block), escaped);
  }
  return overlay;
}

/**
 * Say on disk that the log is empty, and forget the error that it was given up with. What was
 * written before is on the medium before it.
 * @param next  the first transaction to come; @param head  the block it will begin in
 * @throws EIO
 */
export function* markJournalEmpty(
  device: BlockDevice,
  journal: LoadedJournal,
  next: Tid,
  head: number,
): Op<void> {
  const s = JournalSuperblock;
  const { map, blockSize, checksum } = journal;
  const data = new Uint8Array(blockSize);
  const view = new DataView(data.buffer);
  const at = map.pblkOf(0) * blockSize;
  yield* device.transfer('read', at, data);
  s.s_sequence.set(view, 0, next);
  s.s_start.set(view, 0, 0);
  s.s_errno.set(view, 0, 0);
  if (s.h_blocktype.get(view, 0) === JBD2_SUPERBLOCK_V2) {
    s.s_head.set(view, 0, head);
    // An empty journal has no fast commits, so who does not know them may have it.
    const incompat = s.s_feature_incompat.get(view, 0);
    s.s_feature_incompat.set(view, 0, incompat & ~JBD2_INCOMPAT.fast_commit);
  }
  if (checksum === 'v2' || checksum === 'v3') setJournalSuperblockCsum({ data, view });
  yield* device.transfer('write', at, data, REQ_META | REQ_PREFLUSH | REQ_FUA);
}
