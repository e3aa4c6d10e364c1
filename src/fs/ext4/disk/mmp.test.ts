import { expect, test } from 'vitest';
import { makeImage } from '../../../../test/support/e2fsprogs.ts';
import { csumSeedOf, rawBlock, setMmpCsum } from '../checksum.ts';
import { EXT4_MMP_MAGIC, EXT4_MMP_SEQ_CLEAN, EXT4_MMP_SEQ_MAX, Mmp } from './mmp.ts';
import { EXT4_SUPER_OFFSET, Superblock } from './superblock.ts';

test('what the fields say is what debugfs reads', () => {
  const image = makeImage(['-t', 'ext4', '-b', '1024', '-O', 'mmp'], '4M');
  const bytes = image.bytes();
  const view = new DataView(bytes.buffer);
  const at = Superblock.s_mmp_block.get(view, EXT4_SUPER_OFFSET) * 1024;
  expect(Mmp.mmp_magic.get(view, at)).toBe(EXT4_MMP_MAGIC);
  expect(Mmp.mmp_seq.get(view, at)).toBe(EXT4_MMP_SEQ_CLEAN);
  const text = (s: string, size: number): Uint8Array =>
    new TextEncoder().encode(s.padEnd(size, '\0'));
  Mmp.mmp_seq.set(view, at, EXT4_MMP_SEQ_MAX);
  Mmp.mmp_time.set(view, at, 1_700_000_000);
  Mmp.mmp_check_interval.set(view, at, 77);
  Mmp.mmp_nodename.set(view, at, text('a-node', 64));
  Mmp.mmp_bdevname.set(view, at, text('a-device', 32));
  setMmpCsum(csumSeedOf(view, EXT4_SUPER_OFFSET), rawBlock(bytes.subarray(at, at + 1024)));
  image.restore(bytes);
  const shown = image.ask('dump_mmp');
  for (const line of [
    'check_interval: 77',
    'sequence: e24d4d4f',
    'time: 1700000000',
    'node_name: a-node',
    'device_name: a-device',
    'magic: 0x4d4d50',
  ]) {
    expect(shown).toContain(line);
  }
});
