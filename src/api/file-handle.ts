/**
 * An open file in the promise face.
 * @source Node's documentation, "Class: FileHandle"
 */
import type { Process } from '../syscall/process.ts';
import type { BytesLike, EncodingOption, ModeLike, TimeLike } from './args.ts';
import type { Bridge, Call } from './bridge.ts';
import { type BigIntOption, fdOperations, type ReadOptions } from './fd-operations.ts';
import { fileOperations, type ReadFileOptions, type WriteFileOptions } from './file-operations.ts';
import type { BigIntStats, Stats } from './stats.ts';

export class FileHandle {
  readonly fd: number;
  private readonly bridge: Bridge;
  private readonly process: Process;
  private closed: Promise<void> | null = null;

  constructor(bridge: Bridge, process: Process, fd: number) {
    this.bridge = bridge;
    this.process = process;
    this.fd = fd;
  }

  private run<A extends unknown[], T>(
    operation: (p: Process, fd: number, ...args: A) => Call<T>,
    ...args: A
  ): Promise<T> {
    return this.bridge.promise(operation(this.process, this.fd, ...args));
  }

  async read<B extends BytesLike>(
    buffer: B,
    offset?: number | ReadOptions | null,
    length?: number | null,
    position?: number | bigint | null,
  ): Promise<{ bytesRead: number; buffer: B }> {
    const bytesRead = await this.run(fdOperations.read, buffer, offset, length, position);
    return { bytesRead, buffer };
  }
  async readv(
    buffers: readonly BytesLike[],
    position?: number | null,
  ): Promise<{ bytesRead: number; buffers: readonly BytesLike[] }> {
    return { bytesRead: await this.run(fdOperations.readv, buffers, position), buffers };
  }
  async write<B extends BytesLike | string>(
    data: B,
    offset?: number | ReadOptions | null,
    length?: number | EncodingOption,
    position?: number | bigint | null,
  ): Promise<{ bytesWritten: number; buffer: B }> {
    const bytesWritten = await this.run(fdOperations.write, data, offset, length, position);
    return { bytesWritten, buffer: data };
  }
  async writev(
    buffers: readonly BytesLike[],
    position?: number | null,
  ): Promise<{ bytesWritten: number; buffers: readonly BytesLike[] }> {
    return { bytesWritten: await this.run(fdOperations.writev, buffers, position), buffers };
  }
  readFile(options?: ReadFileOptions | EncodingOption): Promise<string | Uint8Array> {
    return this.run(fileOperations.readFile, options);
  }
  writeFile(data: string | BytesLike, options?: WriteFileOptions | EncodingOption): Promise<void> {
    return this.run(fileOperations.writeFile, data, options);
  }
  appendFile(data: string | BytesLike, options?: WriteFileOptions | EncodingOption): Promise<void> {
    return this.run(fileOperations.appendFile, data, options);
  }
  stat(options?: BigIntOption): Promise<Stats | BigIntStats> {
    return this.run(fdOperations.fstat, options);
  }
  truncate(length = 0): Promise<void> {
    return this.run(fdOperations.ftruncate, length);
  }
  chmod(mode: ModeLike): Promise<void> {
    return this.run(fdOperations.fchmod, mode);
  }
  chown(uid: number, gid: number): Promise<void> {
    return this.run(fdOperations.fchown, uid, gid);
  }
  utimes(atime: TimeLike, mtime: TimeLike): Promise<void> {
    return this.run(fdOperations.futimes, atime, mtime);
  }
  /** mode: FALLOC_FL_*. */
  allocate(mode: number, offset: number, length: number): Promise<void> {
    return this.run(fdOperations.fallocate, mode, offset, length);
  }
  sync(): Promise<void> {
    return this.run(fdOperations.fsync);
  }
  datasync(): Promise<void> {
    return this.run(fdOperations.fdatasync);
  }
  close(): Promise<void> {
    return (this.closed ??= this.run(fdOperations.close));
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
