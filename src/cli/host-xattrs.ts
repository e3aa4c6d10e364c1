/**
 * Extended attributes of the host's files. Node has no call for them, so the host's own getfattr
 * reads a whole tree at once, into a file, while the tree is being walked here.
 * @source getfattr(1), xattr(7)
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, readSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { type Name, nameToText } from '../base/name.ts';
import { CliError } from './errors.ts';
import { joinPath } from './location.ts';
import { namelessFile } from './nameless-file.ts';
import { isDir, type Stat, type Xattr } from './tree.ts';
import { readDump } from './xattr-dump.ts';

/** auto: where the host has the tool; require: or fail; none: leave them. */
export const XATTR_POLICIES = ['auto', 'require', 'none'] as const;
export type XattrPolicy = (typeof XATTR_POLICIES)[number];

const READER = 'getfattr';
/** All names, values in hexadecimal, paths as they are. */
const READ_ALL = ['-d', '-m', '-', '-e', 'hex', '--absolute-names'];
/** A whole tree, symlinks themselves. */
const PHYSICAL = ['-h', '-R', '-P'];
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
      each(joinPath('/' as Name, below(path)), xattrs);
    });
    return true;
  }
}

/**
 * The attributes of a path and, if that is a directory, of all below it.
 * @param each  called with paths that begin with `path`
 * @returns false: there is no tool for it
 * @throws EIO some could not be read; `each` has been called for the others
 */
export function readXattrs(
  path: Name,
  stat: Stat,
  follow: boolean,
  each: (path: Name, xattrs: Xattr[]) => void,
): boolean {
  if (process.platform !== 'linux') return false;
  const text = nameToText(path);
  const how = follow ? ['-L'] : ['-h', '-P'];
  const args = isDir(stat) ? [...how, '-R', '--', '.'] : [...how, '--', text];
  const dump = namelessFile(tmpdir());
  const complaints = namelessFile(tmpdir());
  try {
    const { status, signal } = spawnSync(READER, [...READ_ALL, ...args], {
      ...(isDir(stat) ? { cwd: text } : {}),
      env: ENV,
      stdio: ['ignore', dump, complaints],
    });
    if (status !== null) {
      readDump(dump, (file, xattrs) => {
        const name = isDir(stat) ? below(file) : ('' as Name);
        each(name === '' ? path : joinPath(path, name), xattrs);
      });
    }
    const stderr = signal === null ? firstOf(complaints) : `ended by ${signal}`;
    return judge({ status: signal === null ? status : -1, stderr });
  } finally {
    closeSync(dump);
    closeSync(complaints);
  }
}

/** A path as it is printed for a tree that was named `.`, seen from there. */
const below = (path: Name): Name => path.replace(/^\.(?:\/|$)/, '') as Name;

function firstOf(fd: number): string {
  const bytes = Buffer.alloc(MAX_COMPLAINTS);
  return bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, 0));
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
