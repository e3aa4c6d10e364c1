/**
 * Writes src/base/crc32c-wasm.ts: the CRC-32C kernel, assembled here byte by byte so that neither
 * the build nor a reader needs another tool. `--check` compares instead of writing.
 *
 * How the kernel works. A message is a polynomial over GF(2); its CRC depends only on its residue
 * modulo P. So 128 bytes may be replaced by any other 128 bytes of the same residue times x^1024,
 * which are then XORed into the next 128: a long message becomes one of 128 bytes, and only that
 * goes through the slicing tables.
 *
 * The 128 bytes are eight vectors. Vectors 0, 2, 4, 6 are one stream, 1, 3, 5, 7 the other. Lane j
 * of a stream holds four bytes, of weights x^768, x^512, x^256 and 1 (times a power that is the
 * same for the whole lane): 32 bits that are a basis of all residues modulo P. (Neighbouring
 * vectors, with weights x^384, x^256, x^128, 1, are not: they span 31 dimensions. Hence the two
 * streams, which also keep the processor busier.) Multiplication by x^1024 is linear, so it is a
 * 32x32 matrix in that basis, and a lane of 16 bytes takes it by nibbles: 8 nibbles in, 4 bytes
 * out, 32 table look-ups, each an `i8x16.swizzle` for 16 lanes at once. Both streams share the
 * tables, and no byte changes its lane.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

// ---- Tables ----

/** Castagnoli's polynomial with its top term. */
const P = 0x1_1edc_6f41n;
const STREAM_STRIDE = 256;
const GROUP_BITS = 1024;

function powerOfX(e) {
  let r = 1n;
  for (let i = 0; i < e; i++) {
    r <<= 1n;
    if (r >> 32n) r ^= P;
  }
  return r;
}

/** Weight of bit `k` of plane `p` in its lane. The lowest bit of a byte is its highest power. */
const weightOf = (p, k) => STREAM_STRIDE * (3 - p) + (7 - k);
const coordinates = Array.from({ length: 32 }, (_, i) => [i >> 3, i & 7]);

/** Coordinates in the basis, as 32 bits (8p + k), of each of `residues`: Gauss and Jordan. */
function solve(residues) {
  // Row d: the equation of x^d. Low 32 bits are the basis, the ones above are the right sides.
  const columns = [...coordinates.map(([p, k]) => powerOfX(weightOf(p, k))), ...residues];
  const rows = Array.from({ length: 32 }, (_, d) =>
    columns.reduce((row, c, i) => row | (((c >> BigInt(d)) & 1n) << BigInt(i)), 0n),
  );
  for (let i = 0; i < 32; i++) {
    const bit = 1n << BigInt(i);
    const pivot = rows.findIndex((row, d) => d >= i && row & bit);
    if (pivot < 0) throw new Error('the weights are no basis');
    [rows[i], rows[pivot]] = [rows[pivot], rows[i]];
    for (let d = 0; d < 32; d++) if (d !== i && rows[d] & bit) rows[d] ^= rows[i];
  }
  return residues.map((_, r) =>
    rows.reduce((out, row, i) => out | (((row >> BigInt(32 + r)) & 1n) << BigInt(i)), 0n),
  );
}

/** 32 tables of 16 bytes, in the order [plane in][nibble low, high][plane out][nibble]. */
function swizzleTables() {
  const image = solve(coordinates.map(([p, k]) => powerOfX(weightOf(p, k) + GROUP_BITS)));
  const out = [];
  for (let plane = 0; plane < 4; plane++) {
    for (let half = 0; half < 2; half++) {
      for (let to = 0; to < 4; to++) {
        for (let nibble = 0; nibble < 16; nibble++) {
          let sum = 0n;
          for (let b = 0; b < 4; b++) {
            if ((nibble >> b) & 1) sum ^= image[plane * 8 + half * 4 + b];
          }
          out.push(Number((sum >> BigInt(to * 8)) & 0xffn));
        }
      }
    }
  }
  return out;
}

// ---- Assembler: just the instructions in use ----

const uleb = (n) => (n < 0x80 ? [n] : [(n & 0x7f) | 0x80, ...uleb(n >>> 7)]);
const sleb = (n) => {
  const byte = n & 0x7f;
  const rest = n >> 7;
  const done = (rest === 0 && !(byte & 0x40)) || (rest === -1 && byte & 0x40);
  return done ? [byte] : [byte | 0x80, ...sleb(rest)];
};
const I32 = 0x7f;
const I64 = 0x7e;
const V128 = 0x7b;
const op =
  (...code) =>
  (...operands) => [...operands.flat(), ...code];
