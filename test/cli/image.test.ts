// Goal: the commands about whole images: mkfs, info, extract, check, bench, help. Method: mke2fs
// and dumpe2fs beside the built program.
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  debugfs,
  digest,
  emptyImage,
  expectClean,
  fails,
  foliofs,
  jsonLines,
  ok,
  ran,
  scratch,
  usage,
} from '../support/cli.ts';
import { goldenImage } from '../support/images.ts';
import { withKernelMount } from '../support/judges.ts';

test("mkfs makes a sparse image by mke2fs's words", () => {
  const dir = scratch();
  const image = join(dir, 'new.img');
  ok(['mkfs', image, '64M', '-L', 'label', '-N', '5000', '-m', '1', '-O', '^has_journal', '-q']);
  const dump = ran('dumpe2fs', ['-h', image]).stdout;
  expect(dump).toMatch(/volume name: +label/);
  expect(dump).not.toMatch(/has_journal/);
  expect(statSync(image).size).toBe(64 << 20);
  expect(statSync(image).blocks * 512).toBeLessThan(2 << 20);
  expectClean(image);
  ok(['mkfs', image, '-q']);
  expect(statSync(image).size).toBe(64 << 20);
  expectClean(image);
  ok(['mkfs', image, '1000', '-b', '4096', '-q']);
  expect(ran('dumpe2fs', ['-h', image]).stdout).toMatch(/Block count: +1000/);
});

test('mkfs with the same UUID and time makes the same bytes', () => {
  const dir = scratch();
  const args = ['8M', '-U', '01234567-89ab-4def-8123-456789abcdef', '-q'];
  const env = { SOURCE_DATE_EPOCH: '1700000000' };
  ok(['mkfs', join(dir, 'a'), ...args], { env });
  ok(['mkfs', join(dir, 'b'), ...args], { env });
  expect(digest(join(dir, 'a'))).toBe(digest(join(dir, 'b')));
});

test('mkfs takes the words for quota, orphans and protection, info and check know them', async () => {
  const image = join(scratch(), 'own.img');
  const words = 'quotatype=usr:prjquota,orphan_file_size=20k,mmp_update_interval=9,root_owner=3:4';
  ok(['mkfs', image, '64M', '-b', '4096', '-q', '-E', words, '-O', 'quota,orphan_file,mmp']);
  const dump = ran('dumpe2fs', ['-h', image]).stdout;
  const number = (label: string): number => Number(new RegExp(`${label}: +(\\d+)`).exec(dump)?.[1]);
  const [info] = jsonLines(ok(['info', '--json', image]));
  expect(info).toMatchObject({
    userQuotaInode: number('User quota inode'),
    projectQuotaInode: number('Project quota inode'),
    orphanFileInode: number('Orphan file inode'),
    mmpBlock: number('MMP block number'),
    mmpUpdateInterval: 9,
  });
  expect(info).not.toHaveProperty('groupQuotaInode');
  expect(debugfs(image, 'stat <13>')).toMatch(/Size: 20480\n/);
  expect(ok(['check', image])).toMatch(/clean/);
  expectClean(image);
  // A kernel without quota mounts it for reading only; every kernel reads it.
  await withKernelMount(image, { ro: true }, (dir) => {
    expect(readdirSync(dir)).toEqual(['lost+found']);
  });
  // Ours would not keep the quota up: it says so.
  fails(image, ['write', `${image}:/other`], /quota accounting is not kept up yet/);
  expect(ok(['ls', `${image}:/`])).toMatch(/lost\+found/);
  const none = join(scratch(), 'none');
  for (const wrong of [
    'quotatype=foo',
    'quotatype',
    'orphan_file_size=1x',
    'mmp_update_interval',
  ]) {
    usage(['mkfs', none, '8M', '-E', wrong], new RegExp(wrong.split('=')[0]!));
  }
});

test.each(['orphan_file', 'mmp', 'orphan_file,mmp,bigalloc', 'orphan_file,mmp,^metadata_csum'])(
  'what mkfs -O %s makes, the kernel mounts and writes',
  async (features) => {
    const image = join(scratch(), 'kernel.img');
    ok(['mkfs', image, '64M', '-q', '-O', features]);
    await withKernelMount(image, {}, (dir) => {
      writeFileSync(join(dir, 'file'), 'x');
    });
    expect(ok(['check', image])).toMatch(/clean/);
    expectClean(image);
  },
);

