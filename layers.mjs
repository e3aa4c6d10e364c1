// @ts-check
/**
 * The single statement of the rooms: rank, Linux twin, and which rooms each may import. The import
 * rules, the lint scopes and the picture in ARCHITECTURE.md are computed from this table.
 *
 * A room is a folder under src/; `init.ts` and `index.ts` are single files with a room's rights.
 * `may` names rooms of strictly lower rank only; that is checked when this module loads.
 */

/** @typedef {{ rank: number, twin: string, may: readonly string[], holds: string }} Layer */

/** @satisfies {Record<string, Layer>} */
const rooms = {
  base: { rank: 0, twin: 'lib/', may: [], holds: 'units, errno, records, bitmaps, checksums' },
  sched: {
    rank: 1,
    twin: 'kernel/sched, kernel/locking',
    may: ['base'],
    holds: 'tasks, locks, lockdep, clock and chance from outside',
  },
  block: { rank: 2, twin: 'block/', may: ['base', 'sched'], holds: 'devices, bios, plugging' },
  mm: { rank: 2, twin: 'mm/', may: ['base', 'sched'], holds: 'folios, page cache, reclaim' },
  buffer: {
    rank: 3,
    twin: 'fs/buffer.c',
    may: ['base', 'sched', 'block', 'mm'],
    holds: 'metadata blocks by number',
  },
  vfs: {
    rank: 4,
    twin: 'fs/*.c',
    may: ['base', 'sched', 'block', 'mm'],
    holds: 'inodes, dentries, files, mounts, path walk',
  },
  iomap: {
    rank: 5,
    twin: 'fs/iomap',
    may: ['base', 'sched', 'block', 'mm', 'vfs'],
    holds: 'file ranges to device ranges: read, write, write-back',
  },
  jbd2: {
    rank: 5,
    twin: 'fs/jbd2',
    may: ['base', 'sched', 'block', 'buffer'],
    holds: 'handles, transactions, recovery',
  },
  'fs/ext4': {
    rank: 6,
    twin: 'fs/ext4',
    may: ['base', 'sched', 'block', 'mm', 'buffer', 'vfs', 'iomap', 'jbd2'],
    holds: 'the format and its operations; mkfs and check',
  },
  'fs/tmpfs': {
    rank: 6,
    twin: 'mm/shmem.c',
    may: ['base', 'sched', 'block', 'mm', 'buffer', 'vfs', 'iomap', 'jbd2'],
    holds: 'the small file system',
  },
  syscall: {
    rank: 7,
    twin: 'SYSCALL_DEFINE',
    may: ['base', 'sched', 'mm', 'vfs'],
    holds: 'descriptors and paths to operations',
  },
  api: {
    rank: 8,
    twin: 'libc',
    may: ['base', 'sched', 'syscall'],
    holds: "node:fs's faces and its errors",
  },
  fuse: {
    rank: 8,
    twin: 'libfuse, low-level side',
    may: ['base', 'sched', 'vfs', 'syscall'],
    holds: 'the kernel protocol',
  },
  'platform/node': {
    rank: 8,
    twin: 'drivers/',
    may: ['base', 'sched', 'block'],
    holds: 'image files, clock',
  },
  'platform/browser': {
    rank: 8,
    twin: 'drivers/',
    may: ['base', 'sched', 'block'],
    holds: 'OPFS files, clock',
  },
  explore: {
    rank: 8,
    twin: '(none)',
    may: ['base', 'sched', 'block'],
    holds: 'every interleaving and every crash',
  },
};

/** @param {number} rank */
const below = (rank) =>
  Object.entries({ ...rooms, ...top })
    .filter(([, room]) => room.rank < rank)
    .map(([name]) => name);

/** @type {Record<string, Layer>} */
const top = {
  init: { rank: 9, twin: 'init/', may: [], holds: 'composition: device, file systems, mount' },
  scenarios: { rank: 9, twin: '(none)', may: [], holds: 'what is explored, on real images' },
  cli: { rank: 10, twin: '(none)', may: [], holds: 'the command `foliofs`' },
  web: { rank: 10, twin: '(none)', may: [], holds: 'pages' },
  index: { rank: 10, twin: '(none)', may: [], holds: 'the public exports' },
};
for (const [name, room] of Object.entries(top)) top[name] = { ...room, may: below(room.rank) };

/** @type {Readonly<Record<string, Layer>>} */
export const layers = { ...rooms, ...top };

/** The sealed core: no package, no host, no clock, no chance (invariant A1). */
export const core = Object.entries(layers)
  .filter(([, { rank }]) => rank <= 7)
  .map(([name]) => name);

for (const [name, { rank, may }] of Object.entries(layers)) {
  for (const other of may) {
    const lower = layers[other];
    if (!lower || lower.rank >= rank) throw new Error(`layers: ${name} may not import ${other}`);
  }
}
