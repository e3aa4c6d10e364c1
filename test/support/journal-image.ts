/**
 * Images with a log to recover: written by debugfs, by hand, or by a kernel that was shut down in
 * the middle; and the log's blocks, to be damaged.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setJournalSuperblockCsum } from '../../src/jbd2/checksum.ts';
import { JBD2_INCOMPAT, JournalSuperblock as S } from '../../src/jbd2/disk.ts';
import { makeImage, scratchDir, type TestImage } from './e2fsprogs.ts';
import { inKernel } from './kernel.ts';

export interface Raw {
  readonly data: Uint8Array;
  readonly view: DataView;
}

/** The log of an image, as views over its bytes. */
export class JournalBytes {
  readonly image: Uint8Array;
  readonly blockSize: number;
  private readonly places: readonly number[];

  constructor(image: Uint8Array, blockSize: number, places: readonly number[]) {
    this.image = image;
    this.blockSize = blockSize;
    this.places = places;
  }

  static of(image: TestImage, blockSize: number): JournalBytes {
    const line =
      image
        .ask('blocks <8>')
        .split('\n')
        .find((l) => /^\d/.test(l)) ?? '';
    return new JournalBytes(image.bytes(), blockSize, line.trim().split(/\s+/).map(Number));
  }

  /** The same places in other bytes. */
  over(image: Uint8Array): JournalBytes {
    return new JournalBytes(image, this.blockSize, this.places);
  }

  get length(): number {
    return this.places.length;
  }
  placeOf(i: number): number {
    return (this.places[i] ?? 0) * this.blockSize;
  }
  block(i: number): Raw {
    const data = this.image.subarray(this.placeOf(i), this.placeOf(i) + this.blockSize);
    return { data, view: new DataView(data.buffer, data.byteOffset, data.length) };
  }
  get super(): Raw {
    return this.block(0);
  }
  get start(): number {
    return S.s_start.get(this.super.view, 0);
  }
  get first(): number {
    return S.s_first.get(this.super.view, 0);
  }

  /** Change the super block, and put its checksum right if it has one. */
  changeSuper(change: (view: DataView) => void): void {
    const b = this.super;
    const guarded = JBD2_INCOMPAT.journal_checksum_v2 | JBD2_INCOMPAT.journal_checksum_v3;
    change(b.view);
    if (S.s_feature_incompat.get(b.view, 0) & guarded) setJournalSuperblockCsum(b);
  }

  /** Move a log of `count` blocks so that it begins at `to`, round the end of the ring. */
  rotate(count: number, to: number): void {
    const { first, length, start } = this;
    const ring = (i: number): number => first + ((i - first) % (length - first));
    const copies = Array.from({ length: count }, (_, i) =>
      this.block(ring(start + i)).data.slice(),
    );
    for (let i = 0; i < count; i++) this.block(ring(start + i)).data.fill(0);
    for (const [i, copy] of copies.entries()) this.block(ring(to + i)).data.set(copy);
    this.changeSuper((v) => {
      S.s_start.set(v, 0, to);
    });
  }
}

/** One transaction for debugfs: blocks with a letter to fill them, and blocks to revoke. */
export interface Step {
  readonly write?: Readonly<Record<number, string | Uint8Array>>;
  readonly revoke?: readonly number[];
  readonly uncommitted?: true;
}

/** Let debugfs write transactions. @param open  options of its `jo` */
export function writeLog(image: TestImage, blockSize: number, open: string, steps: Step[]): void {
  const dir = scratchDir();
  const commands = steps.map(({ write = {}, revoke = [], uncommitted }, i) => {
    const flags = `${uncommitted ? '-c ' : ''}${revoke.length > 0 ? `-r ${revoke.join(',')} ` : ''}`;
    const blocks = Object.keys(write);
    if (blocks.length === 0) return `jw ${flags}`;
    const file = join(dir, `content${i}`);
    const contents = Object.values(write).map((c) =>
      typeof c === 'string' ? Buffer.alloc(blockSize, c) : Buffer.from(c),
    );
    writeFileSync(file, Buffer.concat(contents));
    return `jw ${flags}-b ${blocks.join(',')} ${file}`;
  });
  image.debugfs(`jo ${open}`.trim(), ...commands, 'jc');
}

/** Shuts the file system of the working folder down, without a last flush. */
export const GO_DOWN = `
import fcntl, struct
fcntl.ioctl(os.open('.', os.O_RDONLY), 0x8004587d, struct.pack('I', 2))
`;

/**
 * Let the kernel work in an image and shut it down without a last flush. Python's working folder
 * is the root; nothing may be open but what the script wants to be.
 */
export function shutDown(args: string[], size: string, script: string, options = ''): TestImage {
  const image = makeImage(args, size);
  const run = `import os, sys\nos.chdir(sys.argv[1])\n${script}\n${GO_DOWN}`;
  inKernel(image, run, ['loop', options].filter(Boolean).join(','));
  return image;
}