test('mkfs that fails leaves no file, and an old one as it was', () => {
  const dir = scratch();
  const image = join(dir, 'x.img');
  const { status, stderr } = foliofs(['mkfs', image, '16k']);
  expect(stderr).toMatch(/x\.img: .*too small.*\(ENOSPC\)/);
  expect(status).toBe(1);
  expect(existsSync(image)).toBe(false);
  writeFileSync(image, Buffer.alloc(1 << 20, 1));
  fails(image, ['mkfs', image, '-O', 'teleport'], /no file system feature has this name/);
  usage(['mkfs', join(dir, 'none')], /say how large/);
  usage(['mkfs', image, 'big'], /big: not a size/);
  usage(['mkfs', image, '-t', 'xfs'], /xfs: ext2, ext3 or ext4/);
  ok(['mkfs', join(dir, 'dry'), '64M', '-n']);
  expect(existsSync(join(dir, 'dry'))).toBe(false);
});

test('info tells what dumpe2fs tells, groups and journal too', () => {
  const image = emptyImage(scratch(), '-L', 'facts');
  const dump = ran('dumpe2fs', [image]).stdout;
  const number = (label: string): number => Number(new RegExp(`${label}: +(\\d+)`).exec(dump)?.[1]);
  const [info] = jsonLines(ok(['info', '--json', '--groups', image]));
  expect(info).toMatchObject({
    label: 'facts',
    blocks: number('Block count'),
    freeBlocks: number('Free blocks'),
    inodes: number('Inode count'),
    blockSize: number('Block size'),
    inodesPerGroup: number('Inodes per group'),
    journalBlocks: number('Total journal blocks'),
    journalInode: 8,
    state: 'clean',
  });
  expect((info?.['features'] as string[]).join(' ')).toBe(
    /features: +(.*)/.exec(dump)?.[1]?.trim(),
  );
  const [group] = info?.['groups'] as Record<string, unknown>[];
  expect(group?.['blockBitmap']).toBe(Number(/Block bitmap at (\d+)/.exec(dump)?.[1]));
  expect(group?.['inodeTable']).toBe(Number(/Inode table at (\d+)/.exec(dump)?.[1]));
  expect(ok(['info', image])).toMatch(/Filesystem volume name: +facts\n/);
  fails('package.json', ['info', 'package.json'], /info: package\.json: /);
});

test("check says clean, or what is wrong and where, with e2fsck's exit codes", () => {
  const image = emptyImage(scratch());
  expect(ok(['check', image])).toMatch(/disk\.img: clean, 11\/\d+ inodes/);
  expect(jsonLines(ok(['check', '--json', image]))[0]).toMatchObject({ clean: true, problems: 0 });
  const bitmap = Number(/Block bitmap at (\d+)/.exec(ran('dumpe2fs', [image]).stdout)?.[1]);
  const fd = openSync(image, 'r+');
  writeSync(fd, new Uint8Array(16), 0, 16, bitmap * 4096);
  closeSync(fd);
  const before = digest(image);
  const bad = foliofs(['check', image]);
  expect(bad.status).toBe(4);
  expect(bad.stdout).toMatch(/group 0/);
  expect(digest(image)).toBe(before);
  expect(foliofs(['check', '/no/such.img'])).toMatchObject({ status: 8 });
  expect(foliofs(['check', '/no/such.img']).stderr).toMatch(/no such file or directory \(ENOENT\)/);
  expect(foliofs(['check']).status).toBe(16);
  expect(foliofs(['check', 'package.json']).status).toBe(8);
});

test('extract takes one directory or one file, into a folder or a tar', () => {
  const dir = scratch();
  const image = emptyImage(dir);
  ok(['mkdir', '-p', `${image}:/a/b`]);
  ok(['write', `${image}:/a/b/f`], { input: 'deep' });
  ok(['chown', '7:8', `${image}:/a/b/f`]);
  ok(['extract', `${image}:/a`, '-o', join(dir, 'out')]);
  expect(readFileSync(join(dir, 'out', 'b', 'f'), 'utf8')).toBe('deep');
  if (process.getuid?.() === 0) expect(statSync(join(dir, 'out', 'b', 'f')).uid).toBe(7);
  ok(['extract', `${image}:/a/b/f`, '-o', join(dir, 'one')]);
  expect(readFileSync(join(dir, 'one', 'f'), 'utf8')).toBe('deep');
  ok(['extract', '--no-same-owner', `${image}:/a`, '-o', join(dir, 'mine')]);
  expect(statSync(join(dir, 'mine', 'b', 'f')).uid).toBe(process.getuid?.());
  const listed = ran('tar', ['-tv', '--numeric-owner'], {
    input: foliofs(['extract', image, '-o', '-']).bytes,
  });
  expect(listed.stdout).toMatch(/-rw\S+ 7\/8 +4 .* \.\/a\/b\/f\n/);
  fails(
    image,
    ['extract', `${image}:/none`, '-o', join(dir, 'x')],
    /none: no such file or directory.*\(ENOENT\)/,
  );
  fails(image, ['extract', image, '-o', join(image)], /not a folder \(ENOTDIR\)/);
  fails(image, ['extract', `${image}:/none`, '-o', join(dir, 'x.tar')], /ENOENT/);
  usage(['extract', image], /required option/);
  expect(readdirSync(dir).filter((n) => n.startsWith('.'))).toEqual([]);
});

