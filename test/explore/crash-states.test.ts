/**
 * The crash states of a small journal with one wrong order, lazily and eagerly, and of recordings
 * written down by hand.
 */
import { expect, test } from 'vitest';
import { assert } from '../../src/base/assert.ts';
import { bytes, sector } from '../../src/base/units.ts';
import { Bio, REQ_FUA, REQ_META } from '../../src/block/bio.ts';
import { BlockDevice, type BlockDriver } from '../../src/block/block-device.ts';
import { RamDevice } from '../../src/block/ram-device.ts';
import { CrashRecorder, type CrashRecording } from '../../src/explore/crash-recorder.ts';
import {
  type CrashOptions,
  type CrashPoint,
  CrashStates,
  type CrashTally,
  forEachCrashState,
} from '../../src/explore/crash-states.ts';
import { SmallLog, type SmallLogDefect } from '../../src/explore/models/small-log.ts';

const symptoms = ({ failures }: CrashTally): string[] => failures.map((f) => f.symptom).sort();

const small = new SmallLog({ transactions: 3, data: 4, metadata: 4 });
const both = (defect?: SmallLogDefect, more: Partial<CrashOptions> = {}) => {
  const recording = small.record(defect);
  return {
    lazy: forEachCrashState(recording, { mode: 'lazy', ...more }, small.judge),
    eager: forEachCrashState(recording, { mode: 'eager', ...more }, small.judge),
  };
};

/** States, judgements if lazy, symptoms. */
const table: readonly [SmallLogDefect | undefined, number, number, number][] = [
  [undefined, 1582, 12, 0],
  ['no flush before commit', 21_508, 97, 14],
  ['data after commit', 637, 21, 3],
  ['checkpoint before commit', 24_592, 78, 9],
];

for (const [defect, states, judged, found] of table) {
  const name = defect ?? 'no defect';
  test(`${name}: ${judged} judgements find what ${states} images find`, () => {
    const { lazy, eager } = both(defect);
    expect([lazy.states, eager.states]).toEqual([states, states]);
    expect([lazy.recoveries, lazy.complete, eager.complete]).toEqual([judged, true, true]);
    expect(symptoms(lazy)).toEqual(symptoms(eager));
    expect(lazy.failures.length).toBe(found);
  });

  test(`${name}: with crashes in the middle of recovery both find the same`, () => {
    const { lazy, eager } = both(defect, { insideRecovery: 2 });
    expect(lazy.inRecovery).toBeGreaterThan(0);
    expect(symptoms(lazy)).toEqual(symptoms(eager));
    expect(lazy.failures.length).toBe(found);
  });
}

test('30 transactions have 4 million crash states, of which 120 differ for who recovers', () => {
  const log = new SmallLog({ transactions: 30, data: 8, metadata: 8 });
  const tally = forEachCrashState(log.record(), { mode: 'lazy' }, log.judge);
  expect(tally).toMatchObject({ states: 3_939_733, recoveries: 120, complete: true, failures: [] });
});

test('the id of a failure makes that failure again, also of one inside recovery', () => {
  for (const mode of ['lazy', 'eager'] as const) {
    const recording = small.record('no flush before commit');
    const all = forEachCrashState(recording, { mode, insideRecovery: 1 }, forgetful);
    expect(all.failures.some((f) => f.id.includes('/'))).toBe(true);
    for (const { id, symptom } of all.failures) {
      const one = forEachCrashState(recording, { mode, insideRecovery: 1, only: id }, forgetful);
      expect(symptoms(one)).toContain(symptom);
      expect(one.complete).toBe(false);
    }
  }
});

/** Gives up what it has not replayed at its first attempt. */
function forgetful(image: BlockDriver, at: CrashPoint): void {
  small.judge(image, at);
  assert(at.depth === 0 || at.marks.length < 2, `cut off after ${at.marks.length} commits`);
}

test('an id that is none, or of no state of the recording, is refused', () => {
  for (const only of ['', 'x', '3:5', '3:5=', '999:', '6:5=9']) {
    const recording = small.record();
    const run = () => forEachCrashState(recording, { mode: 'lazy', only }, small.judge);
    expect(run, only).toThrow('EINVAL');
  }
});

