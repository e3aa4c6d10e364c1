/**
 * Every crash state of one operation on a journalled ext4: what was promised holds, the image is
 * whole; and with one phase of the journal wrong, something does not.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { assert } from '../../src/base/assert.ts';
import { isErrno } from '../../src/base/errno.ts';
import { sector } from '../../src/base/units.ts';
import { Bio, REQ_FUA, REQ_META } from '../../src/block/bio.ts';
import type { CrashRecording } from '../../src/explore/crash-recorder.ts';
import {
  type CrashOptions,
  type CrashPoint,
  type CrashTally,
  type CrashVisit,
  forEachCrashState,
} from '../../src/explore/crash-states.ts';
import { checkpointSteps } from '../../src/jbd2/checkpoint.ts';
import { commitPhases, commitRecord } from '../../src/jbd2/commit.ts';
import type { Op } from '../../src/sched/op.ts';
import { sysClose, sysOpen } from '../../src/syscall/open.ts';
import { sysPread, sysPwrite } from '../../src/syscall/read-write.ts';
import { sysFsync } from '../../src/syscall/sync.ts';
import { sysRename, sysUnlink } from '../../src/syscall/dir.ts';
import { O_CREAT, O_DIRECTORY, O_RDONLY, O_RDWR } from '../../src/vfs/file.ts';
import { scratchDir } from '../support/e2fsprogs.ts';
import { e2fsck, haveE2fsprogs } from '../support/judges.ts';
import { deviceOfBytes, writeImage } from '../support/ram-image.ts';
import {
  judgeWith,
  Mount,
  name,
  type Oracle,
  recordWorkload,
  type Workload,
} from './crash-ext4.ts';

const SIZE = 3000;

function write(m: Mount, path: string, value: number): number {
  const fd = m.run(sysOpen(m.process, name(path), O_RDWR | O_CREAT));
  m.run(sysPwrite(m.process, fd, new Uint8Array(SIZE).fill(value), 0));
  return fd;
}

function writeSynced(m: Mount, path: string, value: number): void {
  const fd = write(m, path, value);
  m.run(sysFsync(m.process, fd));
  m.run(sysClose(m.process, fd));
}

function syncRoot(m: Mount): void {
  const fd = m.run(sysOpen(m.process, name('/'), O_RDONLY | O_DIRECTORY));
  m.run(sysFsync(m.process, fd));
  m.run(sysClose(m.process, fd));
}

/** What a file is filled with: null: there is none; otherwise its length and its bytes. */
function contentOf(m: Mount, path: string): string | null {
  let fd;
  try {
    fd = m.run(sysOpen(m.process, name(path), O_RDONLY));
  } catch (e) {
    if (isErrno(e, 'ENOENT')) return null;
    throw e;
  }
  const data = new Uint8Array(2 * SIZE);
  const length = m.run(sysPread(m.process, fd, data, 0));
  m.run(sysClose(m.process, fd));
  return `${length} of ${[...new Set(data.subarray(0, length))].join()}`;
}

const marked = (at: CrashPoint, label: string): boolean => at.marks.some((m) => m.label === label);
const full = (value: number): string => `${SIZE} of ${value}`;

interface Case {
  readonly work: Workload;
  readonly oracle: Oracle;
}

function syncedFile(m: Mount, at: CrashPoint): void {
  const now = contentOf(m, '/a');
  if (marked(at, 'synced')) assert(now === full(7), `after fsync the file is ${now}`);
  else assert([null, '0 of ', full(7)].includes(now), `the file is ${now}`);
}

const cases: Readonly<Record<string, Case>> = {
  'create, write, fsync': {
    work: {
      run(m, recorder) {
        m.run(sysFsync(m.process, write(m, '/a', 7)));
        recorder.mark('synced');
      },
    },
    oracle: syncedFile,
  },
  'create, write, fsync, unmount': {
    work: {
      run(m, recorder) {
        m.run(sysFsync(m.process, write(m, '/a', 7)));
        recorder.mark('synced');
        m.umount();
      },
    },
    oracle: syncedFile,
  },
  'rename over a file': {
    work: {
      prepare(m) {
        writeSynced(m, '/old', 1);
        writeSynced(m, '/new', 2);
      },
      run(m, recorder) {
        m.run(sysRename(m.process, name('/new'), name('/old')));
        syncRoot(m);
        recorder.mark('synced');
      },
    },
    oracle(m, at) {
      const now = `${contentOf(m, '/old')}, ${contentOf(m, '/new')}`;
      const done = `${full(2)}, null`;
      if (marked(at, 'synced')) assert(now === done, `after fsync the files are ${now}`);
      else assert([done, `${full(1)}, ${full(2)}`].includes(now), `the files are ${now}`);
    },
  },
  unlink: {
    work: {
      prepare(m) {
        writeSynced(m, '/a', 1);
      },
      run(m, recorder) {
        m.run(sysUnlink(m.process, name('/a')));
        syncRoot(m);
        recorder.mark('synced');
      },
    },
    oracle(m, at) {
      const now = contentOf(m, '/a');
      if (marked(at, 'synced')) assert(now === null, `after fsync the file is ${now}`);
      else assert(now === null || now === full(1), `the file is ${now}`);
    },
  },
};