const simd = (n) => op(0xfd, ...uleb(n));
/** `[value of the address, alignment, offset]` */
const load =
  (...code) =>
  (address, offset, align = 0) => [...address, ...code, align, ...uleb(offset)];

const get = (local) => [0x20, local];
const set = (local, value) => [...value, 0x21, local];
const i32 = (n) => [0x41, ...sleb(n)];
const i64 = (n) => [0x42, ...sleb(n)];
const call = (f, ...args) => [...args.flat(), 0x10, f];
const block = (...body) => [0x02, 0x40, ...body.flat(Infinity), 0x0b];
const loop = (...body) => [0x03, 0x40, ...body.flat(Infinity), 0x0b];
const br = (depth) => [0x0c, depth];
const brIf = (depth, condition) => [...condition, 0x0d, depth];
const ltU = op(0x49);
const geU = op(0x4f);
const eqz = op(0x45);
const add = op(0x6a);
const sub = op(0x6b);
const and = op(0x71);
const xor = op(0x73);
const shl = op(0x74);
const shrU = op(0x76);
const xor64 = op(0x85);
const shrU64 = op(0x88);
const wrap = op(0xa7);
const extendU = op(0xad);
const load32 = load(0x28);
const load64 = load(0x29);
const load8 = load(0x2d);
const loadV = load(0xfd, 0x00);
const storeV = (address, value, offset) => [...address, ...value, 0xfd, 0x0b, 0, ...uleb(offset)];
const constV = (bytes) => [0xfd, 0x0c, ...bytes];
const swizzle = simd(0x0e);
const andV = simd(0x4e);
const xorV = simd(0x51);
const shrU16x8 = simd(0x8d);
/** Lane 0 of four 32-bit lanes. */
const replaceLane0 = (vector, value) => [...vector, ...value, 0xfd, 0x1c, 0];

const vector = (...items) => [...uleb(items.length), ...items.flat()];
const section = (id, ...content) => [id, ...uleb(content.flat().length), ...content.flat()];
const name = (text) => vector(...Buffer.from(text));
function body(locals, ...code) {
  const all = [...vector(...locals.map(([n, type]) => [n, type])), ...code.flat(Infinity), 0x0b];
  return [...uleb(all.length), ...all];
}

// ---- Kernel ----

/** Offsets from the imported global `base`. */
const SLICES = 0;
const SWIZZLES = 16 * 1024;
const STATE = SWIZZLES + 512;
const SCRATCH = STATE + 128;

/** Parameters of both functions. */
const CRC = 0;
const AT = 1;
const LENGTH = 2;
const BASE = 3;
const base = set(BASE, [0x23, 0]);
const advance = (n) =>
  [set(AT, add(get(AT), i32(n))), set(LENGTH, sub(get(LENGTH), i32(n)))].flat();

/** slices(crc, at, length): the tables, sixteen bytes a step, then byte by byte. */
function slices() {
  const LO = 4;
  const HI = 5;
  /** Entry of slicing table 15 - j for byte j; the index comes out multiplied by 4. */
  const entry = (j) => {
    const word = get(j < 8 ? LO : HI);
    const shift = 8 * (j & 7) - 2;
    const index = shift < 0 ? shl(wrap(word), i32(2)) : wrap(shrU64(word, i64(shift)));
    return load32(add(and(index, i32(0x3fc)), get(BASE)), SLICES + (15 - j) * 1024, 2);
  };
  const bytes = Array.from({ length: 16 }, (_, j) => j);
  const low = and(xor(get(CRC), load8(get(AT), 0)), i32(0xff));
  return body(
    [
      [1, I32],
      [2, I64],
    ],
    base,
    block(
      loop(
        brIf(1, ltU(get(LENGTH), i32(16))),
        set(LO, xor64(load64(get(AT), 0), extendU(get(CRC)))),
        set(HI, load64(get(AT), 8)),
        set(
          CRC,
          bytes.map(entry).reduce((sum, e) => xor(sum, e)),
        ),
        advance(16),
        br(0),
      ),
    ),
    block(
      loop(
        brIf(1, eqz(get(LENGTH))),
        set(CRC, xor(shrU(get(CRC), i32(8)), load32(add(shl(low, i32(2)), get(BASE)), SLICES, 2))),
        advance(1),
        br(0),
      ),
    ),
    get(CRC),
  );
}

