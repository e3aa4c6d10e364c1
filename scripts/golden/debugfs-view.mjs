// @ts-check
/**
 * What debugfs sees in an image: `ls -p`, `stat`, `ea_list`, `ea_get`, `dump`; nobody's code but
 * e2fsprogs'.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { e2fsprogsVersion, run } from './tools.mjs';
import { DENSE_LIMIT, nameOf } from './tree.mjs';

const TYPES = /** @type {const} */ ({
  regular: 'file',
  directory: 'dir',
  symlink: 'symlink',
  'character special': 'char',
  'block special': 'block',
  FIFO: 'fifo',
  socket: 'socket',
});
const HUGE_FILE_FL = 0x40000;
/** Attributes that the kernel keeps to itself: inline data, encryption context. */
const HIDDEN_XATTRS = /^(system\.data|encryption\.|c$)/;

/** @typedef {import('./tree.mjs').Node} Node */
/** @typedef {{ lblk: number, pblk: number, count: number, written: boolean }} Piece */

/**
 * The answers of debugfs to a list of commands, in order.
 * @param {string} image
 * @param {readonly string[]} commands
 * @param {string} dir where `dump` writes
 */
function ask(image, commands, dir) {
  if (commands.length === 0) return [];
  // A comment marks where each answer ends: debugfs echoes it.
  const script = join(dir, 'commands');
  writeFileSync(script, commands.map((c, i) => `${c}\n#end ${i}\n`).join(''), 'latin1');
  const { stdout } = run('debugfs', ['-f', script, image], { cwd: dir });
  const answers = stdout.split(/^#end \d+\n/m);
  return commands.map((_c, i) => (answers[i] ?? '').replace(/^debugfs: .*\n/, ''));
}

/**
 * @param {string} sec hexadecimal
 * @param {string | undefined} extra hexadecimal: two bits of epoch, thirty of nanoseconds
 */
function timeOf(sec, extra) {
  const low = parseInt(sec, 16) | 0;
  const more = extra ? parseInt(extra, 16) : 0;
  return `${low + (more & 3) * 2 ** 32}.${String(more >>> 2).padStart(9, '0')}`;
}

/** @param {string} text output of `stat` */
function parseStat(text) {
  const pick = (/** @type {RegExp} */ re) => re.exec(text)?.[1];
  const number = (/** @type {RegExp} */ re) => Number(pick(re) ?? 0);
  const kind = /** @type {keyof typeof TYPES} */ (pick(/Type: (.+?) +Mode:/));
  const flags = pick(/Flags: 0x([0-9a-f]+)/) ?? '0';
  const time = (/** @type {string} */ name) => {
    const m = new RegExp(`^ ?${name}: 0x([0-9a-f]+)(?::([0-9a-f]+))?`, 'm').exec(text);
    return m ? timeOf(/** @type {string} */ (m[1]), m[2]) : undefined;
  };
  const node = {
    type: TYPES[kind],
    mode: (pick(/Mode: +(\d+)/) ?? '').slice(-4),
    uid: number(/^User: +(-?\d+)/m) >>> 0,
    gid: number(/Group: +(-?\d+)/) >>> 0,
    nlink: number(/^Links: (\d+)/m),
    size: number(/Size: (\d+)$/m),
    blocks: number(/Blockcount: (\d+)/),
    atime: time('atime') ?? '',
    mtime: time('mtime') ?? '',
    ctime: time('ctime') ?? '',
    crtime: time('crtime'),
    flags,
    generation: number(/^Generation: (\d+)/m),
    project: /Project:/.test(text) ? number(/Project: +(-?\d+)/) >>> 0 : undefined,
    rdev: /Device major\/minor number: (\d+):(\d+)/.exec(text)?.slice(1, 3).map(Number).join(':'),
  };
  return /** @type {Node} */ (JSON.parse(JSON.stringify(node)));
}

/**
 * Where the blocks of a file are: the BLOCKS or EXTENTS list of `stat`, index blocks left out.
 * @param {string} text
 */
function parsePieces(text) {
  /** @type {Piece[]} */
  const pieces = [];
  const list = /^(?:BLOCKS|EXTENTS):\n(.*)$/ms.exec(text)?.[1] ?? '';
  for (const m of list.matchAll(/\((\d+)(?:-(\d+))?(\[u\])?\):(\d+)/g)) {
    const lblk = Number(m[1]);
    const count = Number(m[2] ?? lblk) - lblk + 1;
    pieces.push({ lblk, pblk: Number(m[4]), count, written: m[3] === undefined });
  }
  return pieces.sort((a, b) => a.lblk - b.lblk);
}

/**
 * @param {readonly Piece[]} pieces
 * @param {number} size
 * @param {number} blockSize
 */
function writtenRanges(pieces, size, blockSize) {
  /** @type {[number, number][]} */
  const ranges = [];
  for (const { lblk, count, written } of pieces) {
    const start = lblk * blockSize;
    if (!written || start >= size) continue;
    const end = Math.min(size, (lblk + count) * blockSize);
    const last = ranges.at(-1);
    if (last?.[1] === start) last[1] = end;
    else ranges.push([start, end]);
  }
  return ranges;
}

/**
 * The hash of the mapped ranges, read from the image itself: debugfs would write every hole out.
 * @param {string} image
 * @param {readonly Piece[]} pieces
 * @param {number} size
 * @param {number} blockSize
 */
function hashPieces(image, pieces, size, blockSize) {
  const digest = createHash('sha256');
  const fd = openSync(image, 'r');
  for (const { lblk, pblk, count, written } of pieces) {
    const length = Math.min(count * blockSize, size - lblk * blockSize);
    if (!written || length <= 0) continue;
    const data = Buffer.alloc(length);
    readSync(fd, data, 0, length, pblk * blockSize);
    digest.update(data);
  }
  closeSync(fd);
  return digest.digest('hex');
}

class View {
  /**
   * @param {string} image
   * @param {string} dir
   */
  constructor(image, dir) {
    this.image = image;
    this.dir = dir;
    const head = run('dumpe2fs', ['-h', image]).stdout;
    this.blockSize = Number(/^Block size: +(\d+)/m.exec(head)?.[1]);
    /** @type {Record<string, Node>} */
    this.inodes = {};
  }

  /** @param {readonly number[]} inos */
  look(inos) {
    const { image, dir } = this;
    const fresh = inos.filter((ino) => !(ino in this.inodes));
    const stats = ask(
      image,
      fresh.map((ino) => `stat <${ino}>`),
      dir,
    );
    const attrs = ask(
      image,
      fresh.map((ino) => `ea_list <${ino}>`),
      dir,
    );
    /** @type {(() => void)[]} */
    const after = [];
    /** @type {string[]} */
    const wanted = [];
    const want = (/** @type {string} */ command, /** @type {(bytes: Buffer) => void} */ use) => {
      const file = join(dir, `out${wanted.length}`);
      wanted.push(command.replace('@', file));
      after.push(() => use(readFileSync(file)));
    };
    fresh.forEach((ino, i) => {
      const text = stats[i] ?? '';
      const node = parseStat(text);
      this.inodes[ino] = node;
      if (parseInt(node.flags ?? '0', 16) & HUGE_FILE_FL) node.blocks *= this.blockSize / 512;
      this.wantXattrs(ino, node, attrs[i] ?? '', want);
      this.wantContent(ino, node, text, want);
    });
    ask(image, wanted, dir);
    for (const use of after) use();
    return fresh;
  }

  /**
   * @param {number} ino
   * @param {Node} node
   * @param {string} list
   * @param {(command: string, use: (bytes: Buffer) => void) => void} want
   */
  wantXattrs(ino, node, list, want) {
    /** @type {Record<string, string>} */
    const xattrs = {};
    node.xattrs = xattrs;
    const names = [...list.matchAll(/^ {2}(\S.*?) \((\d+)\)/gm)].map((m) => m[1] ?? '').sort();
    for (const name of names.filter((n) => !HIDDEN_XATTRS.test(n))) {
      want(`ea_get -f @ <${ino}> "${name}"`, (bytes) => (xattrs[name] = bytes.toString('hex')));
    }
  }

  /**
   * @param {number} ino
   * @param {Node} node
   * @param {string} text
   * @param {(command: string, use: (bytes: Buffer) => void) => void} want
   */
  wantContent(ino, node, text, want) {
    const pieces = parsePieces(text);
    const fast = /^Fast link dest: "(.*)"$/ms.exec(text)?.[1];
    if (node.type === 'symlink' && fast !== undefined) {
      node.target = nameOf(Buffer.from(fast, 'latin1'));
    } else if (node.type === 'symlink') {
      want(`dump <${ino}> @`, (bytes) => (node.target = nameOf(bytes)));
    } else if (node.type === 'file') {
      const inline = /^Inline data|^Size of inline data/m.test(text);
      const ranges = writtenRanges(pieces, node.size, this.blockSize);
      if (!inline && node.size > 0 && JSON.stringify(ranges) !== `[[0,${node.size}]]`) {
        node.ranges = ranges;
      }
      if (node.size > DENSE_LIMIT) {
        node.sha256 = hashPieces(this.image, pieces, node.size, this.blockSize);
      } else {
        want(`dump <${ino}> @`, (bytes) => {
          node.sha256 = createHash('sha256').update(bytes).digest('hex');
        });
      }
    }
  }

  /**
   * @param {readonly number[]} inos of directories @returns {number[]} the inodes that they name
   */
  list(inos) {
    const answers = ask(
      this.image,
      inos.map((ino) => `ls -p <${ino}>`),
      this.dir,
    );
    const children = new Set();
    inos.forEach((dir, i) => {
      const node = /** @type {Node} */ (this.inodes[dir]);
      /** @type {Record<string, number>} */
      const entries = {};
      for (const m of (answers[i] ?? '').matchAll(
        /^\/(\d+)\/\d{6}\/-?\d+\/-?\d+\/([^/]+)\/\d*\/$/gm,
      )) {
        const [ino, name] = [Number(m[1]), m[2] ?? ''];
        if (ino === 0 || name === '.') continue;
        if (name === '..') {
          node.dotdot = ino;
          continue;
        }
        entries[nameOf(Buffer.from(name, 'latin1'))] = ino;
        children.add(ino);
      }
      node.entries = Object.fromEntries(
        Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1)),
      );
    });
    return [...children];
  }
}

/**
 * @param {string} image
 * @returns {import('./tree.mjs').Tree}
 */
export function debugfsTree(image) {
  const dir = mkdtempSync(join(tmpdir(), 'golden-debugfs-'));
  try {
    const view = new View(image, dir);
    let next = view.look([2]);
    while (next.length > 0) {
      const dirs = next.filter((ino) => view.inodes[ino]?.type === 'dir');
      next = view.look(view.list(dirs));
    }
    return { source: [`debugfs ${e2fsprogsVersion()}`], inodes: view.inodes };
  } finally {
    rmSync(dir, { recursive: true });
  }
}
