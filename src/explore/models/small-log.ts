/**
 * A journal in eighty lines, in ordered mode, to try the crash states on: three of its orders can
 * be left out, each of which loses something at some crash.
 *
 *   data -> log: descriptor, copies -> flush -> commit block, durable -> homes -> flush -> tail
 *
 * Blocks of one sector: the super block, the homes of the metadata, the log, the data. Transaction
 * t gives every metadata block the contents t, and has data of its own, which the metadata of t
 * counts on.
 */
import { assert } from '../../base/assert.ts';
import { bytes, sector, SECTOR_SIZE } from '../../base/units.ts';
import { Bio, REQ_FUA, REQ_META, REQ_PREFLUSH } from '../../block/bio.ts';
import type { BlockDriver } from '../../block/block-device.ts';
import { BlockDevice } from '../../block/block-device.ts';
import { RamDevice } from '../../block/ram-device.ts';
import { CrashRecorder, type CrashRecording } from '../crash-recorder.ts';
import type { CrashPoint } from '../crash-states.ts';

export interface SmallLogShape {
  readonly transactions: number;
  readonly data: number;
  readonly metadata: number;
}
/** What may be left out. */
export type SmallLogDefect =
  'no flush before commit' | 'data after commit' | 'checkpoint before commit';

const DESCRIPTOR = 0x0d;
const COMMIT = 0x0c;

export class SmallLog {
  readonly shape: SmallLogShape;
  private readonly logAt: number;
  private readonly dataAt: number;
  private readonly block = new Uint8Array(SECTOR_SIZE);
  private readonly view = new DataView(this.block.buffer);

  constructor(shape: SmallLogShape) {
    this.shape = shape;
    this.logAt = 1 + shape.metadata;
    this.dataAt = this.logAt + shape.transactions * (shape.metadata + 2);
  }

  private homeOf(k: number): number {
    return 1 + k;
  }
  private descriptorOf(t: number): number {
    return this.logAt + (t - 1) * (this.shape.metadata + 2);
  }
  private dataOf(t: number, k: number): number {
    return this.dataAt + (t - 1) * this.shape.data + k;
  }

  /** All transactions, each checkpointed when the next is durable; the last stays in the log. */
  record(defect?: SmallLogDefect): CrashRecording {
    const { transactions, metadata, data } = this.shape;
    const size = (this.dataAt + transactions * data) * SECTOR_SIZE;
    const recorder = new CrashRecorder(new RamDevice(bytes(size)), { blockSize: SECTOR_SIZE });
    recorder.begin();
    const device = new BlockDevice(recorder);
    const put = (nr: number, kind: number, t: number, flags = 0): void => {
      const block = new Uint8Array(SECTOR_SIZE);
      new DataView(block.buffer).setUint32(0, kind);
      new DataView(block.buffer).setUint32(4, t);
      device.submit(new Bio('write', sector(nr), REQ_META | flags).add(block));
    };
    const flush = (): void => {
      device.submit(new Bio('flush', sector(0)));
    };
    const homes = (t: number): void => {
      for (let k = 0; k < metadata; k++) put(this.homeOf(k), 0, t);
    };
    const files = (t: number): void => {
      for (let k = 0; k < data; k++) put(this.dataOf(t, k), 0, t);
    };
    for (let t = 1; t <= transactions; t++) {
      if (defect !== 'data after commit') files(t);
      const at = this.descriptorOf(t);
      put(at, DESCRIPTOR, t);
      for (let k = 0; k < metadata; k++) put(at + 1 + k, 0, t);
      if (defect === 'checkpoint before commit') homes(t);
      const order = defect === 'no flush before commit' ? REQ_FUA : REQ_FUA | REQ_PREFLUSH;
      put(at + 1 + metadata, COMMIT, t, order);
      recorder.mark(`committed ${t}`, t);
      if (defect === 'data after commit') files(t);
      if (t === transactions) break;
      homes(t);
      flush();
      put(0, 0, t, REQ_FUA);
    }
    return recorder.recording();
  }

  private read(image: BlockDriver, nr: number): number {
    image.start(new Bio('read', sector(nr)).add(this.block));
    return this.view.getUint32(4);
  }

  private write(image: BlockDriver, nr: number, t: number): void {
    this.view.setUint32(0, 0);
    this.view.setUint32(4, t);
    image.start(new Bio('write', sector(nr)).add(this.block));
  }

  /** Replay what is whole in the log. */
  recover(image: BlockDriver): void {
    const { transactions, metadata } = this.shape;
    const tail = this.read(image, 0);
    let t = tail;
    while (t < transactions) {
      const at = this.descriptorOf(t + 1);
      if (this.read(image, at) !== t + 1 || this.view.getUint32(0) !== DESCRIPTOR) break;
      if (this.read(image, at + 1 + metadata) !== t + 1) break;
      t++;
      for (let k = 0; k < metadata; k++) {
        this.write(image, this.homeOf(k), this.read(image, at + 1 + k));
      }
    }
    if (t === tail) return;
    image.start(new Bio('flush', sector(0)));
    this.write(image, 0, t);
    image.start(new Bio('flush', sector(0)));
  }

  /** @throws AssertionError what was promised does not hold */
  check(image: BlockDriver, at: CrashPoint): void {
    const { data, metadata } = this.shape;
    const t = this.read(image, this.homeOf(0));
    for (let k = 1; k < metadata; k++) {
      const other = this.read(image, this.homeOf(k));
      assert(other === t, `metadata of transactions ${t} and ${other}`);
    }
    for (let k = 0; t > 0 && k < data; k++) {
      const found = this.read(image, this.dataOf(t, k));
      assert(found === t, `transaction ${t} without its data`);
    }
    const promised = at.marks.length;
    assert(t >= promised, `transaction ${promised} is lost`);
  }

  readonly judge = (image: BlockDriver, at: CrashPoint): void => {
    this.recover(image);
    this.check(image, at);
  };
}
