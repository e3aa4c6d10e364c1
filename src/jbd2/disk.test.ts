import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeImage, scratchDir } from '../../test/support/e2fsprogs.ts';
import type { TestImage } from '../../test/support/e2fsprogs.ts';
import { inKernel, kernelMounts } from '../../test/support/kernel.ts';
import { crc32c } from '../base/checksum.ts';
import {
  journalCommitCsumOk,
  journalCsumSeed,
  journalSuperblockCsumOk,
  journalTagCsum,
  journalTailCsumOk,
  setJournalCommitCsum,
  setJournalSuperblockCsum,
  setJournalTailCsum,
} from './checksum.ts';
import {
  CommitHeader,
  EXT4_FC_TAG_ADD_RANGE,
  EXT4_FC_TAG_CREAT,
  EXT4_FC_TAG_HEAD,
  EXT4_FC_TAG_INODE,
  EXT4_FC_TAG_PAD,
  EXT4_FC_TAG_TAIL,
  FcAddRange,
  FcDentryInfo,
  FcHead,
  FcInode,
  FcTail,
  FcTl,
  JBD2_COMMIT_BLOCK,
  JBD2_CRC32C_CHKSUM,
  JBD2_DESCRIPTOR_BLOCK,
  JBD2_FLAG_ESCAPE,
  JBD2_FLAG_LAST_TAG,
  JBD2_FLAG_SAME_UUID,
  JBD2_MAGIC_NUMBER,
  JBD2_REVOKE_BLOCK,
  JBD2_SUPERBLOCK_V2,
  JournalHeader,
  JournalSuperblock,
  RevokeHeader,
  fastCommitArea,
  journalLayout,
  readTag,
  tagBytes,
  writeTag,
} from './disk.ts';
import type { JournalLayout } from './disk.ts';

const BLOCK = 1024;

/** Blocks of the journal's inode, in order. */
function journal(image: TestImage): DataView[] {
  const bytes = image.bytes();
  return (
    image
      .ask('blocks <8>')
      .split('\n')
      .find((l) => /^\d/.test(l)) ?? ''
  )
    .trim()
    .split(/\s+/)
    .map((b) => new DataView(bytes.buffer, Number(b) * BLOCK, BLOCK));
}
const at = (blocks: DataView[], i: number): DataView =>
  blocks[i] ?? new DataView(new ArrayBuffer(0));
const bytesOf = (v: DataView): Uint8Array => new Uint8Array(v.buffer, v.byteOffset, v.byteLength);

const raw = (view: DataView): { data: Uint8Array; view: DataView } => {
  const data = bytesOf(view).slice();
  return { data, view: new DataView(data.buffer) };
};
type Raw = ReturnType<typeof raw>;

/** Right as it stands; wrong with one bit changed; and again the same when we store our own. */
function expectGuarded(view: DataView, ok: (b: Raw) => boolean, set: (b: Raw) => void): void {
  const b = raw(view);
  expect(ok(b)).toBe(true);
  b.view.setUint8(13, b.view.getUint8(13) ^ 1);
  expect(ok(b)).toBe(false);
  b.view.setUint8(13, b.view.getUint8(13) ^ 1);
  set(b);
  expect(b.data).toEqual(bytesOf(view));
}

test('a fresh journal has the superblock that dumpe2fs shows', () => {
  const image = makeImage(['-t', 'ext4', '-b', '1024', '-J', 'size=4'], '16M');
  const sb = at(journal(image), 0);
  expect(JournalSuperblock.h_magic.get(sb, 0)).toBe(JBD2_MAGIC_NUMBER);
  expect(JournalSuperblock.h_blocktype.get(sb, 0)).toBe(JBD2_SUPERBLOCK_V2);
  const shown = image.ask('show_super_stats');
  expect(shown).toContain('Journal inode:            8');
  expect(JournalSuperblock.s_blocksize.get(sb, 0)).toBe(BLOCK);
  expect(JournalSuperblock.s_maxlen.get(sb, 0)).toBe(4096);
  expect(JournalSuperblock.s_first.get(sb, 0)).toBe(1);
  expect(JournalSuperblock.s_start.get(sb, 0)).toBe(0);
  expect(JournalSuperblock.s_nr_users.get(sb, 0)).toBe(1);
});

