/** The list of scenarios. */
import type { Scenario } from '../explore/scenario.ts';
import { abba } from './abba.ts';
import { fsyncEio } from './fsync-eio.ts';
import { fullDisk } from './full-disk.ts';
import { lookUp } from './look-up.ts';
import { lostUpdate } from './lost-update.ts';
import { readNoMemory } from './read-no-memory.ts';
import { reclaimRead } from './reclaim-read.ts';
import { renameRename } from './rename-rename.ts';
import { unlinkWriteback } from './unlink-writeback.ts';
import type { World } from './world.ts';
import { writeBadAddress, writeEvicted } from './write-evicted.ts';
import { writeTruncate } from './write-truncate.ts';
import { writeWrite } from './write-write.ts';

/** Those on the real file system. */
export const ext4Scenarios: readonly Scenario<World, World>[] = [
  writeWrite,
  writeTruncate,
  renameRename,
  unlinkWriteback,
  reclaimRead,
  writeEvicted,
  writeBadAddress,
  fullDisk,
  fsyncEio,
  readNoMemory,
  lookUp,
];

/** In a list the kind of state is forgotten: the explorer hands a scenario only what it made. */
const entry = <S, P>(scenario: Scenario<S, P>): Scenario => scenario as Scenario;

/** Every scenario, in the order in which `foliofs explore` runs them. */
export const scenarios: readonly Scenario[] = [
  entry(lostUpdate),
  entry(abba),
  ...ext4Scenarios.map(entry),
];

export const scenarioNamed = (id: string): Scenario | undefined =>
  scenarios.find((scenario) => scenario.id === id);
