/**
 * Where the bitmaps and inode tables of every group go.
 *
 * In a flex group all block bitmaps come first, then all inode bitmaps, then all inode tables,
 * from the first group's front on, passing over the front matter of later groups.
 * @source filesystems/ext4/blockgroup.rst, "Flexible Block Groups"
 */
import { groupStart, type Plan } from './plan.ts';
import type { Space } from './space.ts';

export interface GroupTables {
  blockBitmap: number;
  inodeBitmap: number;
  inodeTable: number;
}

export function placeTables(plan: Plan, space: Space): GroupTables[] {
  const tables: GroupTables[] = [];
  for (let first = 0; first < plan.groupsCount; first += plan.flex) {
    const n = Math.min(plan.flex, plan.groupsCount - first);
    const group = Array.from({ length: n }, () => ({
      blockBitmap: 0,
      inodeBitmap: 0,
      inodeTable: 0,
    }));
    const goal = groupStart(plan, first);
    // A lone group leaves the places that its neighbours would have, should the device grow.
    const gap = n === 1 && plan.flex > 1 ? plan.flex : 0;
    for (const t of group) t.blockBitmap = space.allocate(goal, 1, 1);
    for (const t of group) t.inodeBitmap = space.allocate(gap ? t.blockBitmap + gap : goal, 1, 1);
    for (const t of group) {
      t.inodeTable = space.allocate(gap ? t.inodeBitmap + gap : goal, plan.itable, 1);
    }
    tables.push(...group);
  }
  return tables;
}
