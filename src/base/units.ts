/**
 * Units as types. A number that counts one thing is not assignable to a number that counts
 * another: a logical block is not a physical one. This file alone casts between them.
 */
declare const unit: unique symbol;
type Unit<U extends string> = number & { readonly [unit]: U };

/** A length or an offset in bytes; integral, 0..2^53-1. */
export type Bytes = Unit<'Bytes'>;
/** Index of a folio in a mapping: offset divided by the folio size. */
export type PageIndex = Unit<'PageIndex'>;
/** Logical block: a block counted from the start of a file. Linux: ext4_lblk_t. */
export type Lblk = Unit<'Lblk'>;
/** Physical block: a block counted from the start of the device. Linux: ext4_fsblk_t. */
export type Pblk = Unit<'Pblk'>;
/** 512-byte unit of a device, whatever its real sector size. Linux: sector_t. */
export type Sector = Unit<'Sector'>;
/** Inode number, from 1. */
export type Ino = Unit<'Ino'>;
/** Transaction id of a journal; compared modulo 2^32. */
export type Tid = Unit<'Tid'>;

export const bytes = (n: number): Bytes => n as Bytes;
export const pageIndex = (n: number): PageIndex => n as PageIndex;
export const lblk = (n: number): Lblk => n as Lblk;
export const pblk = (n: number): Pblk => n as Pblk;
export const sector = (n: number): Sector => n as Sector;
export const ino = (n: number): Ino => n as Ino;
export const tid = (n: number): Tid => n as Tid;

export const SECTOR_SHIFT = 9;
export const SECTOR_SIZE = 512;

/** floor(n / 2^shift) for whole n from 0 to 2^53-1, where `>>` would cut at 32 bits. */
export const shiftDown = (n: number, shift: number): number =>
  n <= 0x7fff_ffff ? n >>> shift : Math.floor(n / 2 ** shift);
/** ceil(n / 2^shift). */
export const shiftUp = (n: number, shift: number): number => Math.ceil(n / 2 ** shift);
/** Largest multiple of `align` (any positive integer) that is at most n. */
export const roundDown = (n: number, align: number): number => n - (n % align);
/** Smallest multiple of `align` that is at least n. */
export const roundUp = (n: number, align: number): number => roundDown(n + align - 1, align);
/** log2 of a power of two below 2^31. */
export const log2 = (n: number): number => 31 - Math.clz32(n);
