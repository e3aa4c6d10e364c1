// @ts-check
/**
 * Kill a process that writes an image, in the middle of its work, many times over; after each kill
 * the image must be recoverable, in order, and hold everything that was durable.
 *
 *     node scripts/kill.mjs [--runs N] [--seed S]        (after npm run build)
 *
 * Goal: nothing that fsync or sync has promised is lost with the process. Method: the worker says
 * what it begins and what is durable; SIGKILL comes at a time left to chance; a copy is recovered
 * by e2fsck and judged by `e2fsck -fn`, the image itself by us, every promised file compared. The
 * same image goes on to the next run, and every fourth one is worked on by the kernel in between
 * where that is possible.
 */
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const built = new URL('../dist/index.js', import.meta.url).href;
/** @type {typeof import('../src/index.ts')} */
const { mkfsSync, openSync } = await import(built);

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '20' }, seed: { type: 'string', default: '1' } },
});
const runs = Number(values.runs);
let chance = Number(values.seed) >>> 0 || 1;
/** @param {number} n */
const below = (n) => {
  chance = (Math.imul(chance, 1_103_515_245) + 12_345) >>> 0;
  return (chance >>> 8) % n;
};

/** @typedef {{ size: number, fill: number } | { gone: true }} State */
/** What is known of each file: the states that it may be in. @type {Map<string, State[]>} */
const known = new Map();
/** Written in place and cut off: any mixture of old and new is possible. @type {Set<string>} */
const mixed = new Set();

/** @param {string} text */
function learn(text) {
  for (const line of text.split('\n')) {
    if (!line.endsWith('}')) continue;
    const said = JSON.parse(line);
    const path = said.begin ?? said.done;
    if (!path) continue;
    /** @type {State} */
    const next = said.gone ? { gone: true } : { size: said.size, fill: said.fill };
    if (said.done) {
      known.set(path, [next]);
      mixed.delete(path);
    } else {
      known.set(path, [...(known.get(path) ?? [{ gone: true }]), next]);
      if (!said.atomic && !said.gone) mixed.add(path);
    }
  }
}

/** @param {string} program @param {readonly string[]} args */
function ask(program, args) {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return { status: status ?? -1, output: stdout + stderr };
}

/** @param {string} what @param {string} output */
function fail(what, output) {
  throw new Error(`seed ${values.seed}: ${what}\n${output}`);
}

/** Run the worker and kill it. @param {string} image @param {number} ms after it was ready */
const work = (image, ms) =>
  new Promise((resolve, reject) => {
    const args = ['scripts/kill-worker.mjs', image, String(below(2 ** 31))];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    let errors = '';
    child.stdout.on('data', (data) => {
      if (said === '') setTimeout(() => child.kill('SIGKILL'), ms);
      said += data;
    });
    child.stderr.on('data', (data) => (errors += data));
    child.on('exit', (_code, signal) => {
      if (signal === 'SIGKILL') resolve(said);
      else reject(new Error(`the worker ended by itself: ${errors}`));
    });
  });

/** @param {string} image */
function judge(image) {
  const copy = `${image}.copy`;
  copyFileSync(image, copy);
  const preen = ask('e2fsck', ['-fp', copy]);
  if (preen.status > 1) fail('e2fsck cannot recover it', preen.output);
  const check = ask('e2fsck', ['-fn', copy]);
  if (check.status !== 0) fail('not in order after the recovery of e2fsck', check.output);
  compare(copy, 'recovered by e2fsck');
  compare(image, 'recovered by us');
  const ours = ask('e2fsck', ['-fn', image]);
  if (ours.status !== 0) fail('not in order after our recovery', ours.output);
}

/** @param {string} image @param {string} how */
function compare(image, how) {
  const volume = openSync(image);
  try {
    for (const [path, states] of known) {
      const there = volume.fs.existsSync(path);
      const content = there ? /** @type {Buffer} */ (volume.fs.readFileSync(path)) : null;
      /** @param {State} s */
      const fits = (s) =>
        'gone' in s
          ? content === null
          : content?.length === s.size && content.every((byte) => byte === s.fill);
      if (states.some(fits)) continue;
      if (mixed.has(path) && content && inPart(content, states)) continue;
      const first = content?.subarray(0, 8).toString('hex');
      const seen = content ? `${content.length} bytes, ${first}...` : 'nothing';
      fail(`${path}, ${how}: ${seen}`, `allowed: ${JSON.stringify(states)}`);
    }
  } finally {
    volume.closeSync();
  }
}

/** Bytes of its own past and future, or of a hole, but nobody else's. @param {Buffer} content @param {State[]} states */
function inPart(content, states) {
  const allowed = new Set([0, ...states.map((s) => ('gone' in s ? 0 : s.fill))]);
  const most = Math.max(0, ...states.map((s) => ('gone' in s ? 0 : s.size)));
  return content.length <= most && content.every((byte) => allowed.has(byte));
}

/** The kernel's turn: it recovers, and leaves something of its own. @param {string} image */
function kernelTurn(image) {
  const at = `${image}.mnt`;
  mkdirSync(at);
  const mounted = ask('mount', ['-t', 'ext4', '-o', 'loop', image, at]);
  if (mounted.status === 0) {
    ask('sh', ['-c', `mkdir -p ${at}/k && date > ${at}/k/$$`]);
    const { status, output } = ask('umount', [at]);
    if (status !== 0) fail('the kernel does not let go', output);
  }
  rmSync(at, { recursive: true });
}

const dir = mkdtempSync(join(tmpdir(), 'foliofs-kill-'));
try {
  const image = join(dir, 'image');
  for (let run = 0; run < runs; run++) {
    if (run % 25 === 0) {
      rmSync(image, { force: true });
      known.clear();
      mixed.clear();
      mkfsSync(image, { size: 48 << 20, blockSize: run % 50 === 0 ? 4096 : 1024, journalSize: 4 });
    }
    learn(await work(image, 20 + below(400)));
    if (run % 4 === 3) kernelTurn(image);
    judge(image);
    // What was left open is settled now, one way or the other: the next run starts from there.
    settle(image);
  }
  console.log(`${runs} kills, nothing lost`);
} finally {
  rmSync(dir, { recursive: true, force: true });
}

/** @param {string} image */
function settle(image) {
  const volume = openSync(image, { readOnly: true });
  for (const path of [...known.keys()]) {
    if (!volume.fs.existsSync(path)) {
      known.set(path, [{ gone: true }]);
    } else {
      const content = /** @type {Buffer} */ (volume.fs.readFileSync(path));
      const [fill = 0] = content;
      const whole = content.every((byte) => byte === fill);
      // A mixture is nobody's promise: any state may follow, and this one may stay.
      if (whole) known.set(path, [{ size: content.length, fill }]);
      else known.delete(path);
    }
    mixed.delete(path);
  }
  volume.closeSync();
}
