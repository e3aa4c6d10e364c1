/**
 * A name as one directory understands it: which bytes on disk are that name, and what they hash to.
 *
 * - plain: the bytes themselves;
 * - casefolded: any bytes that fold to the same (invalid UTF-8 stands for itself only);
 * - encrypted, which here always means "without the key": what Linux shows for such a name is its
 *   ciphertext in base64url, or the beginning of it and a digest, with the directory hash.
 * @source fs/ext4/namei.c:ext4_fname_setup_filename(), ext4_match(), fs/crypto/fname.c
 */
import { nameToBytes, type Name } from '../../base/name.ts';
import { LE } from '../../base/struct.ts';
import { sha256 } from '../../base/sha2.ts';
import { casefold, isUtf8 } from './casefold.ts';
import { type DirShape, type NameMatcher, isDotEntry, storedHash } from './dir-entry.ts';
import { DirEntry2, DirEntryTail } from './disk/dirent.ts';
import { nokeyName } from './disk/encryption.ts';
import { EXT4_CASEFOLD_FL, EXT4_ENCRYPT_FL, EXT4_INDEX_FL } from './disk/inode.ts';
import {
  DX_HASH_SIPHASH,
  DX_HASH_TEA,
  EXT4_ENC_STRICT_MODE_FL,
  Superblock,
} from './disk/superblock.ts';
import { type DirHash, dirHash } from './hash.ts';
import type { Ext4Inode } from './inode-info.ts';

export const isCasefolded = (dir: Ext4Inode): boolean => dir.hasFlag(EXT4_CASEFOLD_FL);
export const isEncrypted = (inode: Ext4Inode): boolean => inode.hasFlag(EXT4_ENCRYPT_FL);
/** Names carry their hash: it is of the plain name, which is not to be had without the key. */
export const hashInDirent = (dir: Ext4Inode): boolean => isCasefolded(dir) && isEncrypted(dir);
/** Linux: is_dx(). */
export const isIndexed = (dir: Ext4Inode): boolean =>
  dir.sb.has.dirIndex && dir.hasFlag(EXT4_INDEX_FL);

/** The rules for the entries of a directory. */
export const dirShape = (dir: Ext4Inode): DirShape => ({
  ino: dir.ino,
  blockSize: dir.sb.geo.blockSize,
  tailSize: dir.sb.has.metadataCsum ? DirEntryTail.$size : 0,
  inodesCount: dir.sb.geo.inodesCount,
  hashed: hashInDirent(dir),
  filetype: dir.sb.has.filetype,
});

/**
 * Signedness of the hash of this file system: versions up to TEA have an unsigned twin, 3 above.
 */
export function hashVersionOf(dir: Ext4Inode, stored: number): number {
  const unsigned = dir.sb.defHashVersion > DX_HASH_TEA && dir.sb.defHashVersion < DX_HASH_SIPHASH;
  return stored <= DX_HASH_TEA && unsigned ? stored + 3 : stored;
}

class ExactName implements NameMatcher {
  readonly diskLength: number;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.diskLength = bytes.length;
  }

  matches(data: Uint8Array, at: number, length: number): boolean {
    return sameBytes(this.bytes, data, at, length);
  }
}

function sameBytes(bytes: Uint8Array, data: Uint8Array, at: number, length: number): boolean {
  // From the end: names made by a program differ there.
  for (let i = length - 1; i >= 0; i--) if (bytes[i] !== data[at + i]) return false;
  return true;
}

class FoldedName implements NameMatcher {
  readonly diskLength = -1;
  private readonly bytes: Uint8Array;
  private readonly folded: Uint8Array;
  private readonly ascii: boolean;

  constructor(bytes: Uint8Array, folded: Uint8Array) {
    this.bytes = bytes;
    this.folded = folded;
    this.ascii = folded.every((b) => b < 0x80);
  }

  matches(data: Uint8Array, at: number, length: number): boolean {
    if (length === this.bytes.length && sameBytes(this.bytes, data, at, length)) return true;
    if (this.ascii && length === this.folded.length && foldsAscii(this.folded, data, at)) {
      return true;
    }
    let plain = true;
    for (let i = at; i < at + length && plain; i++) plain = data[i]! < 0x80;
    if (plain) return false;
    const other = casefold(data.slice(at, at + length));
    return other?.length === this.folded.length && sameBytes(this.folded, other, 0, other.length);
  }
}

function foldsAscii(folded: Uint8Array, data: Uint8Array, at: number): boolean {
  for (let i = 0; i < folded.length; i++) {
    const c = data[at + i]!;
    if ((c >= 0x41 && c <= 0x5a ? c + 0x20 : c) !== folded[i]) return false;
  }
  return true;
}

/** Bytes of ciphertext that a no-key name keeps whole. */
const NOKEY_BYTES = 149;
const SHA256_SIZE = 32;

class NokeyName implements NameMatcher {
  readonly diskLength: number;
  private readonly shown: Uint8Array;
  private readonly digest: Uint8Array | null;

