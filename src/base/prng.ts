/**
 * The only source of chance: the same seed gives the same run on every host, so that any failure
 * can be replayed. Not for secrets.
 * @source D. Blackman, S. Vigna, "Scrambled linear pseudorandom number generators" (xoshiro128**)
 */
import { assert } from './assert.ts';

const rotl = (x: number, k: number): number => (x << k) | (x >>> (32 - k));

export class Prng {
  /** What a failure message must print. */
  readonly seed: number;
  private a: number;
  private b: number;
  private c: number;
  private d: number;

  /** @param seed  an integer, 0..2^53-1 */
  constructor(seed: number) {
    assert(Number.isSafeInteger(seed) && seed >= 0, 'a seed is an integer from 0');
    this.seed = seed;
    // Neighbouring seeds must not give similar states, nor may the state be all zero: each word
    // is a hash of both halves of the seed and of its own place.
    const lo = seed | 0;
    const hi = Math.floor(seed / 2 ** 32);
    this.a = mix(lo + 0x9e37_79b9, hi);
    this.b = mix(lo + 0x3c6e_f372, hi);
    this.c = mix(lo + 0xdaa6_6d2b, hi);
    this.d = mix(lo + 0x78dd_e6e4, hi) | 1;
  }

  /** 0..2^32-1 */
  u32(): number {
    const { a, b, c, d } = this;
    const result = Math.imul(rotl(Math.imul(b, 5), 7), 9) >>> 0;
    const c1 = c ^ a;
    const d1 = d ^ b;
    this.b = b ^ c1;
    this.a = a ^ d1;
    this.c = c1 ^ (b << 9);
    this.d = rotl(d1, 11);
    return result;
  }

  /** 0..2^53-1 */
  private u53(): number {
    return (this.u32() >>> 11) * 2 ** 32 + this.u32();
  }

  /** An integer of 0..n-1, all equally likely. @param n  1..2^53-1 */
  below(n: number): number {
    assert(Number.isSafeInteger(n) && n > 0, 'below() needs a positive integer');
    const range = n <= 2 ** 32 ? 2 ** 32 : 2 ** 53;
    // Above the last multiple of n some remainders would come up once more than others.
    const limit = range - (range % n);
    for (;;) {
      const x = range === 2 ** 32 ? this.u32() : this.u53();
      if (x < limit) return x % n;
    }
  }

  /** True with probability `p`. */
  chance(p: number): boolean {
    return this.u53() < p * 2 ** 53;
  }

  bytes(n: number): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(n);
    for (let i = 0; i < n; i += 4) {
      const x = this.u32();
      out[i] = x;
      out[i + 1] = x >>> 8;
      out[i + 2] = x >>> 16;
      out[i + 3] = x >>> 24;
    }
    return out;
  }
}

/** A bijection of 32 bits in `x` for every `salt`: multiply and fold, thrice. */
function mix(x: number, salt: number): number {
  let h = Math.imul(x ^ (x >>> 16), 0x85eb_ca6b) ^ Math.imul(salt + 1, 0xc2b2_ae35);
  h = Math.imul(h ^ (h >>> 13), 0x27d4_eb2f);
  h = Math.imul(h ^ (h >>> 15), 0x1656_67b1);
  return h ^ (h >>> 16);
}
