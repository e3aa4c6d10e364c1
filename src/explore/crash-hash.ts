/**
 * Names of images, 64 bits long: the exclusive or of a random number for each block and what it
 * holds, so that a change of one block changes the name without a look at the others. Among a
 * million images there are two of one name about once in twenty million recordings.
 */

function scramble(x: number): number {
  let h = Math.imul(x ^ (x >>> 16), 0x7feb_352d);
  h = Math.imul(h ^ (h >>> 15), 0x846c_a68b);
  return h ^ (h >>> 16);
}
const mix = (a: number, b: number, seed: number): number =>
  scramble(scramble(Math.imul(a, 0x9e37_79b1) + seed) ^ Math.imul(b, 0x85eb_ca6b));

export class ImageHash {
  low = 0;
  high = 0;

  /** @param marks, depth  what an image is judged with counts as part of it */
  begin(marks: number, depth: number): void {
    this.low = mix(marks, depth, 0x1234_5678);
    this.high = mix(marks, depth, 0x0fed_cba9);
  }
  /** Put a block's content in, or take it out again. */
  flip(nr: number, content: number): void {
    if (content === 0) return; // As on the medium before: no part of the name.
    this.low ^= mix(nr, content, 0x51ed_270b);
    this.high ^= mix(nr, content, 0x2545_f491);
  }
  save(): readonly [number, number] {
    return [this.low, this.high];
  }
  restore([low, high]: readonly [number, number]): void {
    this.low = low;
    this.high = high;
  }
}

/** A set of names, in open addressing. */
export class ImageSet {
  size = 0;
  private mask = (1 << 12) - 1;
  private table = new Int32Array(2 << 12);

  /** @returns false: it was there */
  add({ low, high }: ImageHash): boolean {
    if (this.size * 2 > this.mask) this.grow();
    if (!this.put(low, high | 1)) return false;
    this.size++;
    return true;
  }

  /** `high` is odd, so that no name is an empty place. */
  private put(low: number, high: number): boolean {
    const { table, mask } = this;
    for (let i = (low ^ (high >>> 7)) & mask; ; i = (i + 1) & mask) {
      if (table[2 * i + 1] === 0) {
        table[2 * i] = low;
        table[2 * i + 1] = high;
        return true;
      }
      if (table[2 * i] === low && table[2 * i + 1] === high) return false;
    }
  }

  private grow(): void {
    const old = this.table;
    this.mask = this.mask * 2 + 1;
    this.table = new Int32Array(2 * (this.mask + 1));
    for (let i = 0; i < old.length; i += 2) if (old[i + 1] !== 0) this.put(old[i]!, old[i + 1]!);
  }
}