test('the limit ends it, and then it is not complete', () => {
  for (const mode of ['lazy', 'eager'] as const) {
    const tally = forEachCrashState(small.record(), { mode, limit: 5 }, small.judge);
    expect(tally.complete).toBe(false);
    expect(tally.recoveries).toBe(5);
  }
});

// ---- recordings by hand

const SIZE = 1 << 16;

class Script {
  readonly recorder: CrashRecorder;
  readonly device: BlockDevice;
  constructor(blockSize = 512, maxBytes?: number) {
    const options = maxBytes === undefined ? { blockSize } : { blockSize, maxBytes };
    this.recorder = new CrashRecorder(new RamDevice(bytes(SIZE)), options);
    this.device = new BlockDevice(this.recorder);
    this.recorder.begin();
  }
  put(block: number, value: number, flags = 0): this {
    this.device.submit(this.bio(block, value, flags));
    return this;
  }
  bio(block: number, value: number, flags = 0): Bio {
    const { blockSize } = this.recorder;
    const data = new Uint8Array(blockSize).fill(value);
    return new Bio('write', sector((block * blockSize) / 512), flags).add(data);
  }
  flush(): this {
    this.device.submit(new Bio('flush', sector(0)));
    return this;
  }
  mark(label: string): this {
    this.recorder.mark(label);
    return this;
  }
  get recording(): CrashRecording {
    return this.recorder.recording();
  }
}

const valueOf = (image: BlockDriver, block: number): number => {
  const data = new Uint8Array(512);
  image.start(new Bio('read', sector(block)).add(data));
  return data[0]!;
};

/** All that may be found, as text: the values of some blocks, and the last mark. */
function found(recording: CrashRecording, blocks: readonly number[], torn = false): string[] {
  const sets = (['lazy', 'eager'] as const).map((mode) => {
    const out = new Set<string>();
    forEachCrashState(recording, { mode, torn }, (image, at) => {
      const last = at.marks.at(-1)?.label ?? '';
      out.add(`${blocks.map((b) => valueOf(image, b)).join('')}${last}`);
    });
    return [...out].sort();
  });
  expect(sets[0]).toEqual(sets[1]);
  return sets[0]!;
}

test('writes to different blocks reach the medium in any order', () => {
  expect(found(new Script().put(0, 1).put(1, 1).recording, [0, 1])).toEqual([
    '00',
    '01',
    '10',
    '11',
  ]);
});

test('writes to one block keep their order, and one that is as before is none', () => {
  const script = new Script().put(0, 1).put(0, 2).put(1, 0);
  expect(found(script.recording, [0, 1])).toEqual(['00', '10', '20']);
});

test('after a flush what was written before it is there', () => {
  const script = new Script().put(0, 1).flush().mark('f').put(1, 1).put(0, 2);
  expect(found(script.recording, [0, 1])).toEqual(['00', '10', '10f', '11f', '20f', '21f']);
});

test('a write with FUA is durable alone', () => {
  const script = new Script().put(0, 1).put(1, 1, REQ_FUA).mark('f');
  expect(found(script.recording, [0, 1])).toEqual(['00', '01', '01f', '10', '11', '11f']);
});

test('a mark in the middle of an epoch is held against every later state of it', () => {
  const script = new Script().put(0, 1).mark('a').put(1, 1).mark('b');
  expect(found(script.recording, [0, 1])).toEqual([
    '00',
    ...['00a', '00b', '01a', '01b'],
    '10',
    ...['10a', '10b', '11a', '11b'],
  ]);
});

test('a flush covers what was completed before it was submitted, and nothing else', () => {
  const script = new Script();
  const { recorder } = script;
  const [first, second] = [script.bio(0, 1), script.bio(1, 1)];
  const flush = new Bio('flush', sector(0));
  recorder.submitted(first);
  recorder.submitted(second);
  recorder.start(first);
  recorder.submitted(flush);
  recorder.start(second);
  recorder.start(flush);
  script.mark('f');
  expect(found(script.recording, [0, 1])).toEqual(['00', '01', '10', '10f', '11', '11f']);
});

