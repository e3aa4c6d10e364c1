/**
 * Extended attributes of the host's files. Node has no call for them, so the host's own getfattr
 * reads a whole tree at once, into a file, while the tree is being walked here.
 * @source getfattr(1), xattr(7)
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import type { Name } from '../base/name.ts';
import { CliError } from './errors.ts';
import type { Xattr } from './tree.ts';
import { readDump } from './xattr-dump.ts';

/** auto: where the host has the tool; require: or fail; none: leave them. */
export const XATTR_POLICIES = ['auto', 'require', 'none'] as const;
export type XattrPolicy = (typeof XATTR_POLICIES)[number];

const READER = 'getfattr';
/** All names, values in hexadecimal, symlinks themselves, paths as they are. */
const READ_ALL = ['-h', '-d', '-m', '-', '-e', 'hex', '--absolute-names'];
const PHYSICAL = ['-R', '-P'];
/** Its sentences are read, so they must be in one language. */
const ENV = { ...process.env, LC_ALL: 'C' };
/** What a tool says of its failures is kept up to here. */
const MAX_COMPLAINTS = 1 << 14;

/** A tool's end: null if it could not be started. */
interface Ended {
  readonly status: number | null;
  readonly stderr: string;
}

const WHY =
  process.platform === 'linux'
    ? 'getfattr is not there (the package attr brings it)'
    : `there is no way to them on ${process.platform}`;
/** What a person should know where attributes cannot be read. */
export const UNREADABLE = `extended attributes and ACLs of the host's files are not read: ${WHY}`;

/** The attributes of all that is in a folder, read beside whatever else is done. */
export class FolderXattrs {
  private readonly spool: number;
  private readonly child: ChildProcess | null = null;
  private readonly ended: Promise<Ended>;

  /** @param spool  an empty file for what is found */
  constructor(folder: string, spool: number) {
    this.spool = spool;
    if (process.platform !== 'linux') {
      this.ended = Promise.resolve({ status: null, stderr: '' });
      return;
    }
    const child = spawn(READER, [...READ_ALL, ...PHYSICAL, '--', '.'], {
      cwd: folder,
      env: ENV,
      stdio: ['ignore', spool, 'pipe'],
    });
    this.child = child;
    this.ended = endOf(child);
  }

  /** Could the tool be started? Known at once. */
  get started(): boolean {
    return this.child?.pid !== undefined;
  }

  stop(): void {
    this.child?.kill('SIGKILL');
  }

  /**
   * Wait for the tool and go through what it found.
   * @param each  called with a path that starts at the folder: `/`, `/etc/motd`
   * @returns false: the host has another tool of that name
   * @throws EIO the tool says that it could not read something
   */
  async finish(each: (path: Name, xattrs: Xattr[]) => void): Promise<boolean> {
    if (!judge(await this.ended)) return false;
    readDump(this.spool, (path, xattrs) => {
      each((path === '.' ? '/' : `/${path}`) as Name, xattrs);
    });
    return true;
  }
}

async function endOf(child: ChildProcess): Promise<Ended> {
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (stderr.length < MAX_COMPLAINTS) stderr += text;
  });
  return await new Promise((resolve) => {
    child.once('error', () => {
      resolve({ status: null, stderr: '' });
    });
    child.once('close', (status, signal) => {
      resolve({ status: status ?? -1, stderr: signal === null ? stderr : `ended by ${signal}` });
    });
  });
}

/** @returns is there something to read? @throws EIO it is not complete */
function judge({ status, stderr }: Ended): boolean {
  if (status === null) return false;
  if (status === 0) return true;
  const complaints = stderr.split('\n').filter((line) => line !== '');
  // A file system that has no attributes has none that could be lost.
  const bad = complaints.filter((line) => !line.endsWith(': Operation not supported'));
  if (complaints.length > 0 && bad.length === 0) return true;
  if (!isReader()) return false;
  const why = bad[0]?.replace(/^getfattr: /, '') ?? `exit status ${status}`;
  throw new CliError('EIO', `getfattr could not read all extended attributes: ${why}`);
}

/** Other programs of that name (toybox has one) do not know the options. */
function isReader(): boolean {
  const { stdout } = spawnSync(READER, ['--version'], { env: ENV, encoding: 'utf8' });
  return /^getfattr \d/.test(stdout);
}
