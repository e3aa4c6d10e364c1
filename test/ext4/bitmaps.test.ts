// Goal: bitmaps, read or made up for groups that were never written, agree with the descriptors.
// Method: every group of every golden image: used bits against free counts.
import { expect, test } from 'vitest';
import { countSet } from '../../src/base/bitmap.ts';
import { bgFreeBlocksCount, bgFreeInodesCount } from '../../src/fs/ext4/disk/group-desc.ts';
import {
  ext4ReadBlockBitmap,
  ext4ReadInodeBitmap,
  groupClusters,
  groupDescGet,
} from '../../src/fs/ext4/group-desc.ts';
import { goldenNames, goldenPath, goldenTree } from '../support/images.ts';
import { mountFile } from '../support/mounted.ts';

const readable = goldenNames().filter(
  (n) => !goldenTree(n).refused || goldenTree(n).refused?.readOnly,
);

test.each(readable)('%s', (name) => {
  using image = goldenPath(name);
  const m = mountFile(image.path);
  const { sb } = m;
  for (let g = 0; g < sb.geo.groupsCount; g++) {
    const blocks = m.run(ext4ReadBlockBitmap(sb, g));
    const clusters = groupClusters(sb, g);
    const used = countSet(blocks.data, 0, clusters);
    blocks.put();
    expect(clusters - used, `blocks of group ${g}`).toBe(groupDescGet(sb, g, bgFreeBlocksCount));
    const inodes = m.run(ext4ReadInodeBitmap(sb, g));
    const taken = countSet(inodes.data, 0, sb.geo.inodesPerGroup);
    inodes.put();
    const free = groupDescGet(sb, g, bgFreeInodesCount);
    expect(sb.geo.inodesPerGroup - taken, `inodes of group ${g}`).toBe(free);
  }
  m.umount();
});
