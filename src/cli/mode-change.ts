/**
 * Modes of chmod and mkdir -m: octal, or symbolic as POSIX defines them.
 * @source POSIX.1-2024, chmod, "EXTENDED DESCRIPTION"
 */
import { S_IFDIR, S_IFMT } from '../base/mode.ts';
import { UsageError } from './errors.ts';

/** New permission bits from the present mode. */
export type ModeChange = (mode: number) => number;

const WHO: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o1007, a: 0o7777 };
const PERMS: Readonly<Record<string, number>> = { r: 0o444, w: 0o222, x: 0o111 };

interface Action {
  readonly who: number;
  /** Without `who` the umask holds bits back. */
  readonly masked: boolean;
  readonly op: string;
  readonly perms: string;
}

/** The bits that `perms` stands for, for everybody; `who` cuts them down afterwards. */
function bitsOf(perms: string, mode: number): number {
  const copied = { u: (mode >> 6) & 7, g: (mode >> 3) & 7, o: mode & 7 }[perms];
  if (copied !== undefined) return copied * 0o111;
  let bits = 0;
  for (const letter of perms) {
    bits |= PERMS[letter] ?? 0;
    if (letter === 'X' && ((mode & S_IFMT) === S_IFDIR || mode & 0o111)) bits |= 0o111;
    if (letter === 's') bits |= 0o6000;
    if (letter === 't') bits |= 0o1000;
  }
  return bits;
}

function apply(mode: number, { who, masked, op, perms }: Action, umask: number): number {
  const held = masked ? umask : 0;
  const bits = bitsOf(perms, mode) & who & ~held;
  if (op === '+') return mode | bits;
  if (op === '-') return mode & ~bits;
  // `=` leaves a directory's set-id bits alone, as chmod(1) does, unless it names them.
  const keep = (mode & S_IFMT) === S_IFDIR && !perms.includes('s') ? 0o6000 : 0;
  return (mode & ~(who & ~keep & ~held)) | bits;
}

function parseClause(clause: string): Action[] {
  const match = /^([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)$/.exec(clause);
  if (match === null) throw new UsageError(`${clause}: not a mode`);
  const [, letters = '', rest = ''] = match;
  const masked = letters === '';
  const who = masked ? 0o7777 : [...letters].reduce((all, l) => all | (WHO[l] ?? 0), 0);
  return [...rest.matchAll(/([-+=])([ugo]|[rwxXst]*)/g)].map(([, op = '', perms = '']) => ({
    who,
    masked,
    op,
    perms,
  }));
}

/** @throws UsageError */
export function parseMode(text: string, umask = process.umask()): ModeChange {
  if (/^[0-7]{1,5}$/.test(text)) {
    const bits = parseInt(text, 8);
    if (bits > 0o7777) throw new UsageError(`${text}: not a mode`);
    // Short octal modes leave a directory's set-id bits alone, as chmod(1) does.
    const keep = text.length <= 4 ? 0o6000 : 0;
    return (mode) => bits | ((mode & S_IFMT) === S_IFDIR ? mode & keep : 0);
  }
  const actions = text.split(',').flatMap(parseClause);
  return (mode) => actions.reduce((m, action) => apply(m, action, umask), mode) & 0o7777;
}
