import { beforeEach, expect, test } from 'vitest';
import { mark, marks, onTrace, trace } from './trace.ts';

beforeEach(() => {
  marks.clear();
});

test('a mark counts how often its place was reached', () => {
  mark('retry');
  mark('retry');
  expect(marks.get('retry')).toBe(2);
  expect(marks.has('other')).toBe(false);
});

test('a listener hears tracepoints in order until it stops, and they count as marks', () => {
  const heard: string[] = [];
  const stop = onTrace((name, facts) => {
    heard.push(`${name} ${String(facts['ino'])}`);
  });
  trace('ext4_sync_file_enter', { ino: 12 });
  trace('ext4_sync_file_exit', { ino: 12 });
  stop();
  trace('ext4_sync_file_enter', { ino: 13 });
  expect(heard).toEqual(['ext4_sync_file_enter 12', 'ext4_sync_file_exit 12']);
  expect(marks.get('ext4_sync_file_enter')).toBe(2);
});
