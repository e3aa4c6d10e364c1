/**
 * Archives as files that can be read at any place: compressed ones, and standard input, are
 * unpacked into a file without a name first. So links may lead forwards, and the size is known
 * before the first byte is written.
 */
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { Transform, type TransformCallback, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as zlib from 'node:zlib';
import { Decompress } from 'fzstd';
import { CliError } from '../errors.ts';
import { namelessFile } from '../nameless-file.ts';

/** An archive that is open for reading at any offset. */
export interface Archive {
  readonly fd: number;
  readonly size: number;
}

type Packing = 'none' | 'gzip' | 'zstd';

/** @throws CliError a packing that nobody here can undo */
function packingOf(head: Uint8Array): Packing {
  const starts = (...bytes: number[]): boolean => bytes.every((b, i) => head[i] === b);
  if (starts(0x1f, 0x8b)) return 'gzip';
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) return 'zstd';
  const other = starts(0x42, 0x5a, 0x68) ? 'bzip2' : starts(0xfd, 0x37, 0x7a, 0x58) ? 'xz' : '';
  if (other !== '') throw new CliError('EOPNOTSUPP', `packed with ${other}: unpack it first`);
  return 'none';
}

export class Spools {
  private readonly dir: string;
  private readonly fds: number[] = [];

  /** @param dir  where unpacked archives may lie */
  constructor(dir: string) {
    this.dir = dir;
  }

  [Symbol.dispose](): void {
    for (const fd of this.fds.splice(0)) closeSync(fd);
  }

  /** @param source  a file, or `-`; @param sha256  what its bytes must hash to */
  async archive(source: string, sha256?: string): Promise<Archive> {
    const fd = source === '-' ? 0 : this.keep(openSync(source, 'r'));
    const seekable = source !== '-' && fstatSync(fd).isFile();
    if (seekable && sha256 === undefined) {
      const head = new Uint8Array(6);
      readSync(fd, head, 0, head.length, 0);
      if (packingOf(head) === 'none') return { fd, size: fstatSync(fd).size };
    }
    return await this.unpack(fd, sha256);
  }

  private keep(fd: number): number {
    this.fds.push(fd);
    return fd;
  }

  private async unpack(fd: number, sha256?: string): Promise<Archive> {
    const spool = this.empty();
    const hash = sha256 === undefined ? null : createHash('sha256');
    const from = createReadStream('', { fd, autoClose: false, highWaterMark: 1 << 20 });
    const to = writer(spool);
    try {
      await pipeline(from, new Unpacker((data) => hash?.update(data)), to);
    } catch (e) {
      if (e instanceof CliError) throw e;
      const { code, message } = e as { code?: string; message: string };
      throw new CliError('EIO', `cannot unpack it: ${message} ${code ?? ''}`.trimEnd());
    }
    if (hash && hash.digest('hex') !== sha256) {
      throw new CliError('EBADMSG', 'its content is not what its digest says');
    }
    return { fd: spool, size: fstatSync(spool).size };
  }

  /** An empty file for what need not stay in memory. */
  empty(): number {
    return this.keep(namelessFile(this.dir));
  }
}

function writer(fd: number): Writable {
  return new Writable({
    highWaterMark: 1 << 20,
    write(chunk: Uint8Array, _encoding, done) {
      try {
        for (let at = 0; at < chunk.length;) at += writeSync(fd, chunk, at);
        done();
      } catch (e) {
        done(e as Error);
      }
    },
  });
}

/** Undoes the packing that the first bytes name. */
class Unpacker extends Transform {
  private readonly seen: (data: Uint8Array) => void;
  private head: Buffer | null = Buffer.alloc(0);
  private inner: {
    write(data: Uint8Array): Promise<void> | void;
    end(): Promise<void> | void;
  } | null = null;

  constructor(seen: (data: Uint8Array) => void) {
    super({ highWaterMark: 1 << 20 });
    this.seen = seen;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.seen(chunk);
    this.feed(chunk).then(
      () => {
        done();
      },
      (e: unknown) => {
        done(e as Error);
      },
    );
  }
  override _flush(done: TransformCallback): void {
    this.finish().then(
      () => {
        done();
      },
      (e: unknown) => {
        done(e as Error);
      },
    );
  }

  private async feed(chunk: Buffer): Promise<void> {
    if (this.head !== null) {
      this.head = Buffer.concat([this.head, chunk]);
      if (this.head.length < 6) return;
      chunk = this.head;
      this.start(chunk);
    }
    await this.inner?.write(chunk);
  }

  private start(head: Buffer): void {
    this.head = null;
    const packing = packingOf(head);
    if (packing === 'none') this.inner = { write: (d) => void this.push(d), end: () => undefined };
    else if (packing === 'gzip')
      this.inner = this.stream(zlib.createGunzip({ chunkSize: 1 << 18 }));
    else this.inner = this.zstd();
  }

  private async finish(): Promise<void> {
    if (this.head !== null) {
      const rest = this.head;
      this.start(rest);
      await this.inner?.write(rest);
    }
    await this.inner?.end();
  }

  /** Node's own where it has one; it came with 22.15. */
  private zstd(): NonNullable<Unpacker['inner']> {
    const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform };
    if (createZstdDecompress) return this.stream(createZstdDecompress());
    const unpack = new Decompress((data) => void this.push(data));
    const none = new Uint8Array(0);
    return {
      write: (data) => {
        unpack.push(data);
      },
      end: () => {
        unpack.push(none, true);
      },
    };
  }

  private stream(stream: Transform): NonNullable<Unpacker['inner']> {
    stream.on('data', (data: Buffer) => void this.push(data));
    const ended = new Promise<void>((resolve, reject) => {
      stream.on('end', resolve);
      stream.on('error', reject);
    });
    ended.catch(() => undefined);
    return {
      write: (data) =>
        new Promise<void>((resolve, reject) => {
          stream.write(data, (e) => {
            if (e) reject(e);
            else resolve();
          });
        }),
      end: async () => {
        stream.end();
        await ended;
      },
    };
  }
}
