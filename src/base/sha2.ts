/**
 * SHA-256 and SHA-512, for fs-verity's hash trees. The host's own may be asynchronous or absent.
 * @source FIPS 180-4
 */
const K256 = new Int32Array(64);
const H256 = new Int32Array(8);
/** 64-bit constants as pairs of words, high one first. */
const K512 = new Int32Array(160);
const H512 = new Int32Array(16);

/** Largest integer whose `n`th power is at most `x`, by halving an interval. */
function root(x: bigint, n: bigint): bigint {
  let lo = 0n;
  let hi = 1n << 80n;
  while (hi - lo > 1n) {
    const mid = (lo + hi) >> 1n;
    if (mid ** n <= x) lo = mid;
    else hi = mid;
  }
  return lo;
}

/**
 * The constants are the first 64 (32) bits behind the point of the cube roots of the first 80
 * (64) primes, and of the square roots of the first 8 (FIPS 180-4, 4.2 and 5.3).
 */
function makeConstants(): void {
  let n = 0;
  for (let p = 2n; n < 80; p++) {
    let prime = true;
    for (let d = 2n; d * d <= p; d++) if (p % d === 0n) prime = false;
    if (!prime) continue;
    const k = root(p << 192n, 3n);
    K512[n * 2] = Number((k >> 32n) & 0xffff_ffffn);
    K512[n * 2 + 1] = Number(k & 0xffff_ffffn);
    if (n < 64) K256[n] = K512[n * 2]!;
    if (n < 8) {
      const h = root(p << 128n, 2n);
      H512[n * 2] = Number((h >> 32n) & 0xffff_ffffn);
      H512[n * 2 + 1] = Number(h & 0xffff_ffffn);
      H256[n] = H512[n * 2]!;
    }
    n++;
  }
}

/** Scratch of one call: there is no sleep inside, so one of each is enough. */
const W256 = new Int32Array(64);
const W512 = new Int32Array(160);
const block = new Uint8Array(128);
const blockView = new DataView(block.buffer);

/** One 64-byte block at `at` goes into `h`. */
function compress256(h: Int32Array, data: DataView, at: number): void {
  const w = W256;
  for (let t = 0; t < 16; t++) w[t] = data.getInt32(at + t * 4);
  for (let t = 16; t < 64; t++) {
    const x = w[t - 15]!;
    const y = w[t - 2]!;
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[t] = (w[t - 16]! + s0 + w[t - 7]! + s1) | 0;
  }
  let a = h[0]!;
  let b = h[1]!;
  let c = h[2]!;
  let d = h[3]!;
  let e = h[4]!;
  let f = h[5]!;
  let g = h[6]!;
  let i = h[7]!;
  for (let t = 0; t < 64; t++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (i + s1 + (g ^ (e & (f ^ g))) + K256[t]! + w[t]!) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) | (c & (a | b)))) | 0;
    i = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  h[0]! += a;
  h[1]! += b;
  h[2]! += c;
  h[3]! += d;
  h[4]! += e;
  h[5]! += f;
  h[6]! += g;
  h[7]! += i;
}

/** Unsigned sum of low words, as a double: its carry is what passes 2^32. */
const carry = (low: number): number => (low / 2 ** 32) | 0;

function schedule512(w: Int32Array, data: DataView, at: number): void {
  for (let t = 0; t < 32; t++) w[t] = data.getInt32(at + t * 4);
  for (let t = 32; t < 160; t += 2) {
    const xh = w[t - 30]!;
    const xl = w[t - 29]!;
    const yh = w[t - 4]!;
    const yl = w[t - 3]!;
    // sigma0: rotate right by 1 and 8, shift by 7; sigma1: by 19 and 61, shift by 6.
    const s0h = ((xh >>> 1) | (xl << 31)) ^ ((xh >>> 8) | (xl << 24)) ^ (xh >>> 7);
    const s0l = ((xl >>> 1) | (xh << 31)) ^ ((xl >>> 8) | (xh << 24)) ^ ((xl >>> 7) | (xh << 25));
    const s1h = ((yh >>> 19) | (yl << 13)) ^ ((yl >>> 29) | (yh << 3)) ^ (yh >>> 6);
    const s1l = ((yl >>> 19) | (yh << 13)) ^ ((yh >>> 29) | (yl << 3)) ^ ((yl >>> 6) | (yh << 26));
    const low = (w[t - 31]! >>> 0) + (s0l >>> 0) + (w[t - 13]! >>> 0) + (s1l >>> 0);
    w[t] = w[t - 32]! + s0h + w[t - 14]! + s1h + carry(low);
    w[t + 1] = low;
  }
}

