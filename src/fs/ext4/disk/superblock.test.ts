import { expect, test } from 'vitest';
import { makeImage } from '../../../../test/support/e2fsprogs.ts';
import type { TestImage } from '../../../../test/support/e2fsprogs.ts';
import {
  EXT4_SUPER_OFFSET as AT,
  Superblock,
  sBlocksCount,
  sFreeBlocksCount,
  sLastcheck,
  sFirstErrorTime,
  sLastErrorTime,
  sMkfsTime,
  sMtime,
  sRBlocksCount,
  sWtime,
} from './superblock.ts';

const fields = new Map(Superblock.$fields.map((f) => [f.name, f]));

/** Set one value by its name in debugfs, and read the field of that name; the image stays. */
function setAndRead(image: TestImage, name: string, value: string): number | Uint8Array {
  const before = image.bytes();
  image.debugfs(`ssv ${name} ${value}`);
  const view = image.view();
  image.restore(before);
  const field = fields.get(`s_${name.replace(/\[.*/, '')}`);
  if (!field) throw new Error(`no field s_${name}`);
  const got = field.get(view, AT);
  return typeof got === 'number' ? got : got.slice();
}

const NUMBERS = `inodes_count blocks_count_lo blocks_count_hi r_blocks_count_lo r_blocks_count_hi
  free_blocks_count_lo free_blocks_count_hi free_inodes_count first_data_block log_block_size
  log_cluster_size blocks_per_group clusters_per_group inodes_per_group mnt_count max_mnt_count
  state errors minor_rev_level checkinterval creator_os rev_level def_resuid def_resgid first_ino
  inode_size feature_compat feature_incompat feature_ro_compat
  algorithm_usage_bitmap prealloc_blocks prealloc_dir_blocks reserved_gdt_blocks journal_inum
  journal_dev last_orphan jnl_backup_type desc_size default_mount_opts first_meta_bg
  min_extra_isize want_extra_isize flags raid_stride mmp_interval mmp_block raid_stripe_width
  log_groups_per_flex kbytes_written snapshot_inum snapshot_id snapshot_r_blocks_count
  snapshot_list usr_quota_inum grp_quota_inum prj_quota_inum overhead_clusters checksum_type
  encryption_level error_count first_error_ino first_error_block first_error_line last_error_ino
  last_error_block last_error_line lpf_ino checksum_seed orphan_file_inum`.split(/\s+/);

test('a number that debugfs sets by name is found in the field of that name', () => {
  const image = makeImage(['-t', 'ext2'], '256K');
  for (const name of NUMBERS) {
    expect([name, setAndRead(image, name, '77')]).toEqual([name, 77]);
  }
});

test('texts, uuids and arrays that debugfs sets by name are found in their fields', () => {
  const image = makeImage(['-t', 'ext2'], '256K');
  for (const name of ['volume_name', 'last_mounted', 'mount_opts', 'first_error_func']) {
    const got = setAndRead(image, name, 'fourteen_bytes');
    expect([name, String.fromCharCode(...(got as Uint8Array).subarray(0, 14))]) //
      .toEqual([name, 'fourteen_bytes']);
  }
  for (const name of ['uuid', 'journal_uuid', 'hash_seed', 'encrypt_pw_salt']) {
    const uuid = '00112233-4455-6677-8899-aabbccddeeff';
    expect([name, Buffer.from(setAndRead(image, name, uuid) as Uint8Array).toString('hex')]) //
      .toEqual([name, uuid.replaceAll('-', '')]);
  }
  for (const [name, at] of [
    ['jnl_blocks[16]', 64],
    ['backup_bgs[1]', 4],
    ['encrypt_algos[3]', 3],
  ] as const) {
    expect([name, (setAndRead(image, name, '77') as Uint8Array)[at]]).toEqual([name, 77]);
  }
});

test('times have 40 bits, the low 32 of them where debugfs puts them', () => {
  const image = makeImage(['-t', 'ext2'], '256K');
  for (const [name, time] of [
    ['mtime', sMtime],
    ['wtime', sWtime],
    ['mkfs_time', sMkfsTime],
    ['lastcheck', sLastcheck],
    ['first_error_time', sFirstErrorTime],
    ['last_error_time', sLastErrorTime],
  ] as const) {
    // Closing the image stamps s_wtime, so debugfs cannot judge that one.
    if (time !== sWtime) expect([name, setAndRead(image, name, '@77')]).toEqual([name, 77]);
    const view = new DataView(new ArrayBuffer(2048));
    time.set(view, AT, 2 ** 32 + 12345);
    expect(time.get(view, AT)).toBe(2 ** 32 + 12345);
    expect(fields.get(`s_${name}`)?.get(view, AT)).toBe(12345);
    expect(fields.get(`s_${name}_hi`)?.get(view, AT)).toBe(1);
    time.set(view, AT, -5);
    expect(time.get(view, AT)).toBe(0);
  }
});

test('counts of blocks have a high half only with 64bit', () => {
  const view = new DataView(new ArrayBuffer(2048));
  for (const count of [sBlocksCount, sRBlocksCount, sFreeBlocksCount]) {
    count.set(view, AT, true, 2 ** 40 + 3);
    expect(count.get(view, AT, true)).toBe(2 ** 40 + 3);
    expect(count.get(view, AT, false)).toBe(3);
  }
});

test('a fresh ext4 shows what dumpe2fs shows', () => {
  const image = makeImage(['-t', 'ext4', '-U', '00112233-4455-6677-8899-aabbccddeeff'], '16M');
  const shown = new Map(
    image
      .ask('show_super_stats -h')
      .split('\n')
      .map((line) => /^([^:]+):\s*(.*)$/.exec(line))
      .map((m) => [m?.[1] ?? '', m?.[2] ?? '']),
  );
  const view = image.view();
  const read = (name: keyof typeof Superblock & `s_${string}`): string =>
    String(Superblock[name].get(view, AT));
  expect(read('s_magic')).toBe(String(parseInt(shown.get('Filesystem magic number') ?? '', 16)));
  expect(read('s_inodes_count')).toBe(shown.get('Inode count'));
  expect(String(sBlocksCount.get(view, AT, true))).toBe(shown.get('Block count'));
  expect(String(sRBlocksCount.get(view, AT, true))).toBe(shown.get('Reserved block count'));
  expect(String(sFreeBlocksCount.get(view, AT, true))).toBe(shown.get('Free blocks'));
  expect(read('s_overhead_clusters')).toBe(shown.get('Overhead clusters'));
  expect(read('s_desc_size')).toBe(shown.get('Group descriptor size'));
  expect(read('s_reserved_gdt_blocks')).toBe(shown.get('Reserved GDT blocks'));
  expect(2 ** Number(read('s_log_groups_per_flex'))).toBe(
    Number(shown.get('Flex block group size')),
  );
  expect(read('s_want_extra_isize')).toBe(shown.get('Desired extra isize'));
  expect(read('s_journal_inum')).toBe(shown.get('Journal inode'));
  expect(Superblock.s_checksum.get(view, AT)).toBe(parseInt(shown.get('Checksum') ?? '', 16));
});
