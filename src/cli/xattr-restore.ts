/**
 * Extended attributes onto the host's files: collected in a file while files are made, set at once
 * by the host's setfattr when they are complete, because Node has no call for it and a process for
 * each file would take longer than the copy.
 * @source setfattr(1), "--restore"
 */
import { spawnSync } from 'node:child_process';
import { closeSync, readSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { type Name, nameFromBytes, nameToText } from '../base/name.ts';
import { namelessFile } from './nameless-file.ts';
import type { Xattr } from './tree.ts';
import { dumpOf } from './xattr-dump.ts';

const WRITER = 'setfattr';
const ENV = { ...process.env, LC_ALL: 'C' };
const CHUNK = 1 << 16;
export const NO_WRITER =
  process.platform === 'linux'
    ? 'setfattr is not there (the package attr brings it)'
    : `there is no way to set them on ${process.platform}`;

/** What stayed behind: of how many files, and why of the first of them. */
export interface Lost {
  readonly files: number;
  readonly why: string;
}

/** Is the tool there, and not another one of that name? */
export function canSetXattrs(): boolean {
  if (process.platform !== 'linux') return false;
  const { stdout } = spawnSync(WRITER, ['--version'], { env: ENV, encoding: 'latin1' });
  return /^setfattr \d/.test(stdout ?? '');
}

export class XattrRestore {
  private readonly dump = namelessFile(tmpdir());
  private end = 0;
  private files = 0;

  /** Attributes for a file that may still be changed until finish(). */
  add(path: Name, xattrs: readonly Xattr[]): void {
    const data = dumpOf(path, xattrs);
    for (let done = 0; done < data.length;) {
      done += writeSync(this.dump, data, done, data.length - done, this.end + done);
    }
    this.end += data.length;
    this.files++;
  }

  /** Set them all. @returns what could not be set, or null */
  finish(): Lost | null {
    try {
      if (this.files === 0) return null;
      if (!canSetXattrs()) return { files: this.files, why: NO_WRITER };
      return this.run();
    } finally {
      closeSync(this.dump);
    }
  }

  private run(): Lost | null {
    const complaints = namelessFile(tmpdir());
    try {
      // What is written at a position leaves the file's own at its start, where the tool reads.
      const { status, signal } = spawnSync(WRITER, ['-h', '--restore=-'], {
        env: ENV,
        stdio: [this.dump, 'ignore', complaints],
      });
      if (status === 0) return null;
      if (signal !== null) return { files: this.files, why: `setfattr ended by ${signal}` };
      return countComplaints(complaints) ?? { files: this.files, why: `exit status ${status}` };
    } finally {
      closeSync(complaints);
    }
  }
}

/** One line for each attribute, those of a file one after the other. */
function countComplaints(fd: number): Lost | null {
  const chunk = Buffer.alloc(CHUNK);
  let files = 0;
  let why = '';
  let path = '';
  let rest = '';
  for (let at = 0; ;) {
    const n = readSync(fd, chunk, 0, CHUNK, at);
    if (n === 0) break;
    at += n;
    const lines = (rest + chunk.toString('latin1', 0, n)).split('\n');
    // No line is longer than a path and a reason; what is, counts as several.
    rest = lines.pop()!.slice(0, CHUNK);
    for (const line of lines) {
      const of = line.replace(/: [^:]*$/, '');
      if (of === path) continue;
      path = of;
      files++;
      if (why === '') why = nameToText(nameFromBytes(Buffer.from(line, 'latin1')));
    }
  }
  return files === 0 ? null : { files, why: why.replace(/^setfattr: /, '') };
}