/** One 128-byte block at `at` goes into `h`. Pairs of words: `h` high, `l` low. */
function compress512(h: Int32Array, data: DataView, at: number): void {
  const w = W512;
  schedule512(w, data, at);
  let ah = h[0]!;
  let al = h[1]!;
  let bh = h[2]!;
  let bl = h[3]!;
  let ch = h[4]!;
  let cl = h[5]!;
  let dh = h[6]!;
  let dl = h[7]!;
  let eh = h[8]!;
  let el = h[9]!;
  let fh = h[10]!;
  let fl = h[11]!;
  let gh = h[12]!;
  let gl = h[13]!;
  let ih = h[14]!;
  let il = h[15]!;
  for (let t = 0; t < 160; t += 2) {
    // Sigma1: rotate by 14, 18, 41; Sigma0: by 28, 34, 39.
    const s1h = ((eh >>> 14) | (el << 18)) ^ ((eh >>> 18) | (el << 14)) ^ ((el >>> 9) | (eh << 23));
    const s1l = ((el >>> 14) | (eh << 18)) ^ ((el >>> 18) | (eh << 14)) ^ ((eh >>> 9) | (el << 23));
    const low1 =
      (il >>> 0) +
      (s1l >>> 0) +
      ((gl ^ (el & (fl ^ gl))) >>> 0) +
      (K512[t + 1]! >>> 0) +
      (w[t + 1]! >>> 0);
    const t1h = (ih + s1h + (gh ^ (eh & (fh ^ gh))) + K512[t]! + w[t]! + carry(low1)) | 0;
    const t1l = low1 | 0;
    const s0h = ((ah >>> 28) | (al << 4)) ^ ((al >>> 2) | (ah << 30)) ^ ((al >>> 7) | (ah << 25));
    const s0l = ((al >>> 28) | (ah << 4)) ^ ((ah >>> 2) | (al << 30)) ^ ((ah >>> 7) | (al << 25));
    const low2 = (t1l >>> 0) + (s0l >>> 0) + (((al & bl) | (cl & (al | bl))) >>> 0);
    const sumh = (t1h + s0h + ((ah & bh) | (ch & (ah | bh))) + carry(low2)) | 0;
    ih = gh;
    il = gl;
    gh = fh;
    gl = fl;
    fh = eh;
    fl = el;
    const low3 = (dl >>> 0) + (t1l >>> 0);
    eh = (dh + t1h + carry(low3)) | 0;
    el = low3 | 0;
    dh = ch;
    dl = cl;
    ch = bh;
    cl = bl;
    bh = ah;
    bl = al;
    ah = sumh;
    al = low2 | 0;
  }
  add64(h, 0, ah, al);
  add64(h, 2, bh, bl);
  add64(h, 4, ch, cl);
  add64(h, 6, dh, dl);
  add64(h, 8, eh, el);
  add64(h, 10, fh, fl);
  add64(h, 12, gh, gl);
  add64(h, 14, ih, il);
}

function add64(h: Int32Array, at: number, high: number, low: number): void {
  const sum = (h[at + 1]! >>> 0) + (low >>> 0);
  h[at] = h[at]! + high + carry(sum);
  h[at + 1] = sum;
}

/** The parts as one message, padded: a one bit, zeros, and the length in bits. */
function digest(
  h: Int32Array,
  size: number,
  compress: (h: Int32Array, data: DataView, at: number) => void,
  parts: readonly Uint8Array[],
): void {
  let total = 0;
  let held = 0;
  for (const part of parts) {
    total += part.length;
    let at = 0;
    if (held > 0) {
      at = Math.min(size - held, part.length);
      block.set(part.subarray(0, at), held);
      held += at;
      if (held < size) continue;
      compress(h, blockView, 0);
    }
    const view = new DataView(part.buffer, part.byteOffset, part.length);
    for (; at + size <= part.length; at += size) compress(h, view, at);
    held = part.length - at;
    block.set(part.subarray(at), 0);
  }
  block.fill(0, held, size);
  block[held] = 0x80;
  if (held >= size - size / 8) {
    compress(h, blockView, 0);
    block.fill(0, 0, size);
  }
  blockView.setUint32(size - 8, Math.floor(total / 2 ** 29));
  blockView.setUint32(size - 4, (total * 8) % 2 ** 32);
  compress(h, blockView, 0);
}

function bigEndian(words: Int32Array): Uint8Array<ArrayBuffer> {
  const out = new DataView(new ArrayBuffer(words.length * 4));
  for (let i = 0; i < words.length; i++) out.setInt32(i * 4, words[i]!);
  return new Uint8Array(out.buffer);
}

/** SHA-256 of the parts as if joined: 32 bytes. */
export function sha256(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  if (H256[0] === 0) makeConstants();
  const h = H256.slice();
  digest(h, 64, compress256, parts);
  return bigEndian(h);
}

/** SHA-512 of the parts as if joined: 64 bytes. */
export function sha512(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  if (H512[0] === 0) makeConstants();
  const h = H512.slice();
  digest(h, 128, compress512, parts);
  return bigEndian(h);
}
