/**
 * The hashes by which directories order their names. Three algorithms, each over bytes taken as
 * signed or as unsigned (a slip of the first implementation, whose `char` was the machine's), and
 * siphash for directories that are encrypted and casefolded.
 * @source fs/ext4/hash.c:ext4fs_dirhash(); filesystems/ext4/directory.rst, "Hash Tree Directories"
 */
import { corrupted } from '../../base/errno.ts';
import { LE } from '../../base/struct.ts';
import {
  DX_HASH_HALF_MD4,
  DX_HASH_HALF_MD4_UNSIGNED,
  DX_HASH_LEGACY,
  DX_HASH_LEGACY_UNSIGNED,
  DX_HASH_TEA,
  DX_HASH_TEA_UNSIGNED,
  EXT2_FLAGS_UNSIGNED_HASH,
  Superblock,
} from './disk/superblock.ts';

/** `hash` orders the tree (bit 0 is 0: it marks a run of equal hashes); `minor` breaks ties. */
export interface DirHash {
  readonly hash: number;
  readonly minor: number;
}

/** Hash that no name may have: the end of a directory's stream, shifted as all hashes are. */
const HASH_EOF = 0xffff_fffe;

/** The four words that seed a file system's hashes. */
export function hashSeedOf(view: DataView, at: number): Uint32Array {
  const raw = at + Superblock.s_hash_seed.offset;
  return Uint32Array.from({ length: 4 }, (_, i) => view.getUint32(raw + 4 * i, LE));
}

/**
 * The version to hash with: directories store 0, 1 or 2, and the superblock's flags say whether
 * this file system takes bytes as unsigned.
 * @param flags  s_flags
 */
export const hashVersionInUse = (version: number, flags: number): number =>
  version <= DX_HASH_TEA && (flags & EXT2_FLAGS_UNSIGNED_HASH) !== 0 ? version + 3 : version;

/** Byte `i` of a name as the number that the algorithm takes. */
const signedByte = (byte: number): number => (byte << 24) >> 24;

/** What is hashed now: 8 words at most. */
const input = new Int32Array(8);

/**
 * Fill the first `words` words of `input` with the bytes from `from`, big-endian as it happens,
 * and what is left with the length of the rest of the name, repeated.
 * @source fs/ext4/hash.c:str2hashbuf_signed(), str2hashbuf_unsigned()
 */
function fillInput(
  name: Uint8Array,
  from: number,
  end: number,
  words: number,
  signed: boolean,
): void {
  const length = end - from;
  const pad = length | (length << 8) | (length << 16) | (length << 24);
  const stop = Math.min(end, from + words * 4);
  let word = 0;
  let value = pad;
  for (let i = from; i < stop; i++) {
    const byte = name[i]!;
    value = ((signed ? signedByte(byte) : byte) + (value << 8)) | 0;
    if (((i - from) & 3) === 3) {
      input[word++] = value;
      value = pad;
    }
  }
  if (word < words) input[word++] = value;
  while (word < words) input[word++] = pad;
}

/** The hash of the first htree directories. @source fs/ext4/hash.c:dx_hack_hash_signed() */
function legacy(name: Uint8Array, start: number, end: number, signed: boolean): number {
  let older = 0x37ab_e8f9 | 0;
  let newer = 0x12a3_fe2d | 0;
  for (let i = start; i < end; i++) {
    const c = signed ? signedByte(name[i]!) : name[i]!;
    let hash = (older + (newer ^ Math.imul(c, 7_152_373))) | 0;
    if (hash < 0) hash = (hash - 0x7fff_ffff) | 0;
    older = newer;
    newer = hash;
  }
  return (newer << 1) >>> 0;
}

const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by));

/** The state of half_md4 and tea between blocks. */
const state = new Int32Array(4);

function seedState(seed: Uint32Array): void {
  const given = seed[0]! | seed[1]! | seed[2]! | seed[3]!;
  state[0] = given ? seed[0]! : 0x6745_2301;
  state[1] = given ? seed[1]! : 0xefcd_ab89;
  state[2] = given ? seed[2]! : 0x98ba_dcfe;
  state[3] = given ? seed[3]! : 0x1032_5476;
}

/** Which word each step of half_md4 takes, and by how far it rotates: three rounds of eight. */
const MD4_WORDS = [
  [0, 1, 2, 3, 4, 5, 6, 7],
  [1, 3, 5, 7, 0, 2, 4, 6],
  [3, 7, 2, 6, 1, 5, 0, 4],
] as const;
const MD4_SHIFTS = [
  [3, 7, 11, 19],
  [3, 5, 9, 13],
  [3, 9, 11, 15],
] as const;
/** Square roots of 2 and 3, as in MD4. */
const MD4_ADD = [0, 0x5a82_7999, 0x6ed9_eba1] as const;

