/**
 * What a crash workload does, as data: one system call each, on paths.
 *
 * Data is told apart by what wrote it: an operation fills with its own number (`stampOf`), and what
 * no file owns is filled with POISON. So a byte that is read after a crash says where it comes
 * from.
 */

export type CrashOp =
  | { readonly op: 'creat' | 'mkdir' | 'unlink' | 'rmdir'; readonly path: string }
  /** Open, and stay so to the end: its name may go, and its blocks stay. */
  | { readonly op: 'hold'; readonly path: string }
  | { readonly op: 'fsync' | 'fdatasync'; readonly path: string }
  | { readonly op: 'sync' }
  | { readonly op: 'symlink'; readonly target: string; readonly path: string }
  | { readonly op: 'link' | 'rename'; readonly from: string; readonly to: string }
  | { readonly op: 'write'; readonly path: string; readonly at: number; readonly length: number }
  | { readonly op: 'truncate'; readonly path: string; readonly size: number }
  | {
      readonly op: 'falloc';
      readonly path: string;
      /** FALLOC_FL_KEEP_SIZE. */
      readonly keepSize: boolean;
      readonly at: number;
      readonly length: number;
    }
  | {
      readonly op: 'setxattr';
      readonly path: string;
      readonly name: string;
      readonly length: number;
    }
  | { readonly op: 'removexattr'; readonly path: string; readonly name: string };

/** Those after which something is promised. */
export type Persistence = CrashOp & { readonly op: 'fsync' | 'fdatasync' | 'sync' };

/** Those that change a file and no name. */
export type FileOp = Extract<
  CrashOp,
  { op: 'write' | 'truncate' | 'falloc' | 'setxattr' | 'removexattr' }
>;

/** What the operation with this number fills with. */
export const stampOf = (number: number): number => 1 + (number % 200);

/** What free blocks hold, in every byte. */
export const POISON = 0xdb;

export const isPersistence = (op: CrashOp): op is Persistence =>
  op.op === 'fsync' || op.op === 'fdatasync' || op.op === 'sync';

/** As one would say it: `write /foo 0+3000`. */
export function opText(op: CrashOp): string {
  switch (op.op) {
    case 'sync':
      return 'sync';
    case 'symlink':
      return `symlink ${op.path} -> ${op.target}`;
    case 'link':
    case 'rename':
      return `${op.op} ${op.from} ${op.to}`;
    case 'write':
      return `write ${op.path} ${op.at}+${op.length}`;
    case 'truncate':
      return `truncate ${op.path} ${op.size}`;
    case 'falloc':
      return `falloc${op.keepSize ? '-keep-size' : ''} ${op.path} ${op.at}+${op.length}`;
    case 'setxattr':
      return `setxattr ${op.path} ${op.name} ${op.length}`;
    case 'removexattr':
      return `removexattr ${op.path} ${op.name}`;
    default:
      return `${op.op} ${op.path}`;
  }
}

export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/';
