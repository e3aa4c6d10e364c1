/**
 * A source tree for `build`: few large files, many small ones, as in a distribution's package.
 * The same bytes every time.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Prng } from '../src/base/prng.ts';

const FILES_PER_DIRECTORY = 100;
const CHUNK = 1 << 20;

export interface TreeShape {
  readonly files: number;
  readonly bytes: number;
}

/** Sizes that span five decades and add up to `bytes`, or a little less. */
function sizes(shape: TreeShape, chance: Prng): number[] {
  const raw = Array.from({ length: shape.files }, () => 10 ** ((chance.below(1000) / 1000) * 5));
  const scale = shape.bytes / raw.reduce((sum, size) => sum + size, 0);
  return raw.map((size) => Math.floor(size * scale));
}

export function makeTree(dir: string, shape: TreeShape): void {
  const chance = new Prng(1);
  // Drawn once and cut differently for each file: no file is like another, none has a hole.
  const noise = chance.bytes(CHUNK);
  sizes(shape, chance).forEach((size, i) => {
    const group = Math.floor(i / FILES_PER_DIRECTORY);
    const folder = join(dir, `part-${Math.floor(group / 10)}`, `group-${group % 10}`);
    if (i % FILES_PER_DIRECTORY === 0) mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `file-${i}.dat`), cut(noise, i, size));
  });
}

function cut(noise: Uint8Array, from: number, size: number): Uint8Array {
  const out = new Uint8Array(size);
  let at = (from * 4099) % (CHUNK / 2);
  for (let done = 0; done < size; at = 0) {
    const part = noise.subarray(at, at + size - done);
    out.set(part, done);
    done += part.length;
  }
  return out;
}
