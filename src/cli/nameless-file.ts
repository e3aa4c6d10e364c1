/** Files that nobody else sees. */
import { randomBytes } from 'node:crypto';
import { openSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A new file in `dir`, open for reading and writing, gone when it is closed, however this program
 * ends.
 * @throws what the host says of the folder
 */
export function namelessFile(dir: string): number {
  const path = join(dir, `.foliofs-${process.pid}-${randomBytes(4).toString('hex')}.spool`);
  const fd = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  return fd;
}
