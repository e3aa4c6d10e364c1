/** All scenarios, in the order in which they are listed. */
import type { Scenario } from '../explore/scenario.ts';
import { reclaimRead } from './reclaim-read.ts';
import { renameRename } from './rename-rename.ts';
import { unlinkWriteback } from './unlink-writeback.ts';
import type { World } from './world.ts';
import { writeTruncate } from './write-truncate.ts';
import { writeWrite } from './write-write.ts';

export const ext4Scenarios: readonly Scenario<World, World>[] = [
  writeWrite,
  writeTruncate,
  renameRename,
  unlinkWriteback,
  reclaimRead,
];
