import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeImage, scratchDir } from '../../../../test/support/e2fsprogs.ts';
import type { TestImage } from '../../../../test/support/e2fsprogs.ts';
import {
  DqBlk,
  DqDbHeader,
  DqHeader,
  DqInfo,
  MAX_DQ_TIME,
  MAX_IQ_TIME,
  QT_TREEDEPTH,
  QT_TREEOFF,
  QUOTA_BLOCK_SIZE,
  V2_INITQMAGICS,
  V2_INITQVERSION_R1,
  quotaRecordOffset,
  quotaRecordsPerBlock,
  quotaTreeIndex,
} from './quota.ts';

const SIZE = QUOTA_BLOCK_SIZE;

/** Content of a quota file: images here have blocks of 1 KiB. */
function fileOf(image: TestImage, ino: number): DataView {
  const bytes = image.bytes();
  const blocks = (
    image
      .ask(`blocks <${ino}>`)
      .split('\n')
      .find((l) => /^\d/.test(l)) ?? ''
  )
    .trim()
    .split(/\s+/)
    .map(Number);
  const out = new Uint8Array(blocks.length * SIZE);
  for (const [i, b] of blocks.entries())
    out.set(bytes.subarray(b * SIZE, (b + 1) * SIZE), i * SIZE);
  return new DataView(out.buffer);
}

/** Byte of the record of an id; -1 if the tree does not lead to one. */
function find(file: DataView, id: number): number {
  let block = QT_TREEOFF;
  for (let depth = 0; depth < QT_TREEDEPTH; depth += 1) {
    block = file.getUint32(block * SIZE + 4 * quotaTreeIndex(id, depth), true);
    if (block === 0) return -1;
  }
  expect(DqDbHeader.dqdh_entries.get(file, block * SIZE)).toBeLessThanOrEqual(quotaRecordsPerBlock);
  for (let n = 0; n < quotaRecordsPerBlock; n += 1) {
    const at = block * SIZE + quotaRecordOffset(n);
    const used = DqBlk.dqb_curinodes.get(file, at) + DqBlk.dqb_itime.get(file, at) > 0;
    if (used && DqBlk.dqb_id.get(file, at) === id) return at;
  }
  return -1;
}

test('e2fsck keeps account where the tables say', () => {
  const file = join(scratchDir(), 'file');
  writeFileSync(file, 'x'.repeat(5000));
  const args = [
    '-t',
    'ext4',
    '-b',
    '1024',
    '-O',
    'quota,project',
    '-E',
    'quotatype=usrquota:grpquota:prjquota',
  ];
  const image = makeImage(args, '16M');
  for (const [type, ino] of [
    [0, 3],
    [1, 4],
  ] as const) {
    const quota = fileOf(image, ino);
    expect(DqHeader.dqh_magic.get(quota, 0)).toBe(V2_INITQMAGICS[type]);
    expect(DqHeader.dqh_version.get(quota, 0)).toBe(V2_INITQVERSION_R1);
    expect(DqInfo.dqi_bgrace.get(quota, DqHeader.$size)).toBe(MAX_DQ_TIME);
    expect(DqInfo.dqi_igrace.get(quota, DqHeader.$size)).toBe(MAX_IQ_TIME);
    expect(DqInfo.dqi_blocks.get(quota, DqHeader.$size)).toBe(quota.byteLength / SIZE);
    const root = find(quota, 0);
    expect(DqBlk.dqb_curinodes.get(quota, root)).toBe(2);
    expect(find(quota, 70_000)).toBe(-1);
  }
  const commands: string[] = [];
  for (let i = 0; i < 40; i += 1) {
    commands.push(`write ${file} f${i}`, `sif f${i} gid 1000`);
    commands.push(`sif f${i} uid ${(70_000 + (i % 20)) & 0xffff}`, `sif f${i} uid_hi 1`);
  }
  image.debugfs(...commands);
  spawnSync('/usr/sbin/e2fsck', ['-fy', image.path]);
  expect(image.fsck().code).toBe(0);
  const users = fileOf(image, 3);
  for (let i = 0; i < 20; i += 1) {
    const at = find(users, 70_000 + i);
    expect(DqBlk.dqb_curinodes.get(users, at)).toBe(2);
    expect(DqBlk.dqb_curspace.get(users, at)).toBe(2 * 5 * 1024);
    expect(DqBlk.dqb_bhardlimit.get(users, at)).toBe(0);
  }
  const groups = fileOf(image, 4);
  expect(DqBlk.dqb_curinodes.get(groups, find(groups, 1000))).toBe(40);
});