  constructor(shown: Uint8Array, digest: Uint8Array | null) {
    this.shown = shown;
    this.digest = digest;
    this.diskLength = digest ? -1 : shown.length;
  }

  matches(data: Uint8Array, at: number, length: number): boolean {
    if (!sameBytes(this.shown, data, at, this.shown.length)) return false;
    if (!this.digest) return true;
    if (length <= NOKEY_BYTES) return false;
    const rest = sha256(data.slice(at + NOKEY_BYTES, at + length));
    return sameBytes(this.digest, rest, 0, SHA256_SIZE);
  }
}

const NOTHING: NameMatcher = { diskLength: 0, matches: () => false };

/** A name that is looked for, or to be added. */
export class Ext4Filename {
  readonly dir: Ext4Inode;
  /** What the user said. */
  readonly name: Name;
  /** The bytes to store; for an encrypted directory the ciphertext, null where not known. */
  readonly disk: Uint8Array | null;
  readonly matcher: NameMatcher;
  /** What the hash is made from, null where it is known already (or never). */
  private readonly hashed: Uint8Array | null;
  private known: DirHash | null;
  private knownVersion = -1;

  constructor(dir: Ext4Inode, name: Name) {
    this.dir = dir;
    this.name = name;
    const bytes = nameToBytes(name);
    this.known = null;
    if (isEncrypted(dir) && name !== '.' && name !== '..') {
      const nokey = parseNokeyName(name);
      this.disk = nokey && !nokey.digest ? nokey.shown : null;
      this.matcher = nokey ? new NokeyName(nokey.shown, nokey.digest) : NOTHING;
      this.hashed = hashInDirent(dir) ? null : this.disk;
      if (this.hashed === null && nokey) this.known = { hash: nokey.hash, minor: nokey.minor };
      return;
    }
    this.disk = bytes;
    const folded = isCasefolded(dir) ? casefold(bytes) : null;
    this.matcher = folded ? new FoldedName(bytes, folded) : new ExactName(bytes);
    this.hashed = folded ?? bytes;
  }

  /** No name on disk can be this one: it is not the no-key form of anything. */
  get impossible(): boolean {
    return this.matcher === NOTHING;
  }

  /** @param version  DX_HASH_* in use, signedness included */
  hash(version: number): DirHash {
    if (this.hashed === null) return this.known ?? { hash: 0, minor: 0 };
    if (this.known === null || this.knownVersion !== version) {
      this.known = dirHash(version, this.dir.sb.hashSeed, this.hashed);
      this.knownVersion = version;
    }
    return this.known;
  }
}

/** A casefolded directory of a strict file system takes valid UTF-8 only. */
export function nameIsAllowed(dir: Ext4Inode, name: Name): boolean {
  if (!isCasefolded(dir)) return true;
  const flags = Superblock.s_encoding_flags.get(dir.sb.sbh.view, dir.sb.sbAt);
  return (flags & EXT4_ENC_STRICT_MODE_FL) === 0 || isUtf8(nameToBytes(name));
}

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

interface Nokey {
  readonly hash: number;
  readonly minor: number;
  readonly shown: Uint8Array;
  readonly digest: Uint8Array | null;
}

/** The parts of a no-key name; null where it is not one. Bits left over must be 0. */
function parseNokeyName(name: Name): Nokey | null {
  const out = new Uint8Array(Math.floor((name.length * 6) / 8));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const char of name) {
    const six = BASE64URL.indexOf(char);
    if (six < 0) return null;
    held = (held << 6) | six;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out[at++] = held >>> bits;
      held &= (1 << bits) - 1;
    }
  }
  if (held !== 0 || bits >= 6 || out.length <= 8) return null;
  const view = new DataView(out.buffer);
  const shown = out.slice(8, 8 + NOKEY_BYTES);
  const rest = out.slice(8 + NOKEY_BYTES);
  if (rest.length !== 0 && rest.length !== SHA256_SIZE) return null;
  return {
    hash: view.getUint32(0, LE),
    minor: view.getUint32(4, LE),
    shown,
    digest: rest.length > 0 ? rest : null,
  };
}

/** Hash of the entry at `at`, as the directory orders it. */
export function entryHash(
  dir: Ext4Inode,
  version: number,
  b: { readonly data: Uint8Array; readonly view: DataView },
  at: number,
): DirHash {
  const length = b.data[at + 6]!;
  if (hashInDirent(dir)) {
    if (isDotEntry(b, at)) return { hash: 0, minor: 0 };
    const [hash, minor] = storedHash(b.view, at, length);
    return { hash, minor };
  }
  const from = at + DirEntry2.$size;
  if (isCasefolded(dir)) {
    const bytes = b.data.slice(from, from + length);
    return dirHash(version, dir.sb.hashSeed, casefold(bytes) ?? bytes);
  }
  return dirHash(version, dir.sb.hashSeed, b.data, from, from + length);
}

/** The name to show for ciphertext: without the key, as Linux does. */
export const shownNokeyName = (hash: DirHash, ciphertext: Uint8Array): Name =>
  nokeyName(hash.hash, hash.minor, ciphertext, sha256) as Name;
