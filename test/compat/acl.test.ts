// Goal: ACLs are inherited, change the mode and follow it exactly as on Linux. Method: the same
// steps on a kernel mount and on ours, on two images; then modes and ACLs are compared, and e2fsck
// looks at ours.
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { makeImage } from '../support/e2fsprogs.ts';
import { haveLoop, withKernelMount } from '../support/judges.ts';
import { Tree } from '../support/tree.ts';
import { notifyChange } from '../../src/vfs/attr.ts';
import type { Op } from '../../src/sched/op.ts';

/** [tag, perm, id] */
type Line = readonly [number, number, number];

function acl(lines: readonly Line[]): Uint8Array {
  const out = new DataView(new ArrayBuffer(4 + 8 * lines.length));
  out.setUint32(0, 2, true);
  lines.forEach(([tag, perm, id], i) => {
    out.setUint16(4 + 8 * i, tag, true);
    out.setUint16(6 + 8 * i, perm, true);
    out.setUint32(8 + 8 * i, id, true);
  });
  return new Uint8Array(out.buffer);
}

const NO = 0xffffffff;
const ACLS: Record<string, readonly Line[]> = {
  minimal: [
    [1, 6, NO],
    [4, 5, NO],
    [0x20, 1, NO],
  ],
  named: [
    [1, 7, NO],
    [2, 5, 1000],
    [2, 7, 1001],
    [4, 5, NO],
    [0x10, 7, NO],
    [0x20, 4, NO],
  ],
  group: [
    [1, 7, NO],
    [4, 7, NO],
    [8, 3, 55],
    [0x10, 5, NO],
    [0x20, 0, NO],
  ],
  masked: [
    [1, 7, NO],
    [2, 7, 9],
    [4, 0, NO],
    [0x10, 0, NO],
    [0x20, 0, NO],
  ],
};
const MODES = [0o777, 0o640, 0o2755, 0o000, 0o666];

type Step =
  | ['mkdir' | 'create' | 'chmod', string, number]
  | ['symlink', string]
  | ['default' | 'access', string, string];

function steps(): Step[] {
  const all: Step[] = [];
  for (const which of Object.keys(ACLS)) {
    const dir = `/${which}`;
    all.push(['mkdir', dir, 0o755], ['default', dir, which], ['access', dir, which]);
    MODES.forEach((mode, i) => {
      all.push(['create', `${dir}/f${i}`, mode], ['mkdir', `${dir}/d${i}`, mode]);
      all.push(['create', `${dir}/d${i}/inner`, 0o664], ['symlink', `${dir}/s${i}`]);
      all.push(['create', `${dir}/c${i}`, 0o600], ['chmod', `${dir}/c${i}`, MODES[4 - i]!]);
    });
    for (const other of Object.keys(ACLS)) {
      all.push(['create', `${dir}/set-${other}`, 0o644], ['access', `${dir}/set-${other}`, other]);
    }
  }
  return all;
}

const SCRIPT = `
import json, os, sys
root, todo = sys.argv[1], json.loads(sys.argv[2])
os.umask(0o022)
paths = []
for op, path, *rest in todo:
    p = root + path
    if op == 'mkdir': os.mkdir(p, rest[0])
    elif op == 'create': os.close(os.open(p, os.O_CREAT | os.O_EXCL | os.O_RDWR, rest[0]))
    elif op == 'chmod': os.chmod(p, rest[0])
    elif op == 'symlink': os.symlink('x', p)
    else: os.setxattr(p, 'system.posix_acl_' + op, bytes.fromhex(rest[0]))
    if path not in paths: paths.append(path)
out = {}
for path in paths:
    p = root + path
    acls = {}
    for kind in ('access', 'default'):
        try: acls[kind] = os.getxattr(p, 'system.posix_acl_' + kind, follow_symlinks=False).hex()
        except OSError: pass
    out[path] = [oct(os.lstat(p).st_mode), acls]
print(json.dumps(out))
`;

type View = Record<string, [string, Record<string, string>]>;

const raw = (todo: Step[]): unknown[] =>
  todo.map((s) =>
    s[0] === 'default' || s[0] === 'access'
      ? [s[0], s[1], Buffer.from(acl(ACLS[s[2]]!)).toString('hex')]
      : s,
  );

function ours(t: Tree, todo: Step[]): View {
  t.cred = { ...t.cred, umask: 0o022 };
  const out: View = {};
  for (const s of todo) {
    if (s[0] === 'mkdir') t.mkdir(s[1], s[2]);
    else if (s[0] === 'create') t.create(s[1], s[2]);
    else if (s[0] === 'symlink') t.symlink('x', s[1]);
    else if (s[0] === 'chmod') {
      t.with(s[1], (inode): Op<void> => notifyChange(inode, { mode: s[2] }));
    } else t.setxattr(s[1], `system.posix_acl_${s[0]}`, acl(ACLS[s[2]]!));
    out[s[1]] = ['', {}];
  }
  for (const path of Object.keys(out)) {
    const acls: Record<string, string> = {};
    const isLink = /\/s\d$/.test(path);
    for (const kind of isLink ? [] : ['access', 'default']) {
      try {
        acls[kind] = Buffer.from(t.getxattr(path, `system.posix_acl_${kind}`)).toString('hex');
      } catch (e) {
        expect((e as { code: string }).code).toBe('ENODATA');
      }
    }
    const mode = isLink ? 0o120777 : t.inode(path).mode;
    out[path] = [`0o${mode.toString(8)}`, acls];
  }
  return out;
}

test.skipIf(!haveLoop())('ACLs are inherited and follow chmod as on Linux', async () => {
  const todo = steps();
  const theirs = makeImage(['-t', 'ext4', '-b', '1024'], '16M');
  let want: View = {};
  await withKernelMount(theirs.path, { ro: false }, (dir) => {
    const args = ['-c', SCRIPT, dir, JSON.stringify(raw(todo))];
    want = JSON.parse(execFileSync('python3', args, { encoding: 'utf8' })) as View;
  });
  for (const args of [
    ['-t', 'ext4', '-b', '1024'],
    ['-t', 'ext3', '-I', '128'],
  ]) {
    const image = makeImage(args, '16M');
    const t = Tree.open(image.path);
    expect(ours(t, todo)).toEqual(want);
    t.umount();
    const { code, output } = image.fsck();
    expect(code, output).toBe(0);
  }
});