test('a write on its way may be on the medium', () => {
  const script = new Script();
  script.recorder.submitted(script.bio(0, 1));
  expect(found(script.recording, [0])).toEqual(['0', '1']);
});

test('bytes that change on the way leave either', () => {
  const script = new Script();
  const bio = script.bio(0, 1);
  script.recorder.submitted(bio);
  bio.vecs[0]!.fill(2);
  script.recorder.start(bio);
  expect(found(script.recording, [0])).toEqual(['0', '1', '2']);
});

test('a discarded block holds what it did, or zeros', () => {
  const script = new Script().put(0, 1).flush();
  const discard = new Bio('discard', sector(0));
  discard.size = 512;
  script.device.submit(discard);
  expect(found(script.recording, [0])).toEqual(['0', '1']);
});

test('a write of a sector leaves the rest of its block', () => {
  const script = new Script(1024).put(0, 1).flush();
  script.device.submit(new Bio('write', sector(1)).add(new Uint8Array(512).fill(2)));
  script.flush().mark('f');
  expect(found(script.recording, [0, 1]).filter((s) => s.endsWith('f'))).toEqual(['12f']);
});

test('what a block holds is asked for once, and what the judgement writes is its own', () => {
  const recording = new Script().put(0, 1).recording;
  const tally = forEachCrashState(recording, { mode: 'lazy' }, (image) => {
    const before = valueOf(image, 0);
    image.start(new Bio('write', sector(0)).add(new Uint8Array(512).fill(9)));
    assert(valueOf(image, 0) === 9 && before < 2);
  });
  expect(tally).toMatchObject({ recoveries: 2, failures: [] });
});

test('a torn block has sectors of two versions, and no two blocks are torn', () => {
  const script = new Script(1024).put(0, 1, REQ_META).put(1, 1, REQ_META);
  const states = found(script.recording, [0, 1, 2, 3], true);
  expect(states).toEqual([
    ...['0000', '0001', '0010', '0011'],
    ...['0100', '0111', '1000', '1011'],
    ...['1100', '1101', '1110', '1111'],
  ]);
});

test('a judgement that asks other things when it is run again is refused', () => {
  let times = 0;
  const run = () =>
    forEachCrashState(new Script().put(0, 1).put(1, 1).recording, { mode: 'lazy' }, (image) => {
      valueOf(image, times++ % 2);
    });
  expect(run).toThrow(/judged twice/);
});

test('crash states that two recordings share are judged once', () => {
  const log = new Script().put(0, 1);
  const first = log.recording;
  const second = log.put(1, 1).recording;
  const states = new CrashStates({ mode: 'lazy' }, (image) => {
    valueOf(image, 0);
  });
  states.add(first);
  states.add(second);
  expect(states.tally().recoveries).toBe(2);
});

test('what was the same in one recording is looked at again in another where it is not', () => {
  const log = new Script().put(0, 1);
  const first = log.recording;
  const second = log.put(1, 1).recording;
  const seen = new Set<string>();
  const states = new CrashStates({ mode: 'lazy' }, (image) => {
    seen.add(`${valueOf(image, 0)}${valueOf(image, 1)}`);
  });
  states.add(first);
  expect([...seen]).toEqual(['00', '10']);
  states.add(second);
  expect([...seen].sort()).toEqual(['00', '01', '10', '11']);
});

test('a recording that is longer than it may be is refused, with its length', () => {
  const script = new Script(512, 1024).put(0, 1).put(1, 1).put(2, 1).put(3, 1);
  expect(() => script.recording).toThrow(/ENOMEM.*maxBytes/s);
  expect(valueOf(script.recorder, 3)).toBe(1);
});

test('what was written before a recording began is durable', () => {
  const script = new Script().put(0, 1);
  script.recorder.begin();
  expect(found(script.put(1, 1).recording, [0, 1])).toEqual(['10', '11']);
});