/** Write blocks 2000..2002 and revoke two others, in one transaction each. */
function transactions(features: string, open: string): { image: TestImage; blocks: DataView[] } {
  const image = makeImage(['-t', 'ext4', '-b', '1024', '-J', 'size=4', '-O', features], '16M');
  const content = join(scratchDir(), 'content');
  const data = Buffer.alloc(3 * BLOCK, 0x61);
  data.writeUInt32BE(JBD2_MAGIC_NUMBER, BLOCK);
  writeFileSync(content, data);
  image.debugfs(`jo ${open}`, `jw -b 2000,2001,2002 ${content}`, 'jw -r 3000,3001', 'jc');
  return { image, blocks: journal(image) };
}

const CASES: [string, string, Omit<JournalLayout, 'wide'>, boolean, number][] = [
  ['64bit', '-c', { csumV2: false, csumV3: true }, true, 16],
  ['^64bit', '-c -v 3', { csumV2: false, csumV3: true }, false, 16],
  ['64bit', '-c -v 2', { csumV2: true, csumV3: false }, true, 14],
  ['^64bit', '-c -v 2', { csumV2: true, csumV3: false }, false, 10],
  ['64bit,^metadata_csum', '', { csumV2: false, csumV3: false }, true, 12],
  ['^64bit,^metadata_csum', '', { csumV2: false, csumV3: false }, false, 8],
];

for (const [features, open, csum, wide, size] of CASES) {
  test(`debugfs writes tags of ${size} bytes (${features}; jo ${open})`, () => {
    const { blocks } = transactions(features, open);
    const sb = at(blocks, 0);
    const layout = journalLayout(JournalSuperblock.s_feature_incompat.get(sb, 0));
    expect(layout).toEqual({ wide, ...csum });
    expect(tagBytes(layout)).toBe(size);
    const seed = journalCsumSeed(JournalSuperblock.s_uuid.get(sb, 0));
    const checked = csum.csumV2 || csum.csumV3;
    const first = JournalSuperblock.s_start.get(sb, 0);
    const sequence = JournalSuperblock.s_sequence.get(sb, 0);
    if (checked) {
      expect(JournalSuperblock.s_checksum_type.get(sb, 0)).toBe(JBD2_CRC32C_CHKSUM);
      expectGuarded(sb, journalSuperblockCsumOk, setJournalSuperblockCsum);
    }

    const descriptor = at(blocks, first);
    expect(JournalHeader.h_blocktype.get(descriptor, 0)).toBe(JBD2_DESCRIPTOR_BLOCK);
    expect(JournalHeader.h_sequence.get(descriptor, 0)).toBe(sequence);
    if (checked) {
      expectGuarded(
        descriptor,
        (b) => journalTailCsumOk(seed, b),
        (b) => {
          setJournalTailCsum(seed, b);
        },
      );
    }
    let pos = JournalHeader.$size;
    for (let i = 0; i < 3; i += 1) {
      const tag = readTag(descriptor, pos, layout);
      expect(tag.blocknr).toBe(2000 + i);
      const csum32 = journalTagCsum(seed, sequence, bytesOf(at(blocks, first + 1 + i)));
      const kept = csum.csumV3 ? csum32 : csum.csumV2 ? csum32 & 0xffff : 0;
      expect(tag.checksum).toBe(kept);
      expect(tag.flags & JBD2_FLAG_ESCAPE).toBe(i === 1 ? JBD2_FLAG_ESCAPE : 0);
      expect((tag.flags & JBD2_FLAG_LAST_TAG) !== 0).toBe(i === 2);
      expect((tag.flags & JBD2_FLAG_SAME_UUID) !== 0).toBe(i !== 0);
      const copy = new DataView(new ArrayBuffer(size));
      writeTag(copy, 0, layout, tag);
      expect(bytesOf(copy)).toEqual(bytesOf(descriptor).slice(pos, pos + size));
      pos += size + (i === 0 ? 16 : 0);
    }

    const commit = at(blocks, first + 4);
    expect(CommitHeader.h_blocktype.get(commit, 0)).toBe(JBD2_COMMIT_BLOCK);
    expect(CommitHeader.h_sequence.get(commit, 0)).toBe(sequence);
    expect(CommitHeader.h_commit_sec.get(commit, 0)).toBeGreaterThan(1_700_000_000);
    if (checked) {
      expectGuarded(
        commit,
        (b) => journalCommitCsumOk(seed, b),
        (b) => {
          setJournalCommitCsum(seed, b);
        },
      );
    }

    const revoke = at(blocks, first + 5);
    const width = wide ? 8 : 4;
    expect(RevokeHeader.h_blocktype.get(revoke, 0)).toBe(JBD2_REVOKE_BLOCK);
    expect(RevokeHeader.h_sequence.get(revoke, 0)).toBe(sequence + 1);
    expect(RevokeHeader.r_count.get(revoke, 0)).toBe(RevokeHeader.$size + 2 * width);
    expect(revoke.getUint32(RevokeHeader.$size + width - 4)).toBe(3000);
  });
}

