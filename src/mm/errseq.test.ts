import { expect, test } from 'vitest';
import { errno } from '../base/errno.ts';
import { ErrSeq } from './errseq.ts';

const EIO = errno('EIO');

test('each opener is told once', () => {
  const seq = new ErrSeq();
  const a = { wbErr: seq.sample() };
  const b = { wbErr: seq.sample() };
  seq.set(EIO);
  expect([seq.checkAndAdvance(a), seq.checkAndAdvance(a)]).toEqual([EIO, null]);
  expect([seq.checkAndAdvance(b), seq.checkAndAdvance(b)]).toEqual([EIO, null]);
});

test('who opens after an error that nobody has seen is told of it, after a seen one not', () => {
  const seq = new ErrSeq();
  seq.set(EIO);
  const late = { wbErr: seq.sample() };
  expect(seq.checkAndAdvance(late)).toBe(EIO);
  const later = { wbErr: seq.sample() };
  expect(seq.checkAndAdvance(later)).toBe(null);
  seq.set(errno('ENOSPC'));
  expect(seq.checkAndAdvance(later)?.code).toBe('ENOSPC');
});
