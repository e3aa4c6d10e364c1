// @ts-check
/**
 * What kill.mjs kills: writes files of an image for ever, and says on standard output what it is
 * about to do ("begin") and what is durable ("done"), a JSON line each.
 *
 *     node scripts/kill-worker.mjs IMAGE SEED
 */
import { writeSync } from 'node:fs';

const built = new URL('../dist/index.js', import.meta.url).href;
/** @type {typeof import('../src/index.ts')} */
const { openSync } = await import(built);

const FILES = 24;
const [image = '', seedText = '1'] = process.argv.slice(2);

/** A generator of small numbers: the run can be told by its seed. */
let state = Number(seedText) >>> 0 || 1;
/** @param {number} n */
const below = (n) => {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  state >>>= 0;
  return state % n;
};

/** @param {object} line  written at once: what was said is said before the kill */
const say = (line) => writeSync(1, `${JSON.stringify(line)}\n`);

const volume = openSync(image, { cacheSize: 8 << 20, options: 'commit=1' });
const { fs } = volume;
fs.mkdirSync('/d', { recursive: true });
volume.syncSync();
say({ ready: true });

/** Noise that nobody waits for: it may be there afterwards or not. */
function noise() {
  const name = `/d/n${below(40)}`;
  try {
    if (below(3) === 0) fs.rmSync(name, { recursive: true, force: true });
    else if (below(4) === 0) fs.mkdirSync(name);
    else if (below(2) === 0) fs.renameSync(name, `/d/n${below(40)}`);
    else fs.writeFileSync(name, Buffer.alloc(below(60_000), 7));
  } catch {
    // A name that is not there, or is a directory: noise all the same.
  }
}

for (;;) {
  const path = `/f${below(FILES)}`;
  const size = below(4) === 0 ? below(400_000) : below(9000);
  const fill = 1 + below(255);
  for (let i = below(4); i > 0; i--) noise();
  switch (below(5)) {
    case 0:
      say({ begin: path, gone: true });
      fs.rmSync(path, { force: true });
      volume.syncSync();
      say({ done: path, gone: true });
      break;
    case 1: {
      // Written beside, then renamed over: never anything in between.
      say({ begin: path, size, fill, atomic: true });
      fs.writeFileSync('/temporary', Buffer.alloc(size, fill), { flush: true });
      fs.renameSync('/temporary', path);
      const fd = fs.openSync('/', 'r');
      fs.fsyncSync(fd);
      fs.closeSync(fd);
      say({ done: path, size, fill });
      break;
    }
    default:
      say({ begin: path, size, fill });
      fs.writeFileSync(path, Buffer.alloc(size, fill), { flush: true });
      say({ done: path, size, fill });
  }
}