test('a journal is replayed: in memory by who reads, on the image by who writes', () => {
  const dir = scratch();
  const image = join(dir, 'dirty.img');
  writeFileSync(image, goldenImage('needs-recovery-kernel'));
  const before = readFileSync(image);
  const same = (): boolean => Buffer.compare(before, readFileSync(image)) === 0;
  expect(foliofs(['ls', `${image}:/made`])).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('last') as string,
  });
  const checked = foliofs(['check', image]);
  expect(checked).toMatchObject({ status: 0 });
  expect(checked.stdout).toMatch(/in memory: the journal was replayed: [^]*: clean/);
  expect(same()).toBe(true);
  const repaired = foliofs(['check', '--repair', image]);
  expect(repaired).toMatchObject({ status: 1 });
  expect(same()).toBe(false);
  expect(foliofs(['check', image])).toMatchObject({ status: 0 });
  expect(ran('e2fsck', ['-fn', image]).status).toBe(0);
  writeFileSync(image, before);
  expect(foliofs(['mkdir', `${image}:/d`])).toMatchObject({ status: 0 });
  expect(ran('e2fsck', ['-fn', image]).status).toBe(0);
});

test('a journal that cannot be replayed is a problem of the check, and refuses the others', () => {
  const dir = scratch();
  const image = join(dir, 'damaged.img');
  const bytes = goldenImage('needs-recovery-v3');
  writeFileSync(image, bytes);
  // Super block, descriptor, then the first copy.
  const blocks = ran('debugfs', ['-R', 'blocks <8>', image]).stdout.trim().split(/\s+/);
  bytes[Number(blocks[2]) * 1024 + 500]! ^= 1;
  writeFileSync(image, bytes);
  fails(image, ['ls', image], /\(EUCLEAN\)/);
  const { status, stdout } = foliofs(['check', image]);
  expect(status).toBe(4);
  expect(stdout).toMatch(/journal-damaged/);
});

test('an image that is shorter than it says is an error, not a crash', () => {
  const image = emptyImage(scratch());
  truncateSync(image, 100_000);
  fails(image, ['ls', image], /disk\.img/);
  expect(foliofs(['check', image]).status).toBeGreaterThanOrEqual(4);
});

test('every command has help with examples, and wrong usage is status 2', () => {
  const commands = [...ok(['--help']).matchAll(/^ {2}([a-z]+)\b/gm)]
    .map((m) => m[1] ?? '')
    .filter((c) => c !== 'help');
  const all =
    'mkfs build extract info check bench ls tree stat cat find df du extents cp mv rm mkdir ln chmod chown touch truncate fallocate write xattr explore crash';
  expect(commands).toEqual(all.split(' '));
  for (const command of commands) {
    const help = ok([command, '--help']);
    expect(help, command).toMatch(/Examples:\n {2}\$ foliofs /);
    if (command !== 'xattr') expect(help, command).toMatch(/--json/);
  }
  expect(ok(['--version'])).toMatch(/^\d+\.\d+\.\d+\n$/);
  usage(['teleport'], /unknown command 'teleport'/);
  expect(foliofs([]).status).toBe(2);
  expect(foliofs(['bench', 'teleport']).stderr).toMatch(/no such case: teleport/);
  expect(foliofs(['bench', 'teleport']).status).toBe(1);
});

test('what is written reads back through debugfs after many commands', () => {
  const image = emptyImage(scratch(), '-b', '1024');
  for (let i = 0; i < 5; i++) ok(['write', `${image}:/f${i}`], { input: String(i).repeat(5000) });
  for (let i = 0; i < 5; i++) expect(debugfs(image, `cat /f${i}`)).toBe(String(i).repeat(5000));
  expectClean(image);
});
