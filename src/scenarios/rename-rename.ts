/**
 * Two renames between the same two directories, in opposite directions. Each needs both
 * directories' locks; the order by ancestry and number, under s_vfs_rename_mutex, keeps them from
 * waiting for each other.
 */
import { assert } from '../base/assert.ts';
import { asciiName } from '../base/name.ts';
import type { Scenario } from '../explore/scenario.ts';
import type { Op } from '../sched/op.ts';
import { sysMkdir, sysRename } from '../syscall/dir.ts';
import { sysStat } from '../syscall/stat.ts';
import { inodeOf } from '../vfs/create.ts';
import { I_MUTEX_PARENT, I_MUTEX_PARENT2, lockInode } from '../vfs/namei.ts';
import { directoryLocking } from '../vfs/rename.ts';
import { World } from './world.ts';

const rename = (from: string, to: string) =>
  function* (w: World): Op<void> {
    yield* sysRename(w.process, asciiName(from), asciiName(to));
  };

export const renameRename: Scenario<World, World> = {
  id: 'rename-rename',
  title: 'two renames in opposite directions both come to their end',
  prepare: (scheduler) =>
    World.make(scheduler, {
      *recipe(w): Op<void> {
        for (const dir of ['/a', '/b']) yield* sysMkdir(w.process, asciiName(dir), 0o755);
        for (const file of ['/a/x', '/b/y']) yield* w.open(file);
      },
    }),
  setup: (w) => w,
  tasks: { 'rename a to b': rename('/a/x', '/b/x'), 'rename b to a': rename('/b/y', '/a/y') },
  *finally(w): Op<void> {
    for (const file of ['/b/x', '/a/y']) {
      const stat = yield* sysStat(w.process, asciiName(file));
      assert(stat.nlink === 1, `${file} is there once`);
    }
    yield* w.close();
  },
  values: (w) => w.values(),
  variants: {
    'argument-order': {
      title: 'the directories are locked in the order of the arguments, without the rename mutex',
      symptom: /wait for ever/,
      apply: () => {
        const right = { ...directoryLocking };
        directoryLocking.lock = function* (a, b) {
          yield* lockInode(inodeOf(a), I_MUTEX_PARENT);
          yield* lockInode(inodeOf(b), I_MUTEX_PARENT2);
          return null;
        };
        directoryLocking.unlock = (a, b) => {
          inodeOf(a).rwsem.unlockExclusive();
          inodeOf(b).rwsem.unlockExclusive();
        };
        return () => {
          Object.assign(directoryLocking, right);
        };
      },
    },
  },
};
