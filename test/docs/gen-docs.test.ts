/** The generated documents are fresh, and the generator reads what it should. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { places } from '../../scripts/docs/linux-map.mjs';
import { locking } from '../../scripts/docs/locking.mjs';
import { merged } from '../../scripts/docs/locks-seen.mjs';

const root = new URL('../..', import.meta.url).pathname;

test('every generated document is what the code says now', () => {
  const args = ['scripts/gen-docs.mjs', '--check'];
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
});

test.each<[string, [string, string][]]>([
  ['fs/ext4/inode.c:ext4_inode_csum()', [['fs/ext4/inode.c', 'ext4_inode_csum()']]],
  [
    'fs/ext4/xattr.c:hash_a(), hash_b()',
    [
      ['fs/ext4/xattr.c', 'hash_a()'],
      ['fs/ext4/xattr.c', 'hash_b()'],
    ],
  ],
  [
    'mm/filemap.c; lib/iov_iter.c',
    [
      ['mm/filemap.c', ''],
      ['lib/iov_iter.c', ''],
    ],
  ],
  [
    'filesystems/ext4/ifork.rst, "Extent Tree"; fs/ext4/ext4.h:struct ext4_inode',
    [
      ['filesystems/ext4/ifork.rst', '"Extent Tree"'],
      ['fs/ext4/ext4.h', 'struct ext4_inode'],
    ],
  ],
  [
    'fs/ext4/extents.c (ext4_split, ext4_grow)',
    [
      ['fs/ext4/extents.c', 'ext4_split'],
      ['fs/ext4/extents.c', 'ext4_grow'],
    ],
  ],
  ['fsync(2), "EIO"', []],
])('@source %s', (tag, expected) => {
  expect(places(tag)).toEqual(expected);
});

const cls = (name: string, after: string[]) => ({
  name,
  after,
  nest: null,
  spin: false,
  noUser: false,
});

test('a lock stands to the right of every lock that may be held when it is taken', () => {
  const text = locking([], [cls('c', ['a', 'b']), cls('b', ['a']), cls('a', []), cls('d', ['*'])]);
  expect(text).toContain('\na\nd  (after anything)\n  b  (after a)\n    c  (after a, b)\n');
});

test('a declared order that goes in a circle is refused, and an unknown name is told', () => {
  expect(() => locking([], [cls('a', ['b']), cls('b', ['a'])])).toThrow('circle');
  expect(locking([], [cls('a', ['nobody'])])).toContain('declared by nobody yet: nobody');
});

const seen = (from: string, to: string, operation = 'op', at = 'f in g') => ({
  from,
  to,
  operation,
  at,
});

test('one witness stays for each pair of classes, whatever the order of the runs', () => {
  const runs = [seen('a', 'b/1', 'open'), seen('a/2', 'b', 'link'), seen('a', 'a/1')];
  const wanted = [seen('a', 'a/1'), seen('a', 'b', 'link')];
  expect(merged(runs)).toEqual(wanted);
  expect(merged(runs.toReversed())).toEqual(wanted);
});

test('an order that was seen stands beside its witness, one that was not is listed', () => {
  const classes = [cls('a', []), cls('b', ['a']), cls('c', ['b'])];
  const text = locking([], classes, [seen('a', 'c', 'rename', 'lockC in moveA')]);
  expect(text).toContain('| `a` | `c` | rename | lockC in moveA |');
  expect(text).toContain('- `a` -> `b`\n- `b` -> `c`');
});

test('an order that was seen and is not declared is refused', () => {
  const classes = [cls('a', []), cls('b', ['a'])];
  expect(() => locking([], classes, [seen('b', 'a')])).toThrow('not in the declared order: b -> a');
});
