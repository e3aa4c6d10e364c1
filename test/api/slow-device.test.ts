// Goal: a device that answers later works through promises, whatever order it answers in, and is
// refused clearly by the synchronous face. Method: a RamDevice whose completions wait and are
// shuffled.
import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.ts';
import type { Bio } from '../../src/block/bio.ts';
import type { BlockDriver } from '../../src/block/block-device.ts';
import type { RamDevice } from '../../src/block/ram-device.ts';
import { open } from '../../src/index.ts';
import { fsckDevice, ramImage } from '../support/ram-image.ts';

class SlowDevice implements BlockDriver {
  readonly size;
  readonly logicalBlockSize = 512;
  readonly readOnly = false;
  readonly synchronous = false;
  readonly queueDepth = 8;
  private readonly ram: RamDevice;
  private readonly chance: Prng;
  private waiting: Bio[] = [];
  inFlight = 0;

  constructor(ram: RamDevice, seed: number) {
    this.ram = ram;
    this.size = ram.size;
    this.chance = new Prng(seed);
  }
  start(bio: Bio): void {
    this.waiting.push(bio);
    this.inFlight = Math.max(this.inFlight, this.waiting.length);
    if (this.waiting.length === 1)
      setImmediate(() => {
        this.answer();
      });
  }
  /** One of those that wait, any one, then the next turn. */
  private answer(): void {
    if (this.waiting.length === 0) return; // An answer may have started the next one already.
    const [bio] = this.waiting.splice(this.chance.below(this.waiting.length), 1);
    if (bio) this.ram.start(bio);
    if (this.waiting.length > 0)
      setImmediate(() => {
        this.answer();
      });
  }
}

for (const seed of [1, 2, 3]) {
  test(`many writers at once on a shuffling device, seed ${String(seed)}`, async () => {
    const ram = ramImage(32 << 20);
    const device = new SlowDevice(ram, seed);
    const volume = await open(device, { cacheSize: 2 << 20, seed });
    const { promises } = volume.fs;
    await promises.mkdir('/d');
    const content = (i: number): Buffer => Buffer.alloc(1000 + i * 3001, i + 1);
    await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        await promises.writeFile(`/d/f${String(i)}`, content(i));
        if (i % 3 === 0) await promises.rename(`/d/f${String(i)}`, `/d/g${String(i)}`);
        if (i % 4 === 1) await promises.truncate(`/d/f${String(i)}`, 500).catch(() => undefined);
      }),
    );
    await volume.sync();
    await volume.close();
    expect(device.inFlight).toBeGreaterThan(1);
    expect(fsckDevice(ram)).toMatchObject({ status: 0 });
    const again = await open(new SlowDevice(ram, seed + 100), { readOnly: true });
    for (let i = 0; i < 40; i++) {
      const name = i % 3 === 0 ? `/d/g${String(i)}` : `/d/f${String(i)}`;
      const want = i % 3 !== 0 && i % 4 === 1 ? content(i).subarray(0, 500) : content(i);
      const got = await again.fs.promises.readFile(name);
      expect(Buffer.compare(got as Buffer, want), name).toBe(0);
    }
    await again.close();
  });
}

test('the synchronous face says that such a device needs promises', async () => {
  const volume = await open(new SlowDevice(ramImage(8 << 20), 1));
  expect(() => volume.fs.readdirSync('/')).toThrow(expect.objectContaining({ code: 'EAGAIN' }));
});
