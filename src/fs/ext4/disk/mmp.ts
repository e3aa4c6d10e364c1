/**
 * Multi-mount protection: a block that the node which has the file system mounted keeps changing.
 * @source filesystems/ext4/mmp.rst, "Multiple Mount Protection"
 */
import { LE, raw, struct, u16, u32, u64 } from '../../../base/struct.ts';

export const EXT4_MMP_MAGIC = 0x004d_4d50;

export const Mmp = struct('mmp_struct', LE, 1024, {
  mmp_magic: u32(0x000), // 0x004D4D50, "MMP"
  mmp_seq: u32(0x004), // counts up while mounted, or one of EXT4_MMP_SEQ_*
  mmp_time: u64(0x008), // last change, seconds; for people
  mmp_nodename: raw(0x010, 64), // host that changed it, NUL-padded; for people
  mmp_bdevname: raw(0x050, 32), // its name of the device; for people
  mmp_check_interval: u16(0x070), // seconds the writer promises not to exceed
  mmp_pad1: u16(0x072), // 0
  mmp_pad2: raw(0x074, 904), // 0
  mmp_checksum: u32(0x3fc), // crc32c of the record up to here
});

/** mmp_seq: unmounted cleanly; being checked; largest ordinary number. */
export const EXT4_MMP_SEQ_CLEAN = 0xff4d_4d50;
export const EXT4_MMP_SEQ_FSCK = 0xe24d_4d50;
export const EXT4_MMP_SEQ_MAX = 0xe24d_4d4f;

/** Seconds: update every 5, look again after at least 5 and at most 300. */
export const EXT4_MMP_UPDATE_INTERVAL = 5;
export const EXT4_MMP_MIN_CHECK_INTERVAL = 5;
export const EXT4_MMP_MAX_CHECK_INTERVAL = 300;
