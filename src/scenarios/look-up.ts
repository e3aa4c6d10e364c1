/**
 * A path with a symlink, stat and a read, while a name comes into the same directory. The caches
 * answer all of it; each time that one of them falls short, the slow half must say the same.
 */
import { assert } from '../base/assert.ts';
import { asciiName } from '../base/name.ts';
import { pblk } from '../base/units.ts';
import type { Scenario } from '../explore/scenario.ts';
import type { Op } from '../sched/op.ts';
import { sysMkdir, sysSymlink } from '../syscall/dir.ts';
import { sysLstat, sysStat, sysStatNowait } from '../syscall/stat.ts';
import { filled, World } from './world.ts';

/** A whole folio: what is partly cached is not read from the cache. */
const LENGTH = 4096;
const PATH = asciiName('/l/k');

export const lookUp: Scenario<World, World> = {
  id: 'look-up',
  title: 'a look-up through a symlink finds the file, whichever cache falls short',
  prepare: (scheduler) =>
    World.make(scheduler, {
      *recipe(w): Op<void> {
        yield* sysMkdir(w.process, asciiName('/d'), 0o755);
        yield* w.open('/d/k', filled(1, LENGTH));
        yield* sysSymlink(w.process, asciiName('/d'), asciiName('/l'));
        yield* sysStat(w.process, PATH);
        yield* sysLstat(w.process, asciiName('/l'));
      },
    }),
  setup: (w) => w,
  mishaps: ['fast path short'],
  faults: 2, // A slow half may ask again before it takes its own way.
  tasks: {
    *look(w): Op<void> {
      const quick = sysStatNowait(w.process, PATH);
      const stat =
        typeof quick === 'object' && quick !== null ? quick : yield* sysStat(w.process, PATH);
      assert(stat.size === LENGTH, `the size is ${stat.size}`);
      const data = yield* w.read('/d/k', LENGTH);
      assert(data.length === LENGTH && data.every((b) => b === 1), 'what was read is not the file');
    },
    *create(w): Op<void> {
      yield* w.open('/d/new');
    },
  },
  *finally(w): Op<void> {
    for (const name of ['/d/k', '/d/new']) yield* sysStat(w.process, asciiName(name));
    yield* w.close();
  },
  values: (w) => w.values(),
  variants: {
    'slow-half-of-getLink': {
      title: 'where the target of a symlink must be fetched, it is another one',
      symptom: /ENOENT/,
      apply: (w) => {
        const inode = w.sb.root!.children!.get(asciiName('/l'.slice(1)))!.inode!;
        inode.iops = {
          ...inode.iops,
          *getLink() {
            return asciiName('/nowhere');
          },
        };
      },
    },
    'slow-half-of-bread': {
      title: 'a block that is not found in the cache at once is taken for the one before it',
      symptom: /the image is damaged|EUCLEAN/,
      apply: (w) => {
        const { buffers } = w.inode('/d/k').sb;
        const right = buffers.getblk.bind(buffers);
        buffers.getblk = (nr) => right(pblk(nr - 1));
      },
    },
  },
};
