// @ts-check
/**
 * An image being made: each method is one tool run, and remembers itself for the README of the
 * case.
 */
import {
  chmodSync,
  closeSync,
  openSync,
  readSync,
  renameSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { mounted, python } from './kernel.mjs';
import { FAKE_TIME, run } from './tools.mjs';

export const UUID = '5f011050-0000-4000-8000-000000000001';
export const HASH_SEED = '5f011050-0000-4000-8000-000000000002';

/**
 * Bytes that are easy to recognise in a hex dump and differ from block to block: "name:offset "
 * repeated.
 * @param {string} name
 * @param {number} length
 */
export function pattern(name, length) {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 512) {
    bytes.fill(`${name}:${at} `, at, Math.min(at + 512, length), 'latin1');
  }
  return bytes;
}

/**
 * A file with holes: `pieces` maps offsets to bytes.
 * @typedef {{ size: number, pieces: readonly (readonly [number, Buffer])[] }} Sparse
 */

export class Image {
  /** @type {string[]} commands run, as a person would type them */
  log = [];
  /** Has the kernel written to it? Then its bytes are not the same twice. */
  kernelMade = false;
  /** Host files written so far. */
  #hostFiles = 0;

  /**
   * @param {string} dir an empty folder for the image and its inputs
   */
  constructor(dir) {
    this.dir = dir;
    this.path = join(dir, 'image');
  }

  /**
   * @param {string} size in mke2fs's words: "4096" blocks, "8M"
   * @param {...string} args
   */
  mke2fs(size, ...args) {
    const rest = args.filter((word, i) => word !== '-E' && args[i - 1] !== '-E');
    const once = [...rest, '-U', UUID, '-E', extended(args), 'image', size];
    this.log.push(`mke2fs ${once.join(' ')}`);
    run('mke2fs', ['-q', '-F', ...once], { cwd: this.dir });
  }

  /**
   * Commands of `debugfs -w`. Any complaint is a failure: debugfs itself exits 0 whatever happens.
   * @param {...string} commands
   */
  debugfs(...commands) {
    this.#debugfs(commands);
    this.log.push(...summary(commands).map((c) => `debugfs: ${c}`));
  }

