/** Reading an archive at an offset. */
import { readSync } from 'node:fs';
import type { Archive } from './spool.ts';
import { CliError } from '../errors.ts';

/** @throws EIO the archive ends before */
export function readExactly(a: Archive, at: number, length: number): Uint8Array {
  const data = new Uint8Array(length);
  readInto(a, at, data);
  return data;
}

export function readInto({ fd }: Archive, at: number, data: Uint8Array): void {
  for (let done = 0; done < data.length;) {
    const n = readSync(fd, data, done, data.length - done, at + done);
    if (n === 0) throw new CliError('EIO', 'the archive ends in the middle of a file');
    done += n;
  }
}
