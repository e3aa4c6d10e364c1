/** What an operation answers, in the one form in which answers are compared. */
import { createHash } from 'node:crypto';

/** The fields of stat that are compared; null: not known on this side. */
export interface Status {
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  size: number | null;
  /** Seconds; null when the clock decided it. */
  mtime: number | null;
}

/** An errno's name, a number of bytes, a hash, names, or a status. */
export type Answer = string | number | readonly string[] | Status;

export const OK = 'ok';
/** The operation had no object (an empty slot). */
export const NOTHING = 'nothing';

export const hashOf = (bytes: Uint8Array): string =>
  `${String(bytes.length)}:${createHash('sha1').update(bytes).digest('hex')}`;

const isStatus = (a: Answer): a is Status => typeof a === 'object' && 'nlink' in a;

/** Do they say the same? What one side does not know is no difference. */
export function agree(a: Answer, b: Answer): boolean {
  if (!isStatus(a) || !isStatus(b)) return JSON.stringify(a) === JSON.stringify(b);
  return (Object.keys(a) as (keyof Status)[]).every(
    (key) => a[key] === b[key] || a[key] === null || b[key] === null,
  );
}