const enumerate = (
  recording: CrashRecording,
  { oracle }: Case,
  options: CrashOptions,
  visit: CrashVisit = judgeWith(oracle),
) => forEachCrashState(recording, options, visit);

const symptoms = ({ failures }: CrashTally): string[] => failures.map((f) => f.symptom).sort();

for (const [title, one] of Object.entries(cases)) {
  test(`${title}: nothing is lost at any crash, lazily and eagerly`, () => {
    const recording = recordWorkload(one.work);
    const lazy = enumerate(recording, one, { mode: 'lazy' });
    const eager = enumerate(recording, one, { mode: 'eager' });
    expect([lazy.complete, eager.complete]).toEqual([true, true]);
    expect([symptoms(lazy), symptoms(eager)]).toEqual([[], []]);
    expect(lazy.states).toBe(eager.states);
    expect(lazy.recoveries * 5).toBeLessThan(eager.recoveries);
  });

  test(`${title}: nor with a torn block, nor at a crash in the middle of recovery`, () => {
    const recording = recordWorkload(one.work);
    const tally = enumerate(recording, one, { mode: 'lazy', torn: true, insideRecovery: 1 });
    expect(tally.failures.map((f) => `${f.id} ${f.symptom}`)).toEqual([]);
    expect(Math.min(tally.torn, tally.inRecovery)).toBeGreaterThan(0);
  });
}

/** One image in so many is shown to e2fsck. */
const EVERY = 8;
const ENV = { env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` } };

test.skipIf(!haveE2fsprogs())(
  'e2fsck, recovering some of them, finds them as whole as we do',
  () => {
    const one = cases['rename over a file']!;
    const path = join(scratchDir(), 'crashed');
    let n = 0;
    let replayed = 0;
    const visit: CrashVisit = (image, at) => {
      if (n++ % EVERY !== 0) return;
      const all = new Uint8Array(image.size);
      image.start(new Bio('read', sector(0)).add(all));
      writeImage(deviceOfBytes(all), path);
      const { stdout } = spawnSync('e2fsck', ['-fy', '-E', 'journal_only', path], ENV);
      if (stdout.toString().includes('recovering journal')) replayed++;
      const { status, output } = e2fsck(path);
      assert(status === 0, `after e2fsck's recovery: ${output}`);
      one.oracle(new Mount(deviceOfBytes(readFileSync(path))), at);
    };
    const tally = enumerate(recordWorkload(one.work), one, { mode: 'eager' }, visit);
    expect(tally.failures.map((f) => `${f.id} ${f.symptom}`)).toEqual([]);
    expect(replayed).toBeGreaterThan(5);
  },
);

/** Put a mistake in while something is recorded. */
function withMistake<T extends object>(table: T, mistake: Partial<T>, work: Workload) {
  const right = { ...table };
  Object.assign(table, mistake);
  try {
    return recordWorkload(work);
  } finally {
    Object.assign(table, right);
  }
}

type Mistaken<T extends object> = readonly [table: T, mistake: Partial<T>, found: RegExp];

/** The commit block may be durable before what it vouches for. */
function* recordUnflushed(...[j, t, crc]: Parameters<typeof commitPhases.record>): Op<void> {
  yield* j.buffers.device.submitWait(commitRecord(j, t, crc, REQ_FUA));
}
/** Blocks go home before their commit is durable. */
const { write: rightWrite } = commitPhases;
const homeTooSoon: Partial<typeof commitPhases> = {
  *write(j, t, heads) {
    const crc = yield* rightWrite(j, t, heads);
    for (const { bh } of heads.slice(1, 4)) {
      yield* j.buffers.device.transfer('write', bh.blocknr * bh.data.length, bh.data, REQ_META);
    }
    return crc;
  },
};
/** The log is given back before its blocks are at home. */
const { home: rightHome } = checkpointSteps;
const tailTooSoon: Partial<typeof checkpointSteps> = {
  *home(j, heads) {
    yield* j.writeSuper(0, j.nextTid);
    yield* rightHome(j, heads);
  },
};

const mistakes = {
  'a commit block without a flush before it': [
    commitPhases,
    { record: recordUnflushed },
    /t_checksum/,
  ],
  'a block that goes home before its commit': [commitPhases, homeTooSoon, /bitmap/],
  'a log that is given back before its blocks are at home': [
    checkpointSteps,
    tailTooSoon,
    /after fsync the file is null/,
  ],
} as Record<string, Mistaken<object>>;

for (const [what, [table, mistake, found]] of Object.entries(mistakes)) {
  test(`${what} is found, by both the same`, () => {
    const one = cases['create, write, fsync, unmount']!;
    const recording = withMistake(table, mistake, one.work);
    const lazy = enumerate(recording, one, { mode: 'lazy' });
    const eager = enumerate(recording, one, { mode: 'eager' });
    expect(symptoms(lazy)).toEqual(symptoms(eager));
    expect(symptoms(lazy).join()).toMatch(found);
  });
}