  /** @param {readonly string[]} commands */
  #debugfs(commands) {
    writeFileSync(join(this.dir, 'commands'), commands.map((c) => `${c}\n`).join(''), 'latin1');
    const { stdout, stderr } = run('debugfs', ['-w', '-f', 'commands', 'image'], { cwd: this.dir });
    const complaints = stderr.split('\n').filter((l) => l !== '' && !/^debugfs \d/.test(l));
    if (complaints.length > 0) throw new Error(`debugfs: ${complaints.slice(0, 5).join('\n')}`);
    return stdout;
  }

  /**
   * A regular file, by `debugfs write`; holes of a sparse one stay holes.
   * @param {string} path
   * @param {Buffer | string | Sparse} content
   */
  write(path, content) {
    const file = this.hostFile(content);
    const size =
      typeof content === 'string' || Buffer.isBuffer(content) ? content.length : content.size;
    const slash = path.lastIndexOf('/');
    const go = slash > 0 ? [`cd ${path.slice(0, slash)}`] : [];
    this.#debugfs([...go, `write ${file} "${path.slice(slash + 1)}"`]);
    this.log.push(`debugfs: write <${size} bytes> ${path}`);
  }

  /**
   * @param {Buffer | string | Sparse} content
   * @returns {string} its name below `dir`
   */
  hostFile(content) {
    const name = `input${this.#hostFiles++}`;
    const path = join(this.dir, name);
    if (typeof content === 'string' || Buffer.isBuffer(content)) writeFileSync(path, content);
    else writeSparse(path, content);
    chmodSync(path, 0o644);
    return name;
  }

  /** @param {...string} args */
  tune2fs(...args) {
    this.log.push(`tune2fs ${args.join(' ')} image`);
    run('tune2fs', [...args, 'image'], { cwd: this.dir });
  }

  /**
   * A repairing run: indexes directories (`-D`), makes counts agree after hand work.
   * @param {...string} args
   */
  e2fsck(...args) {
    this.log.push(`e2fsck ${args.join(' ')} image`);
    run('e2fsck', [...args, 'image'], { cwd: this.dir, status: [0, 1] });
    // e2fsck alone of all the tools cannot be told the time; debugfs puts s_wtime right by the way.
    this.#debugfs([`ssv lastcheck @${FAKE_TIME}`]);
  }

  /**
   * One answer of debugfs, for recipes that need a block number.
   * @param {string} command
   */
  answer(command) {
    return run('debugfs', ['-R', command, 'image'], { cwd: this.dir }).stdout;
  }

  /**
   * The content of a file or directory, as debugfs reads it.
   * @param {string} path
   * @returns {string} a host file
   */
  dump(path) {
    const file = join(this.dir, `dump${this.#hostFiles++}`);
    this.#debugfs([`dump ${path} ${file}`]);
    return file;
  }

  /**
   * Bytes put at a place no tool reaches.
   * @param {number} offset
   * @param {Buffer} bytes
   * @param {string} why
   */
  patch(offset, bytes, why) {
    const fd = openSync(this.path, 'r+');
    writeSync(fd, bytes, 0, bytes.length, offset);
    closeSync(fd);
    const shown = bytes.length > 32 ? `${bytes.length} bytes` : bytes.toString('hex');
    this.log.push(`patch at ${offset}: ${shown} (${why})`);
  }

  /**
   * @param {number} offset
   * @param {number} length
   */
  read(offset, length) {
    const bytes = Buffer.alloc(length);
    const fd = openSync(this.path, 'r');
    readSync(fd, bytes, 0, length, offset);
    closeSync(fd);
    return bytes;
  }

  /**
   * The image mounted for writing by the kernel, and a Python program run with the mount point as
   * its first argument.
   * @param {string} what for the README
   * @param {string} program
   * @param {{ options?: string, type?: string, args?: readonly string[] }} [how]
   */
  kernel(what, program, how = {}) {
    this.kernelMade = true;
    this.log.push(`kernel, mounted${how.options ? ` -o ${how.options}` : ''}: ${what}`);
    return mounted(this.path, { ...how, ro: false }, (dir) =>
      python(program, [dir, ...(how.args ?? [])]),
    );
  }

  /**
   * Like `kernel()`, but the image becomes what a copy taken while it was mounted holds: the
   * program gets the paths of the image and of the copy as its second and third argument.
   * @param {string} what
   * @param {string} program
   */
  kernelCopy(what, program) {
    const copy = join(this.dir, `copy${this.#hostFiles++}`);
    this.kernel(`${what}, copy while mounted`, program, { args: [this.path, copy] });
    renameSync(copy, this.path);
  }

  /** @param {number} size */
  resizeFile(size) {
    truncateSync(this.path, size);
    this.log.push(`truncate -s ${size} image`);
  }
}

/**
 * The recipe's own -E options, and the hash seed that makes directory order repeatable.
 * @param {readonly string[]} args
 */
function extended(args) {
  const own = args.flatMap((word, i) => (args[i - 1] === '-E' ? [word] : []));
  return [...own, `hash_seed=${HASH_SEED}`].join(',');
}

/**
 * Long lists of similar commands are told by their first, their last and their number.
 * @param {readonly string[]} commands
 */
function summary(commands) {
  if (commands.length <= 24) return commands;
  const middle = `... ${commands.length - 12} more`;
  return [...commands.slice(0, 8), middle, ...commands.slice(-4)];
}

/**
 * @param {string} path
 * @param {Sparse} content
 */
function writeSparse(path, { size, pieces }) {
  const fd = openSync(path, 'w');
  for (const [offset, bytes] of pieces) writeSync(fd, bytes, 0, bytes.length, offset);
  closeSync(fd);
  truncateSync(path, size);
}
