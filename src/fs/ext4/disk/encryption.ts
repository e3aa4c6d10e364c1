/**
 * Encryption contexts, as far as they tell the policy and let names be shown without the key.
 * The context is the value of the attribute with index 9 and the name "c".
 * @source filesystems/fscrypt.rst, "Encryption context", "Filenames hashing and encoding"
 */
import { LE, raw, struct, u16, u8 } from '../../../base/struct.ts';
import { corrupted } from '../../../base/errno.ts';

export const FscryptContextV1 = struct('fscrypt_context_v1', LE, 28, {
  version: u8(0x0), // 1
  contents_encryption_mode: u8(0x1), // FSCRYPT_MODE_*
  filenames_encryption_mode: u8(0x2), // FSCRYPT_MODE_*
  flags: u8(0x3), // FSCRYPT_POLICY_*
  master_key_descriptor: raw(0x4, 8), // which key
  nonce: raw(0xc, 16), // makes the key of this inode
});

export const FscryptContextV2 = struct('fscrypt_context_v2', LE, 40, {
  version: u8(0x00), // 2
  contents_encryption_mode: u8(0x01), // FSCRYPT_MODE_*
  filenames_encryption_mode: u8(0x02), // FSCRYPT_MODE_*
  flags: u8(0x03), // FSCRYPT_POLICY_*
  log2_data_unit_size: u8(0x04), // 0: the block size
  __reserved: raw(0x05, 3), // 0
  master_key_identifier: raw(0x08, 16), // which key
  nonce: raw(0x18, 16), // makes the key of this inode
});

/** Head of an encrypted symlink's content; the ciphertext follows. */
export const FscryptSymlinkData = struct('fscrypt_symlink_data', LE, 2, {
  len: u16(0x0), // bytes of ciphertext
});

export const FSCRYPT_POLICY_FLAGS_PAD_MASK = 0x03; // names are padded to 4 << this many bytes
export const FSCRYPT_POLICY_FLAG_DIRECT_KEY = 0x04;
export const FSCRYPT_POLICY_FLAG_IV_INO_LBLK_64 = 0x08;
export const FSCRYPT_POLICY_FLAG_IV_INO_LBLK_32 = 0x10;

/** Modes of encryption, by number. */
export const FSCRYPT_MODES: Readonly<Record<number, string>> = {
  1: 'AES-256-XTS',
  4: 'AES-256-CBC-CTS',
  5: 'AES-128-CBC-ESSIV',
  6: 'AES-128-CBC-CTS',
  7: 'SM4-XTS',
  8: 'SM4-CBC-CTS',
  9: 'Adiantum',
  10: 'AES-256-HCTR2',
};

/** What a context says. */
export interface EncryptionPolicy {
  readonly version: 1 | 2;
  readonly contentsMode: number;
  readonly filenamesMode: number;
  readonly flags: number;
  /** Multiple of bytes to which plain names are padded: 4, 8, 16 or 32. */
  readonly padding: number;
  /** Descriptor (8 bytes) or identifier (16 bytes) of the master key. */
  readonly masterKey: Uint8Array;
}

/**
 * Read an encryption context.
 * @throws EUCLEAN  the version is unknown or does not fit the length
 */
export function parseEncryptionContext(value: Uint8Array, ino: number): EncryptionPolicy {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const version = value[0];
  const size = version === 1 ? FscryptContextV1.$size : FscryptContextV2.$size;
  if ((version !== 1 && version !== 2) || value.length !== size) {
    throw corrupted('fscrypt_context', 'version', { ino, got: version, length: value.length });
  }
  const flags = FscryptContextV1.flags.get(view, 0);
  const key =
    version === 1
      ? FscryptContextV1.master_key_descriptor.get(view, 0)
      : FscryptContextV2.master_key_identifier.get(view, 0);
  return {
    version,
    contentsMode: FscryptContextV1.contents_encryption_mode.get(view, 0),
    filenamesMode: FscryptContextV1.filenames_encryption_mode.get(view, 0),
    flags,
    padding: 4 << (flags & FSCRYPT_POLICY_FLAGS_PAD_MASK),
    masterKey: key.slice(),
  };
}

/** Least bytes of an encrypted name: one block of the cipher. */
export const FSCRYPT_FNAME_MIN_MSG_LEN = 16;
/** Bytes of ciphertext that a no-key name shows; longer ones are cut and their hash appended. */
const NOKEY_BYTES = 149;
const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Base64 with the alphabet of RFC 4648 section 5, without padding. */
export function base64url(data: Uint8Array): string {
  let out = '';
  let bits = 0;
  let held = 0;
  for (const byte of data) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 6) {
      bits -= 6;
      out += BASE64URL.charAt((held >>> bits) & 63);
    }
    held &= 63;
  }
  return bits > 0 ? out + BASE64URL.charAt((held << (6 - bits)) & 63) : out;
}

/**
 * The name that Linux shows for an encrypted one whose key is not there: base64url of the two
 * hash words and up to 149 bytes of ciphertext, then SHA-256 of what was cut.
 * @param hash, minor  the directory hash where the listing is by hash, else 0 and 0
 * @source fs/crypto/fname.c:fscrypt_fname_disk_to_usr()
 */
export function nokeyName(
  hash: number,
  minor: number,
  ciphertext: Uint8Array,
  sha256: (data: Uint8Array) => Uint8Array,
): string {
  const shown = ciphertext.subarray(0, NOKEY_BYTES);
  const rest = ciphertext.subarray(NOKEY_BYTES);
  const out = new Uint8Array(8 + shown.length + (rest.length > 0 ? 32 : 0));
  const view = new DataView(out.buffer);
  view.setUint32(0, hash, LE);
  view.setUint32(4, minor, LE);
  out.set(shown, 8);
  if (rest.length > 0) out.set(sha256(rest), 8 + NOKEY_BYTES);
  return base64url(out);
}