/** crc32c(crc, at, length): groups of 128 bytes by vectors while there are two of them. */
function crc32c() {
  const S = 4; // eight vectors of state
  const N = 12; // the next eight, which become the state
  const A = 20; // a nibble of each lane of the one stream
  const B = 21; // and of the other
  const MASK = 22;
  const eight = Array.from({ length: 8 }, (_, i) => i);
  const step = [];
  for (let plane = 0; plane < 4; plane++) {
    for (let half = 0; half < 2; half++) {
      const nibbles = (s) => andV(half ? shrU16x8(get(s), i32(4)) : get(s), get(MASK));
      step.push(set(A, nibbles(S + plane * 2)), set(B, nibbles(S + plane * 2 + 1)));
      for (let to = 0; to < 4; to++) {
        const table = loadV(get(BASE), SWIZZLES + ((plane * 2 + half) * 4 + to) * 16, 4);
        const [a, b] = [N + to * 2, N + to * 2 + 1];
        step.push(set(a, xorV(get(a), swizzle(table, get(A)))));
        step.push(set(b, xorV(get(b), swizzle(table, get(B)))));
      }
    }
  }
  return body(
    [
      [1, I32],
      [19, V128],
    ],
    block(
      brIf(0, ltU(get(LENGTH), i32(256))),
      base,
      set(MASK, constV(new Array(16).fill(0x0f))),
      eight.map((i) => set(S + i, loadV(get(AT), i * 16))),
      // The register so far is XORed into the first four bytes, and then starts from 0.
      set(S, xorV(get(S), replaceLane0(constV(new Array(16).fill(0)), get(CRC)))),
      advance(128),
      loop(
        eight.map((i) => set(N + i, loadV(get(AT), i * 16))),
        step,
        eight.map((i) => set(S + i, get(N + i))),
        advance(128),
        brIf(0, geU(get(LENGTH), i32(128))),
      ),
      eight.map((i) => storeV(get(BASE), get(S + i), STATE + i * 16)),
      set(CRC, call(0, i32(0), add(get(BASE), i32(STATE)), i32(128))),
    ),
    call(0, get(CRC), get(AT), get(LENGTH)),
  );
}

function wasmModule() {
  const SHARED_WITH_MAXIMUM = 3;
  const head = [0x00, ...Buffer.from('asm'), 1, 0, 0, 0];
  const types = section(1, vector([0x60, ...vector(I32, I32, I32), ...vector(I32)]));
  const limits = [SHARED_WITH_MAXIMUM, ...uleb(0), ...uleb(65536)];
  const imports = section(
    2,
    vector(
      [...name('host'), ...name('memory'), 0x02, ...limits],
      [...name('host'), ...name('base'), 0x03, I32, 0x00],
    ),
  );
  const functions = section(3, vector([0], [0]));
  const exports = section(7, vector([...name('crc32c'), 0x00, 1]));
  const code = section(10, vector(slices(), crc32c()));
  const wasm = [head, types, imports, functions, exports, code].flat();
  // The limits follow the name of the memory and its kind.
  const before = [...name('memory'), 0x02];
  const flagsAt =
    wasm.findIndex((_, i) => before.every((b, j) => wasm[i + j] === b)) + before.length;
  if (wasm[flagsAt] !== SHARED_WITH_MAXIMUM) throw new Error('limits not found');
  return { wasm, flagsAt };
}

// ---- Output ----

const hexLines = (bytes) =>
  Buffer.from(bytes)
    .toString('hex')
    .match(/.{1,92}/g)
    .map((line) => `  '${line}'`)
    .join(' +\n');

const { wasm, flagsAt } = wasmModule();
const text = `/**
 * Made by scripts/make-crc-wasm.mjs, which explains it; do not edit. ${wasm.length} bytes of code.
 */

/** The module, in hexadecimal. Imports host.memory (shared) and host.base, exports crc32c. */
export const CRC32C_MODULE =
${hexLines(wasm)};

/** Offset of the byte that says whether the imported memory is shared (3) or not (1). */
export const MEMORY_FLAGS_AT = ${flagsAt};

/** The tables of x^1024, in hexadecimal. */
export const SWIZZLE_TABLES =
${hexLines(swizzleTables())};

/** Where the module wants its tables, counted from host.base. */
export const SLICES_AT = ${SLICES};
export const SWIZZLES_AT = ${SWIZZLES};
/** Bytes from host.base that belong to the module: tables, and its state while it runs. */
export const SCRATCH_SIZE = ${SCRATCH};
`;

const target = fileURLToPath(new URL('../src/base/crc32c-wasm.ts', import.meta.url));
if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== text) {
    console.error('src/base/crc32c-wasm.ts is stale: run node scripts/make-crc-wasm.mjs');
    process.exit(1);
  }
} else {
  writeFileSync(target, text);
}