test('fast commits of the kernel are a stream of tags that ends in a right checksum', ({
  skip,
}) => {
  const args = ['-t', 'ext4', '-b', '1024', '-O', 'fast_commit'];
  skip(!kernelMounts(args), 'the kernel mounts no such images here');
  const image = makeImage(args, '32M');
  const script = `
import os, sys
os.chdir(sys.argv[1])
for name in ['full commit', 'second', 'third']:
    f = os.open(name, os.O_CREAT | os.O_RDWR); os.write(f, b'x' * 3000); os.fsync(f); os.close(f)
`;
  inKernel(image, script);
  // The kernel takes the feature off when it unmounts; the records stay.
  const blocks = journal(image);
  const sb = at(blocks, 0);
  const { first, end } = fastCommitArea(
    JournalSuperblock.s_maxlen.get(sb, 0),
    JournalSuperblock.s_num_fc_blks.get(sb, 0),
  );
  expect(end).toBe(blocks.length);
  const seen: number[] = [];
  let crc = 0;
  for (let i = first, pos = 0; i < blocks.length;) {
    const v = at(blocks, i);
    if (pos + FcTl.$size > BLOCK) {
      [i, pos] = [i + 1, 0];
      continue;
    }
    const tag = FcTl.fc_tag.get(v, pos);
    const length = FcTl.fc_len.get(v, pos);
    const value = pos + FcTl.$size;
    if (tag === 0 || value + length > BLOCK) break;
    seen.push(tag);
    if (tag === EXT4_FC_TAG_HEAD) expect(FcHead.fc_features.get(v, value)).toBe(0);
    if (tag === EXT4_FC_TAG_INODE) expect(FcInode.fc_ino.get(v, value)).toBeGreaterThan(10);
    if (tag === EXT4_FC_TAG_ADD_RANGE) {
      expect(length).toBe(FcAddRange.$size);
      expect(FcAddRange.fc_ino.get(v, value)).toBeGreaterThan(10);
    }
    if (tag === EXT4_FC_TAG_CREAT) {
      expect(FcDentryInfo.fc_parent_ino.get(v, value)).toBe(2);
      const name = bytesOf(v).slice(value + FcDentryInfo.$size, value + length);
      expect(['second', 'third']).toContain(Buffer.from(name).toString());
    }
    if (tag === EXT4_FC_TAG_TAIL) {
      crc = crc32c(crc, bytesOf(v), pos, value + FcTail.fc_crc.offset);
      expect(FcTail.fc_crc.get(v, value)).toBe(crc);
      crc = 0;
      [i, pos] = [i + 1, 0];
      continue;
    }
    crc = crc32c(crc, bytesOf(v), pos, tag === EXT4_FC_TAG_PAD ? BLOCK : value + length);
    pos = value + length;
  }
  for (const tag of [
    EXT4_FC_TAG_CREAT,
    EXT4_FC_TAG_INODE,
    EXT4_FC_TAG_ADD_RANGE,
    EXT4_FC_TAG_TAIL,
  ]) {
    expect(seen).toContain(tag);
  }
});
