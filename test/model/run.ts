/**
 * One run: the same operations on the model, on a volume and perhaps on a folder of the host; then
 * unmount, e2fsck, open again, compare everything.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { haveE2fsprogs } from '../support/judges.ts';
import { fsckDevice, ramImage } from '../support/ram-image.ts';
import { agree, type Answer } from './answer.ts';
import type { Geometry } from './geometries.ts';
import { NOT_ON_HOST, type Op, PRIVATE } from './ops.ts';
import { type Node, PosixModel } from './posix-model.ts';
import { HostTarget, VolumeTarget } from './targets.ts';

const S_IFLNK = 0o120000;
const S_IFMT = 0o170000;
const PIECE = 1 << 16;
const judged = haveE2fsprogs();

const show = (a: Answer): string => JSON.stringify(a);
const brief = (op: Op): string => JSON.stringify(op).slice(0, 200);

function expectSame(what: string, want: Answer, got: Answer): void {
  if (!agree(want, got)) throw new Error(`${what}: want ${show(want)}, got ${show(got)}`);
}

/** Does the host have the call, and the same limits? */
const onHost = (geometry: Geometry, op: Op): boolean =>
  !NOT_ON_HOST.has(op[0]) &&
  !(op[0] === 'symlink' && op[1].length > geometry.linkMax) &&
  // Node answers these without asking the system.
  !(op[0] === 'read' && op[2] === 0) &&
  !(op[0] === 'pread' && op[3] === 0);

let runs = 0;

/**
 * @param scratch  a folder; without it the host takes no part
 * @throws Error  the first difference, or what e2fsck said
 */
export function runModel(
  geometry: Geometry,
  ops: readonly Op[],
  folder: string,
  withHost: boolean,
): void {
  const device = ramImage(geometry.size, geometry.make);
  const target = new VolumeTarget(device, {
    cacheSize: geometry.cacheSize,
    options: geometry.options ?? '',
    seed: 1,
    warn: (sentence) => {
      throw new Error(`warned: ${sentence}`);
    },
  });
  const model = new PosixModel(geometry);
  const hostDir = join(folder, `host-${String(++runs)}`);
  const host = withHost ? new HostTarget(hostDir) : null;
  try {
    for (const [i, op] of ops.entries()) {
      const where = `step ${String(i)} ${brief(op)}`;
      if (PRIVATE.has(op[0])) {
        expectSame(where, 'ok', target.apply(op));
        if (op[0] === 'remount') {
          model.closeAll();
          host?.closeAll();
        }
        continue;
      }
      if (host && !onHost(geometry, op)) continue;
      const want = model.apply(op);
      if (host) expectSame(`${where}: the model against the host`, host.apply(op), want);
      expectSame(where, want, target.apply(op));
    }
    compareTree(model, target, 'before unmounting');
    target.closeAll();
    target.volume.closeSync();
    if (judged) {
      const { status, output } = fsckDevice(device, join(folder, 'image'));
      if (status !== 0) throw new Error(`e2fsck: ${String(status)}\n${output}`);
    }
    target.reopen();
    compareTree(model, target, 'opened again');
    target.volume.closeSync();
  } finally {
    host?.closeAll();
    if (host) rmSync(hostDir, { recursive: true });
  }
}

/** Every name, status, byte, target and attribute. */
function compareTree(model: PosixModel, target: VolumeTarget, when: string): void {
  const pending: [string, Node][] = [['/w', model.root]];
  for (let next = pending.pop(); next; next = pending.pop()) {
    const [path, node] = next;
    const about = `${when}: ${path.slice(0, 300)}`;
    compareNode(model, target, path, node, about);
    for (const [name, child] of node.children ?? []) pending.push([`${path}/${name}`, child]);
  }
}

function compareNode(
  model: PosixModel,
  target: VolumeTarget,
  path: string,
  node: Node,
  about: string,
): void {
  const { fs } = target.volume;
  const s = fs.lstatSync(path);
  const size = node.children ? null : Number(s?.size);
  expectSame(about, model.status(node), {
    mode: Number(s?.mode),
    nlink: Number(s?.nlink),
    uid: Number(s?.uid),
    gid: Number(s?.gid),
    rdev: Number(s?.rdev),
    size,
    mtime: Number(s?.mtimeMs) / 1000,
  });
  if (node.children) {
    const names = (fs.readdirSync(path) as string[]).sort();
    expectSame(`${about}: names`, [...node.children.keys()].sort(), names);
  } else if ((node.mode & S_IFMT) === S_IFLNK) {
    expectSame(`${about}: target`, node.target, String(fs.readlinkSync(path)));
    return;
  } else if ((node.mode & S_IFMT) === 0o100000) {
    compareBytes(target, path, node, about);
  }
  expectSame(`${about}: attributes`, [...node.xattrs.keys()].sort(), fs.listxattrSync(path).sort());
  for (const [name, value] of node.xattrs) {
    const got = fs.getxattrSync(path, name);
    if (Buffer.compare(value, got) !== 0) throw new Error(`${about}: attribute ${name} differs`);
  }
}

function compareBytes(target: VolumeTarget, path: string, node: Node, about: string): void {
  const { fs } = target.volume;
  const fd = fs.openSync(path, 0);
  const buffer = new Uint8Array(PIECE);
  try {
    for (let at = 0; at < node.content.size; at += PIECE) {
      const want = node.content.read(at, PIECE);
      const got = fs.readSync(fd, buffer, 0, want.length, at);
      const same = got === want.length && Buffer.compare(want, buffer.subarray(0, got)) === 0;
      if (same) continue;
      const first = want.findIndex((b, i) => b !== buffer[i]);
      throw new Error(`${about}: the byte ${String(at + first)} differs`);
    }
  } finally {
    fs.closeSync(fd);
  }
}
