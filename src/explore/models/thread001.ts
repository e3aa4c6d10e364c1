/**
 * A sequence counter for extents: who uses a mapping later compares the counter, and believes that
 * the mapping is still true if it has not moved. If two tasks advance it without a lock, an advance
 * can be lost, and the counter even goes back:
 *
 *     CPU0  loads an extent      CPU1  changes the mapping twice      CPU2  uses it
 *      x = seq (0)
 *                                 seq = 1, mapping = 1
 *                                                                      seq 1, mapping 1
 *                                 seq = 2, mapping = 2
 *      seq = x + 1 (1)
 *                                                                      seq is 1: mapping 1 is true?
 */
import { lock, type Program, read, type Steps, unlock, write } from '../program.ts';
import { anyState, type Model } from './model.ts';

const [DATA_SEM, ES_LOCK] = [0, 1];
const [SEQ, MAPPING] = [8, 9];

interface Extents {
  seq: number;
  mapping: number;
  stale: boolean;
}
type Advance = (e: Extents) => Steps;

/** `WRITE_ONCE(seq, READ_ONCE(seq) + 1)`, under no lock of its own. */
function* advanceBare(e: Extents): Steps {
  yield read(SEQ);
  const x = e.seq;
  yield write(SEQ);
  e.seq = x + 1;
}

function* advanceLocked(e: Extents): Steps {
  yield lock(ES_LOCK);
  yield* advanceBare(e);
  yield unlock(ES_LOCK);
}

/** i_data_sem is held for reading only, which keeps no other loader out: it is left out here. */
function* load(e: Extents, advance: Advance): Steps {
  yield* advance(e);
}

function* change(e: Extents, advance: Advance): Steps {
  for (let n = 1; n <= 2; n++) {
    yield lock(DATA_SEM);
    yield* advance(e);
    yield write(MAPPING);
    e.mapping = n;
    yield unlock(DATA_SEM);
  }
}

/** Maps, and later asks under the lock whether that is still true. */
function* use(e: Extents): Steps {
  yield lock(DATA_SEM);
  yield read(SEQ);
  const { seq } = e;
  yield read(MAPPING);
  const { mapping } = e;
  yield unlock(DATA_SEM);
  yield lock(DATA_SEM);
  yield read(SEQ);
  const same = e.seq === seq;
  yield read(MAPPING);
  if (same && e.mapping !== mapping) e.stale = true;
  yield unlock(DATA_SEM);
}

const extents = (advance: Advance): Program<Extents> => ({
  locks: 2,
  objects: {
    [DATA_SEM]: 'i_data_sem',
    [ES_LOCK]: 'i_es_lock',
    [SEQ]: 'i_es_seq',
    [MAPPING]: 'mapping',
  },
  names: ['load an extent', 'change the mapping', 'use a mapping'],
  init: () => ({ seq: 0, mapping: 0, stale: false }),
  tasks: (e) => [load(e, advance), change(e, advance), use(e)],
  sees: (e, object) => (object === SEQ ? e.seq : e.mapping),
  check: (e) => !e.stale || 'the counter is the same, the mapping is not',
});

export const thread001: Model = {
  thread: '001',
  question: 'where must the sequence counter advance, and can an advance be lost?',
  right: anyState(extents(advanceLocked)),
  wrong: { 'advance under no lock': anyState(extents(advanceBare)) },
};
