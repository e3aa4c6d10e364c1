/**
 * Descriptors of a process: the lowest free number is given out, as POSIX wants it.
 * @source fs/file.c
 */
import { errno } from '../base/errno.ts';
import type { File } from './file.ts';

/** Linux: sysctl_nr_open. */
const NR_OPEN = 1 << 20;

export class FileTable {
  private readonly files: (File | null)[] = [];
  /** No descriptor below this one is free. */
  private lowest = 0;

  /** Takes over the caller's reference. @throws EMFILE */
  install(file: File): number {
    let fd = this.lowest;
    while (fd < this.files.length && this.files[fd]) fd++;
    if (fd >= NR_OPEN) throw errno('EMFILE');
    this.files[fd] = file;
    this.lowest = fd + 1;
    return fd;
  }

  /** @throws EBADF */
  get(fd: number): File {
    const file = this.files[fd];
    if (!file) throw errno('EBADF', { fd });
    return file;
  }

  /** The reference goes to the caller. @throws EBADF */
  remove(fd: number): File {
    const file = this.get(fd);
    this.files[fd] = null;
    if (fd < this.lowest) this.lowest = fd;
    return file;
  }

  /** Descriptors in use, ascending. */
  open(): number[] {
    return this.files.flatMap((file, fd) => (file ? [fd] : []));
  }
}
