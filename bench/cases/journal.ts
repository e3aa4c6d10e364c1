import { bytes } from '../../src/base/units.ts';
import { RamDevice } from '../../src/block/ram-device.ts';
import { mkfsSync, openSync, type Volume } from '../../src/index.ts';
import type { Duel } from '../case.ts';

const CONTENT = Buffer.alloc(1024, 1);

/** What is done to both volumes; in memory, so that no flush of a device is measured. */
interface Work {
  readonly id: string;
  readonly title: string;
  readonly operations: (quick: boolean) => number;
  /** @param n  how often */
  readonly act: (v: Volume, n: number) => void;
}

const WORK: readonly Work[] = [
  {
    id: 'journal-create',
    title: 'create, write 1 KiB, close; with the log',
    operations: (quick) => (quick ? 200 : 4000),
    act(v, n) {
      for (let i = 0; i < n; i++) v.fs.writeFileSync(`/d/f${i}`, CONTENT);
      v.syncSync();
    },
  },
  {
    id: 'journal-unlink',
    title: 'create and unlink; with the log',
    operations: (quick) => (quick ? 200 : 4000),
    act(v, n) {
      for (let i = 0; i < n; i++) v.fs.writeFileSync(`/d/f${i}`, '');
      for (let i = 0; i < n; i++) v.fs.unlinkSync(`/d/f${i}`);
      v.syncSync();
    },
  },
  {
    id: 'journal-fsync',
    title: 'append 1 KiB and fsync; with the log',
    operations: (quick) => (quick ? 100 : 2000),
    act(v, n) {
      const fd = v.fs.openSync('/d/g', 'w');
      for (let i = 0; i < n; i++) {
        v.fs.writeSync(fd, CONTENT, 0, CONTENT.length, i * CONTENT.length);
        v.fs.fsyncSync(fd);
      }
      v.fs.closeSync(fd);
    },
  },
];

function volume(features: string): Volume {
  const device = new RamDevice(bytes(256 << 20));
  mkfsSync(device, { features });
  const v = openSync(device);
  v.fs.mkdirSync('/d');
  return v;
}

/** The same program with a log and without one: what the log costs beside the device's flushes. */
export const journals: readonly Duel[] = WORK.map(({ id, title, operations, act }) => ({
  kind: 'duel',
  id,
  title,
  peer: 'the same without a log',
  goal: 1.3,
  rounds: 7,
  operations,
  setup({ quick }) {
    let ours = volume('has_journal');
    let theirs = volume('^has_journal');
    return {
      reset() {
        for (const v of [ours, theirs]) v.closeSync();
        ours = volume('has_journal');
        theirs = volume('^has_journal');
      },
      ours() {
        act(ours, operations(quick));
      },
      theirs() {
        act(theirs, operations(quick));
      },
      done() {
        for (const v of [ours, theirs]) v.closeSync();
      },
    };
  },
}));
