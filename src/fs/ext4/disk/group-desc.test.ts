import { expect, test } from 'vitest';
import { makeImage } from '../../../../test/support/e2fsprogs.ts';
import {
  GroupDesc,
  bgBlockBitmap,
  bgBlockBitmapCsum,
  bgFreeBlocksCount,
  bgInodeBitmap,
  bgInodeBitmapCsum,
  bgInodeTable,
  bgItableUnused,
  bgUsedDirsCount,
  bitmapCsumMask,
} from './group-desc.ts';

const NAMES = `block_bitmap inode_bitmap inode_table free_blocks_count free_inodes_count
  used_dirs_count exclude_bitmap block_bitmap_csum inode_bitmap_csum itable_unused`.split(/\s+/);
const fields = new Map(GroupDesc.$fields.map((f) => [f.name, f]));

test('each half that debugfs sets by name is found in the field of that name', () => {
  const image = makeImage(['-t', 'ext4', '-b', '1024', '-O', '^metadata_csum,uninit_bg'], '8M');
  const before = image.bytes();
  for (const half of ['lo', 'hi']) {
    for (const name of NAMES) {
      image.debugfs(`set_bg 0 ${name}_${half} 77`);
      const view = image.view();
      image.restore(before);
      const got = fields.get(`bg_${name}_${half}`)?.get(view, 2048);
      expect([name, half, got]).toEqual([name, half, 77]);
    }
  }
  image.debugfs('set_bg 0 flags 5', 'set_bg 0 checksum 0x1234');
  expect(GroupDesc.bg_flags.get(image.view(), 2048)).toBe(5);
  expect(GroupDesc.bg_checksum.get(image.view(), 2048)).toBe(0x1234);
});

test('a number is joined from two halves only as far as the descriptor reaches', () => {
  const view = new DataView(new ArrayBuffer(64));
  for (const field of [bgBlockBitmap, bgInodeBitmap, bgInodeTable]) {
    field.set(view, 0, 64, 2 ** 40 + 5);
    expect(field.get(view, 0, 64)).toBe(2 ** 40 + 5);
    expect(field.get(view, 0, 32)).toBe(5);
  }
  for (const field of [bgFreeBlocksCount, bgUsedDirsCount, bgItableUnused, bgInodeBitmapCsum]) {
    field.set(view, 0, 64, 0x1_2345);
    expect(field.get(view, 0, 64)).toBe(0x1_2345);
    field.set(view, 0, 32, 0x6789);
    expect(field.get(view, 0, 64)).toBe(0x1_6789);
  }
  expect(bitmapCsumMask(bgBlockBitmapCsum, 32)).toBe(0xffff);
  expect(bitmapCsumMask(bgInodeBitmapCsum, 64)).toBe(0xffff_ffff);
});