/** MD4's rounds over 8 words, each word once a round. @source lib/halfmd4.c:half_md4_transform() */
function halfMd4Block(): void {
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  for (let round = 0; round < 3; round++) {
    const words = MD4_WORDS[round]!;
    const shifts = MD4_SHIFTS[round]!;
    const add = MD4_ADD[round]!;
    for (let step = 0; step < 8; step++) {
      const mixed =
        round === 0 ? d ^ (b & (c ^ d)) : round === 1 ? ((b & c) + ((b ^ c) & d)) | 0 : b ^ c ^ d;
      const next = rotate((a + mixed + input[words[step]!]! + add) | 0, shifts[step & 3]!);
      a = d;
      d = c;
      c = b;
      b = next;
    }
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
}

/** 16 rounds of the Tiny Encryption Algorithm. @source fs/ext4/hash.c:TEA_transform() */
function teaBlock(): void {
  const [a, b, c, d] = [input[0]!, input[1]!, input[2]!, input[3]!];
  let x = state[0]!;
  let y = state[1]!;
  let sum = 0;
  for (let n = 0; n < 16; n++) {
    sum = (sum + 0x9e37_79b9) | 0;
    x = (x + (((y << 4) + a) ^ (y + sum) ^ ((y >>> 5) + b))) | 0;
    y = (y + (((x << 4) + c) ^ (x + sum) ^ ((x >>> 5) + d))) | 0;
  }
  state[0]! += x;
  state[1]! += y;
}

/** Clear bit 0 and step off the hash that means the end. */
function finish(hash: number, minor: number): DirHash {
  const even = (hash & ~1) >>> 0;
  return { hash: even === HASH_EOF ? HASH_EOF - 2 : even, minor: minor >>> 0 };
}

/**
 * Hash of the name in `name[start, end)`. In a casefolded directory that is the folded name.
 * @param version  DX_HASH_*, from hashVersionInUse()
 * @param seed  hashSeedOf() the file system
 * @throws EUCLEAN  the version is none of the six
 */
export function dirHash(
  version: number,
  seed: Uint32Array,
  name: Uint8Array,
  start = 0,
  end = name.length,
): DirHash {
  const signed = version <= DX_HASH_TEA;
  switch (version) {
    case DX_HASH_LEGACY:
    case DX_HASH_LEGACY_UNSIGNED:
      return finish(legacy(name, start, end, signed), 0);
    case DX_HASH_HALF_MD4:
    case DX_HASH_HALF_MD4_UNSIGNED:
      seedState(seed);
      for (let at = start; at < end; at += 32) {
        fillInput(name, at, end, 8, signed);
        halfMd4Block();
      }
      return finish(state[1]!, state[2]!);
    case DX_HASH_TEA:
    case DX_HASH_TEA_UNSIGNED:
      seedState(seed);
      for (let at = start; at < end; at += 16) {
        fillInput(name, at, end, 4, signed);
        teaBlock();
      }
      return finish(state[0]!, state[1]!);
    default:
      throw corrupted('dx_root_info', 'hash_version', { got: version, want: '0..5' });
  }
}

const MASK64 = 0xffff_ffff_ffff_ffffn;
const rotate64 = (x: bigint, by: bigint): bigint => ((x << by) | (x >> (64n - by))) & MASK64;

/** One round of SipHash over its four words. */
function sipRound(v: [bigint, bigint, bigint, bigint]): void {
  v[0] = (v[0] + v[1]) & MASK64;
  v[1] = rotate64(v[1], 13n) ^ v[0];
  v[0] = rotate64(v[0], 32n);
  v[2] = (v[2] + v[3]) & MASK64;
  v[3] = rotate64(v[3], 16n) ^ v[2];
  v[0] = (v[0] + v[3]) & MASK64;
  v[3] = rotate64(v[3], 21n) ^ v[0];
  v[2] = (v[2] + v[1]) & MASK64;
  v[1] = rotate64(v[1], 17n) ^ v[2];
  v[2] = rotate64(v[2], 32n);
}

/** SipHash-2-4. @source Aumasson, Bernstein: "SipHash: a fast short-input PRF" (2012) */
export function siphash24(key: Uint8Array, data: Uint8Array): bigint {
  const k = new DataView(key.buffer, key.byteOffset, key.byteLength);
  const k0 = k.getBigUint64(0, LE);
  const k1 = k.getBigUint64(8, LE);
  const v: [bigint, bigint, bigint, bigint] = [
    k0 ^ 0x736f_6d65_7073_6575n,
    k1 ^ 0x646f_7261_6e64_6f6dn,
    k0 ^ 0x6c79_6765_6e65_7261n,
    k1 ^ 0x7465_6462_7974_6573n,
  ];
  const padded = new Uint8Array((data.length & ~7) + 8);
  padded.set(data);
  padded[padded.length - 1] = data.length & 0xff;
  const words = new DataView(padded.buffer);
  for (let at = 0; at < padded.length; at += 8) {
    const m = words.getBigUint64(at, LE);
    v[3] ^= m;
    sipRound(v);
    sipRound(v);
    v[0] ^= m;
  }
  v[2] ^= 0xffn;
  for (let i = 0; i < 4; i++) sipRound(v);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/**
 * Hash of a name in a directory that is encrypted and casefolded.
 * @param key  16 bytes that the directory's master key gives; @param folded  the folded plain name
 * @source fs/ext4/hash.c:__ext4fs_dirhash(), DX_HASH_SIPHASH; fs/crypto/fname.c
 */
export function dirHashSip(key: Uint8Array, folded: Uint8Array): DirHash {
  const combined = siphash24(key, folded);
  return finish(Number(combined >> 32n), Number(combined & 0xffff_ffffn));
}
