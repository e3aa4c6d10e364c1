/**
 * Crash states: how many images a second are judged. There is no peer on this machine that does the
 * same; CrashMonkey reports 2 to 5 seconds for a workload, with one crash at each of its fsyncs.
 */
import {
  type CrashOptions,
  type CrashVisit,
  forEachCrashState,
} from '../../src/explore/crash-states.ts';
import type { CrashRecording } from '../../src/explore/crash-recorder.ts';
import { SmallLog } from '../../src/explore/models/small-log.ts';
import { sysOpen } from '../../src/syscall/open.ts';
import { sysPwrite } from '../../src/syscall/read-write.ts';
import { sysFsync } from '../../src/syscall/sync.ts';
import { O_CREAT, O_RDWR } from '../../src/vfs/file.ts';
import { judgeWith, name, recordWorkload } from '../../test/explore/crash-ext4.ts';
import type { Rate } from '../case.ts';

interface Judged {
  readonly recording: CrashRecording;
  readonly visit: CrashVisit;
}

const rate = (
  id: string,
  title: string,
  goal: number,
  times: number,
  options: CrashOptions,
  make: () => Judged,
): Rate => {
  let made: Judged | null = null;
  return {
    kind: 'rate',
    id: `crash-${id}`,
    title,
    unit: '/s',
    goal,
    rounds: 7,
    measure() {
      const { recording, visit } = (made ??= make());
      const start = performance.now();
      let judged = 0;
      for (let i = 0; i < times; i++) {
        const { failures, recoveries } = forEachCrashState(recording, options, visit);
        if (failures[0] !== undefined) throw new Error(failures[0].symptom);
        judged += recoveries;
      }
      return (judged * 1000) / (performance.now() - start);
    },
  };
};

const small = (transactions: number) => (): Judged => {
  const log = new SmallLog({ transactions, data: 8, metadata: 8 });
  return { recording: log.record(), visit: log.judge };
};

/** A file is made, written, fsynced, and the image unmounted. */
function oneFile(): Judged {
  const recording = recordWorkload({
    run(m) {
      const fd = m.run(sysOpen(m.process, name('/a'), O_RDWR | O_CREAT));
      m.run(sysPwrite(m.process, fd, new Uint8Array(3000).fill(7), 0));
      m.run(sysFsync(m.process, fd));
      m.umount();
    },
  });
  return { recording, visit: judgeWith(() => undefined) };
}

export const crashRates: readonly Rate[] = [
  rate(
    'eager',
    'images of a small journal',
    300_000,
    1,
    { mode: 'eager', limit: 300_000 },
    small(8),
  ),
  rate('lazy', 'recoveries of a small journal', 20_000, 50, { mode: 'lazy' }, small(8)),
  rate('ext4', 'ext4 of 8 MiB recovered, checked', 2000, 1, { mode: 'eager' }, oneFile),
  rate('ext4-lazy', 'the same, those that differ', 2000, 10, { mode: 'lazy' }, oneFile),
];
