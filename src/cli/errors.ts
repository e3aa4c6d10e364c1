/**
 * Failures as a person meets them: which path, the cause in words, the errno.
 */
import { FsError } from '../base/errno.ts';

/** The command line itself is wrong: exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A failure that has its sentence already. `code` is the errno it stands for. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly code: string;

  constructor(code: string, text: string) {
    super(text);
    this.code = code;
  }
}

/** What Node puts on errors of the host. */
interface HostError {
  readonly code: string;
  readonly message: string;
  readonly cause?: unknown;
}

const isHostError = (e: unknown): e is HostError =>
  e instanceof Error && typeof (e as { code?: unknown }).code === 'string';

/** Does a failure carry this errno, be it ours or the host's? */
export const hasCode = (e: unknown, code: string): boolean => isHostError(e) && e.code === code;

/** Cause in words, then the errno: `no such file or directory (ENOENT)`. Null: a defect. */
export function causeOf(e: unknown): string | null {
  if (!isHostError(e)) return null;
  // What the file system itself said is more exact than its form for callers of the library.
  if (e.cause instanceof FsError) return causeOf(e.cause);
  const { code, message } = e;
  if (e instanceof CliError) return `${message} (${code})`;
  const prefix = `${code}: `;
  const text = message.startsWith(prefix) ? message.slice(prefix.length) : message;
  if (e instanceof FsError) return `${text} (${code})`;
  // Node adds the system call and the path, which we name ourselves.
  return `${text.replace(/, [a-z]+(?: .*)?$/s, '')} (${code})`;
}
