// @ts-check
/**
 * `npm run quickstart`: install, build, then the main job on real files through the command line:
 * an ext4 image from a folder of this project, changed, read back, and judged. No root, no service.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { install } from './install.mjs';

const SOURCE = 'src';
const CLI = 'dist/cli/main.js';

/** @param {string} sentence */
const say = (sentence) => console.log(`\n${sentence}`);

/**
 * One command, shown and run; a failure ends the whole.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ input?: string | Buffer, quiet?: boolean }} [options]
 */
function run(command, args, { input = '', quiet = false } = {}) {
  const shown = command === process.execPath ? ['foliofs', ...args.slice(1)] : [command, ...args];
  console.log(`$ ${shown.join(' ')}`);
  const child = spawnSync(command, args, { input, maxBuffer: 2 ** 30 });
  if (child.error) throw child.error;
  if (!quiet) process.stdout.write(child.stdout);
  process.stderr.write(child.stderr);
  if (child.status !== 0) throw new Error(`${shown[0]} ended with ${child.status ?? child.signal}`);
  return child.stdout;
}

/**
 * @param {readonly string[]} args
 * @param {{ input?: string | Buffer, quiet?: boolean }} [options]
 */
const foliofs = (args, options) => run(process.execPath, [CLI, ...args], options);

/** @param {boolean} fact @param {string} what */
function expect(fact, what) {
  if (!fact) throw new Error(`not so: ${what}`);
  console.log(`  ok: ${what}`);
}

/** Regular files below a folder. @param {string} dir */
const filesOf = (dir) =>
  readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((file) =>
    statSync(join(dir, file)).isFile(),
  );

/** e2fsck stands outside the search path of ordinary users on some systems. */
function e2fsck() {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  return spawnSync('e2fsck', ['-V'], { env }).status === 0 ? env.PATH : null;
}

/** @param {string} dir  scratch */
function demo(dir) {
  const image = join(dir, 'demo.img');
  const files = filesOf(SOURCE);

  say(`Build an ext4 image from ${SOURCE}/ (${files.length} files).`);
  foliofs(['build', SOURCE, '-o', image, '--size', 'auto']);
  foliofs(['ls', `${image}:/`]);

  say('Change it.');
  const text = 'written through FolioFS\n'.repeat(1000);
  foliofs(['mkdir', '-p', `${image}:/notes/today`]);
  foliofs(['write', `${image}:/notes/today/draft`], { input: text });
  foliofs(['mv', `${image}:/notes/today/draft`, `${image}:/notes/final`]);
  foliofs(['cp', 'README.md', `${image}:/notes/README.md`]);
  foliofs(['chmod', '600', `${image}:/notes/final`]);
  foliofs(['ln', '-s', 'final', `${image}:/notes/link`]);
  foliofs(['rm', '-r', `${image}:/notes/today`]);

  say('Read it back.');
  foliofs(['tree', `${image}:/notes`]);
  const back = foliofs(['cat', `${image}:/notes/link`], { quiet: true });
  expect(back.equals(Buffer.from(text)), 'the text reads back through the symlink');
  foliofs(['extract', image, '-o', join(dir, 'out')]);
  const same = (/** @type {string} */ file) =>
    readFileSync(join(SOURCE, file)).equals(readFileSync(join(dir, 'out', file)));
  expect(files.every(same), `all ${files.length} files come out byte for byte`);

  say('Judge it.');
  foliofs(['check', image]);
  const path = e2fsck();
  if (path === null) say('e2fsck is not installed: no outside judge this time.');
  else {
    process.env['PATH'] = path;
    run('e2fsck', ['-fn', image]);
  }
  kernelView(image, dir);
}

/**
 * Where the kernel can mount the image, its view is compared with the files themselves.
 * @param {string} image @param {string} dir
 */
function kernelView(image, dir) {
  const at = join(dir, 'kernel');
  mkdirSync(at);
  if (spawnSync('mount', ['-t', 'ext4', '-o', 'loop,ro', image, at]).status !== 0) {
    say('The kernel cannot mount the image here (that takes root and loop devices).');
    return;
  }
  try {
    say('And as the kernel sees it, mounted:');
    const files = filesOf(SOURCE);
    const same = files.every((f) =>
      readFileSync(join(SOURCE, f)).equals(readFileSync(join(at, f))),
    );
    expect(same, `all ${files.length} files are the same to the byte`);
    const mode = statSync(join(at, 'notes/final')).mode & 0o777;
    expect(mode === 0o600, 'the changed mode is there');
  } finally {
    spawnSync('umount', [at]);
  }
}

process.chdir(join(import.meta.dirname, '..'));
if (!install()) throw new Error('npm ci failed');
run('npm', ['run', '--silent', 'build']);
const scratch = mkdtempSync(join(tmpdir(), 'foliofs-quickstart-'));
try {
  demo(scratch);
  say('Done: built, changed, read back, checked.');
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
