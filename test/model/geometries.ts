/** The kinds of image that model runs go over. */
import type { MakeOptions } from '../../src/init.ts';
import type { ModelRules } from './posix-model.ts';

export interface Geometry extends ModelRules {
  readonly name: string;
  readonly size: number;
  readonly make: MakeOptions;
  readonly cacheSize: number;
  readonly options?: string;
}

const MIB = 1 << 20;
/** The least that a volume takes: reclaim and write-back run all the time. */
const TINY = 512 * 1024;

const geometry = (
  name: string,
  make: MakeOptions,
  more: Partial<Omit<Geometry, 'name' | 'make'>> = {},
): Geometry => ({
  name,
  size: 32 * MIB,
  make,
  cacheSize: 8 * MIB,
  noFallocate: make.type === 'ext2' || make.type === 'ext3',
  linkMax: (make.blockSize ?? 1024) - 1,
  ...more,
});

export const GEOMETRIES: readonly Geometry[] = [
  geometry('ext4 1k', { type: 'ext4', blockSize: 1024 }),
  geometry('ext4 4k', { type: 'ext4', blockSize: 4096 }),
  geometry('ext4 1k, tiny cache', { type: 'ext4', blockSize: 1024 }, { cacheSize: TINY }),
  geometry('ext4 2k, tiny cache', { type: 'ext4', blockSize: 2048 }, { cacheSize: TINY }),
  geometry('ext4 4k, tiny cache', { type: 'ext4', blockSize: 4096 }, { cacheSize: TINY }),
  geometry('ext2 1k', { type: 'ext2', blockSize: 1024 }),
  geometry('ext2 4k, tiny cache', { type: 'ext2', blockSize: 4096 }, { cacheSize: TINY }),
  geometry('ext3 1k, tiny cache', { type: 'ext3', blockSize: 1024 }, { cacheSize: TINY }),
  geometry('ext3 2k', { type: 'ext3', blockSize: 2048 }),
  geometry('ext4 without checksums', {
    type: 'ext4',
    blockSize: 1024,
    features: '^metadata_csum,^64bit',
  }),
  geometry('uninit_bg', { type: 'ext4', blockSize: 1024, features: '^metadata_csum,uninit_bg' }),
  geometry('inline_data', { type: 'ext4', blockSize: 1024, features: 'inline_data' }),
  geometry(
    'inline_data 4k, tiny cache',
    { type: 'ext4', blockSize: 4096, features: 'inline_data' },
    { cacheSize: TINY },
  ),
  geometry('bigalloc', { type: 'ext4', blockSize: 1024, features: 'bigalloc', clusterSize: 8192 }),
  geometry(
    'bigalloc 4k, tiny cache',
    { type: 'ext4', blockSize: 4096, features: 'bigalloc', clusterSize: 16_384 },
    { size: 64 * MIB, cacheSize: TINY },
  ),
  geometry('128-byte inodes', { type: 'ext4', blockSize: 1024, inodeSize: 128 }),
  geometry('128-byte inodes, ext2', { type: 'ext2', blockSize: 2048, inodeSize: 128 }),
  geometry('1024-byte inodes, inline_data', {
    type: 'ext4',
    blockSize: 4096,
    inodeSize: 1024,
    features: 'inline_data',
  }),
  geometry('no dir_index', { type: 'ext4', blockSize: 1024, features: '^dir_index' }),
  geometry('ea_inode', { type: 'ext4', blockSize: 1024, features: 'ea_inode' }),
  geometry('meta_bg', { type: 'ext4', blockSize: 1024, features: 'meta_bg,^resize_inode' }),
];
