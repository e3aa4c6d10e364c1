/** info: what the super block, the descriptors and the journal say. @source dumpe2fs(8) */
import { BlockDevice } from '../../block/block-device.ts';
import {
  bgBlockBitmap,
  bgFreeBlocksCount,
  bgFreeInodesCount,
  bgInodeBitmap,
  bgInodeTable,
  bgItableUnused,
  bgUsedDirsCount,
  EXT4_BG_BLOCK_UNINIT,
  EXT4_BG_INODE_UNINIT,
  EXT4_BG_INODE_ZEROED,
} from '../../fs/ext4/disk/group-desc.ts';
import {
  groupBaseMeta,
  groupBlocks,
  groupDescGet,
  groupFirstBlock,
  groupFlags,
  groupHasSuper,
} from '../../fs/ext4/group-desc.ts';
import type { Ext4SuperBlock } from '../../fs/ext4/sb-info.ts';
import { readSuperBlock } from '../../fs/ext4/super-read.ts';
import { FileDevice } from '../../platform/node/file-device.ts';
import { Scheduler } from '../../sched/scheduler.ts';
import type { Cli } from '../context.ts';
import { journalFacts } from '../journal-facts.ts';
import { print, printJson } from '../output.ts';
import { type Fact, superFacts } from '../super-facts.ts';
import { Volume } from '../volume.ts';

export interface InfoOptions {
  readonly groups?: true;
}

/** The super block is shown even where the image cannot be mounted. */
export function info(cli: Cli, image: string, o: InfoOptions): void {
  const result: Record<string, unknown> = {};
  const showAll = (facts: readonly Fact[]): void => {
    for (const { key, label, value, text } of facts) {
      result[key] = value;
      if (!cli.json) print(`${`${label}:`.padEnd(26)}${text ?? String(value)}`);
    }
  };
  cli.attempt(image, () => {
    showAll(superFacts(rawSuperBlock(image)));
    const volume = new Volume(image, { readOnly: true, options: 'noload' });
    try {
      if (volume.sb.has.journal) showAll(volume.run(journalFacts(volume.sb)));
      if (o.groups === true) {
        const groups = groupFacts(volume.sb);
        result['groups'] = groups;
        if (!cli.json) for (const g of groups) printGroup(g);
      }
    } finally {
      volume.close();
    }
  });
  if (cli.json && Object.keys(result).length > 0) printJson({ image, ...result });
}

function rawSuperBlock(image: string): DataView {
  const file = new FileDevice(image, { readOnly: true });
  try {
    const raw = new Scheduler().runToEnd(readSuperBlock(new BlockDevice(file)));
    return new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  } finally {
    file.close();
  }
}

interface GroupFacts {
  readonly group: number;
  readonly firstBlock: number;
  readonly lastBlock: number;
  readonly superblock: boolean;
  /** Blocks at its front: super block, descriptors, room for more. */
  readonly frontBlocks: number;
  readonly blockBitmap: number;
  readonly inodeBitmap: number;
  readonly inodeTable: number;
  readonly inodeTableBlocks: number;
  readonly freeBlocks: number;
  readonly freeInodes: number;
  readonly directories: number;
  readonly unusedInodes: number;
  readonly flags: readonly string[];
}

const FLAGS: readonly (readonly [number, string])[] = [
  [EXT4_BG_INODE_UNINIT, 'INODE_UNINIT'],
  [EXT4_BG_BLOCK_UNINIT, 'BLOCK_UNINIT'],
  [EXT4_BG_INODE_ZEROED, 'ITABLE_ZEROED'],
];

function groupFacts(sb: Ext4SuperBlock): GroupFacts[] {
  const ratio = 2 ** sb.geo.clusterBits;
  return Array.from({ length: sb.geo.groupsCount }, (_, group) => {
    const get = (field: typeof bgInodeTable): number => groupDescGet(sb, group, field);
    const firstBlock = groupFirstBlock(sb, group);
    const bits = groupFlags(sb, group);
    return {
      group,
      firstBlock,
      lastBlock: firstBlock + groupBlocks(sb, group) - 1,
      superblock: groupHasSuper(sb, group),
      frontBlocks: groupBaseMeta(sb, group),
      blockBitmap: get(bgBlockBitmap),
      inodeBitmap: get(bgInodeBitmap),
      inodeTable: get(bgInodeTable),
      inodeTableBlocks: sb.geo.itbPerGroup,
      freeBlocks: get(bgFreeBlocksCount) * ratio,
      freeInodes: get(bgFreeInodesCount),
      directories: get(bgUsedDirsCount),
      unusedInodes: get(bgItableUnused),
      flags: FLAGS.filter(([bit]) => bits & bit).map(([, name]) => name),
    };
  });
}

function printGroup(g: GroupFacts): void {
  const table = `${g.inodeTable}-${g.inodeTable + g.inodeTableBlocks - 1}`;
  const flags = g.flags.length > 0 ? ` [${g.flags.join(', ')}]` : '';
  const front = g.superblock
    ? `  ${g.group === 0 ? 'Primary' : 'Backup'} superblock at ${g.firstBlock}, ${g.frontBlocks} blocks in front\n`
    : '';
  print(`\nGroup ${g.group}: (Blocks ${g.firstBlock}-${g.lastBlock})${flags}`);
  print(
    `${front}  Block bitmap at ${g.blockBitmap}, inode bitmap at ${g.inodeBitmap}, inode table at ${table}\n` +
      `  ${g.freeBlocks} free blocks, ${g.freeInodes} free inodes, ${g.directories} directories, ` +
      `${g.unusedInodes} unused inodes`,
  );
}
