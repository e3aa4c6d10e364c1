/**
 * The judge of an image at the end of an execution. Many executions end with the same bytes: those
 * that were found sound once are sound, so that an image is judged once, however often it comes.
 */
import { assert } from '../base/assert.ts';
import type { BlockDevice } from '../block/block-device.ts';
import type { RamDevice } from '../block/ram-device.ts';
import { checkFs } from '../fs/ext4/check/check.ts';
import { PAGE_SIZE } from '../mm/page-memory.ts';
import { Memory, MIN_FRAMES } from '../mm/vmscan.ts';
import type { Op } from '../sched/op.ts';

/** Images that are remembered; a MiB each. */
const MOST = 16;

export class ImageJudge {
  private readonly ram: RamDevice;
  private readonly device: BlockDevice;
  // What is private in this way is not put back before an execution (snapshot.ts): it is no state.
  readonly #sound: Int32Array[] = [];
  #scratch: Uint8Array | null = null;

  constructor(ram: RamDevice, device: BlockDevice) {
    this.ram = ram;
    this.device = device;
  }

  /** @throws AssertionError with the first problem */
  *judge(): Op<void> {
    const bytes = (this.#scratch ??= new Uint8Array(this.ram.size));
    this.ram.peek(0, bytes);
    const words = new Int32Array(bytes.buffer);
    if (this.#sound.some((known) => same(known, words))) return;
    const problems: string[] = [];
    yield* checkFs(this.device, {
      memory: new Memory(MIN_FRAMES * PAGE_SIZE, PAGE_SIZE),
      onProblem: (p) => {
        problems.push(p.text);
      },
    });
    assert(problems.length === 0, `the image is damaged: ${problems[0] ?? ''}`);
    if (this.#sound.length === MOST) this.#sound.pop();
    this.#sound.unshift(words.slice());
  }
}

function same(a: Int32Array, b: Int32Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
