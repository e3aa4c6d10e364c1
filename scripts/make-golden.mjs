// @ts-check
/**
 * Makes the golden images: `node scripts/make-golden.mjs [--check] [--all] [name ...]`
 *
 * Without names every case. `--check` makes them again and compares with the manifest instead of
 * writing. Cases that a kernel makes need root and loop devices, are not the same bytes twice, and
 * are left alone when they exist already unless they are named.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { debugfsTree } from './golden/debugfs-view.mjs';
import { Image } from './golden/image.mjs';
import { kernelTree, mountAnswer, mounted } from './golden/kernel.mjs';
import { pack } from './golden/pack.mjs';
import { readme } from './golden/readme.mjs';
import { recipes } from './golden/recipes.mjs';
import { e2fsprogsVersion, kernelAvailable, kernelVersion, run } from './golden/tools.mjs';
import { formatTree, treeDifferences } from './golden/tree.mjs';

/** @typedef {import('./golden/case.mjs').Case} Case */
/** @typedef {import('./golden/tree.mjs').Tree} Tree */

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const KEPT = join(ROOT, 'test/golden');
const CACHE = join(ROOT, '.cache/golden');
const MANIFEST = join(KEPT, 'manifest.json');
/** A packed image above this is not committed but made on demand. */
const KEEP_LIMIT = 64 * 1024;
const withKernel = kernelAvailable();

/**
 * @typedef {{ recipe: string, about: string, features: readonly string[], file: string, size:
 *   number, packed: number, sha256: string, kept: boolean, reproducible: boolean, tools: string[],
 *   fsck: number }} Entry
 */

/** @returns {Record<string, Entry>} */
const manifest = () => (existsSync(MANIFEST) ? JSON.parse(readFileSync(MANIFEST, 'utf8')) : {});

/** @param {Record<string, Entry>} entries */
function saveManifest(entries) {
  const lines = Object.keys(entries)
    .sort()
    .map((name) => `  ${JSON.stringify(name)}: ${JSON.stringify(entries[name])}`);
  writeFileSync(MANIFEST, `{\n${lines.join(',\n')}\n}\n`);
}

/**
 * Does the kernel answer to a mount as the case says?
 * @param {Case} kase
 * @param {string} image
 */
function checkMount(kase, image) {
  if (!withKernel || kase.noKernel) return;
  for (const [expected, ro] of /** @type {const} */ ([
    [kase.mountErrno, true],
    [kase.mountRwErrno, false],
  ])) {
    if (!expected) continue;
    const copy = `${image}.copy`;
    copyFileSync(image, copy);
    const answer = mountAnswer(copy, ro);
    rmSync(copy);
    if (answer !== expected)
      throw new Error(`mount ${ro ? 'ro' : 'rw'}: ${answer}, not ${expected}`);
  }
}

/**
 * The tree after the journal was replayed, by e2fsck and, where there is one, by the kernel.
 * @param {Case} kase
 * @param {Image} image
 * @returns {{ tree: Tree, differences: string[] }}
 */
function recoveredView(kase, image) {
  const copy = `${image.path}.recovered`;
  copyFileSync(image.path, copy);
  if (!kase.kernelRecovers) run('e2fsck', ['-fy', copy], { status: [0, 1] });
  const debugfs = kase.kernelRecovers ? null : debugfsTree(copy);
  if (debugfs && !withKernel) return { tree: debugfs, differences: [] };
  copyFileSync(image.path, copy);
  const kernel = mounted(copy, { ro: false }, kernelTree);
  const clean = run('e2fsck', ['-fn', copy], { status: [] });
  if (clean.status !== 0) throw new Error(`after the kernel's recovery: ${clean.stdout}`);
  if (!debugfs) {
    // A replay of names gives their directories the time of the replay: nobody can know it.
    for (const node of Object.values(kernel.inodes)) {
      if (node.type === 'dir') Object.assign(node, { mtime: undefined, ctime: undefined });
    }
    return { tree: kernel, differences: [] };
  }
  const source = [...kernel.source, ...debugfs.source];
  return { tree: { ...kernel, source }, differences: treeDifferences(kernel, debugfs, ['atime']) };
}

/**
 * The judges' view of an image, and where they disagree.
 * @param {Case} kase
 * @param {Image} image
 * @returns {{ tree: Tree, differences: string[] }}
 */
function view(kase, image) {
  /** @type {Partial<Tree>} */
  const extra = {};
  const linux = kase.mountErrno ?? kase.mountRwErrno;
  if (kase.refused) extra.refused = { ...kase.refused, ...(linux ? { linux } : {}) };
  if (kase.lookups) extra.lookups = kase.lookups(image);
  if (kase.noTree) return { tree: { source: [], ...extra, inodes: {} }, differences: [] };
  const debugfs = debugfsTree(image.path);
  expectErrors(kase, debugfs);
  if (kase.noKernel || !withKernel) return { tree: { ...debugfs, ...extra }, differences: [] };
  const how = { ro: true, ...(kase.mountOptions ? { options: kase.mountOptions } : {}) };
  const kernel = mounted(image.path, how, kernelTree);
  const differences = treeDifferences(kernel, debugfs, kase.skip);
  for (const [ino, node] of Object.entries(kernel.inodes)) {
    const { flags, generation } = debugfs.inodes[ino] ?? {};
    Object.assign(node, flags === undefined ? {} : { flags, generation });
  }
  const source = [...kernel.source, ...debugfs.source];
  return { tree: { source, ...extra, inodes: kernel.inodes }, differences };
}

/**
 * Where a reader must fail, what debugfs reads is not the truth.
 * @param {Case} kase
 * @param {Tree} tree
 */
function expectErrors(kase, tree) {
  const names = /** @type {Record<string, number>} */ (tree.inodes['2']?.entries ?? {});
  for (const [name, errno] of Object.entries(kase.errors ?? {})) {
    const node = tree.inodes[names[name] ?? 0];
    if (!node) throw new Error(`${kase.name} has no /${name}`);
    node.error = errno;
    delete node.sha256;
    delete node.ranges;
  }
}

/**
 * @param {Case} kase
 * @param {string} recipe
 * @param {Record<string, Entry>} entries
 */
function makeCase(kase, recipe, entries) {
  const dir = mkdtempSync(join(tmpdir(), 'golden-'));
  try {
    const image = new Image(dir);
    kase.make(image);
    const fsck = run('e2fsck', ['-fn', 'image'], { cwd: dir, status: [] });
    if (fsck.status !== (kase.fsck ?? 0)) {
      throw new Error(`e2fsck -fn: exit ${fsck.status}\n${fsck.stdout}${fsck.stderr}`);
    }
    const packed = pack(image.path);
    checkMount(kase, image.path);
    const { tree, differences } = view(kase, image);
    const kept = packed.packed.length <= KEEP_LIMIT;
    const tools = [`e2fsprogs ${e2fsprogsVersion()}`];
    if (image.kernelMade) tools.push(`kernel ${kernelVersion()}`);
    const home = join(KEPT, kase.name);
    mkdirSync(home, { recursive: true });
    const imageHome = kept ? home : join(CACHE, kase.name);
    mkdirSync(imageHome, { recursive: true });
    const recovered = kase.recovers ? recoveredView(kase, image) : null;
    if (recovered) writeFileSync(join(home, 'recovered.json'), formatTree(recovered.tree));
    differences.push(...(recovered?.differences ?? []).map((d) => `recovered: ${d}`));
    const text = formatTree(tree);
    const treeHome = text.length > KEEP_LIMIT && !kept ? imageHome : home;
    writeFileSync(join(imageHome, packed.file), packed.packed);
    if (withKernel || kase.noKernel || !existsSync(join(treeHome, 'tree.json'))) {
      writeFileSync(join(treeHome, 'tree.json'), text);
      writeFileSync(join(home, 'README.md'), readme(kase, image, tree, differences, kept));
    }
    entries[kase.name] = {
      recipe,
      about: kase.about,
      features: kase.features,
      file: packed.file,
      size: packed.size,
      packed: packed.packed.length,
      sha256: packed.sha256,
      kept,
      reproducible: !image.kernelMade,
      tools,
      fsck: fsck.status,
    };
    const size = `${Math.ceil(packed.packed.length / 1024)} kB${kept ? '' : ' (not kept)'}`;
    console.log(`${kase.name}: ${size}, ${differences.length} differences`);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/**
 * Is the image still the one of the manifest?
 * @param {Case} kase
 * @param {Entry | undefined} entry
 */
function checkCase(kase, entry) {
  if (!entry) return 'not in the manifest';
  if (!entry.reproducible) return null;
  const dir = mkdtempSync(join(tmpdir(), 'golden-'));
  try {
    const image = new Image(dir);
    kase.make(image);
    const { sha256 } = pack(image.path);
    return sha256 === entry.sha256 ? null : `sha256 is ${sha256}, the manifest has ${entry.sha256}`;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function main() {
  const args = process.argv.slice(2);
  const check = args.includes('--check');
  const names = args.filter((a) => !a.startsWith('--'));
  const known = new Set(recipes.map(({ kase }) => kase.name));
  const entries = Object.fromEntries(
    Object.entries(manifest()).filter(([name]) => known.has(name)),
  );
  let failed = 0;
  for (const { recipe, kase } of recipes) {
    if (names.length > 0 && !names.includes(kase.name)) continue;
    const existing = entries[kase.name];
    if (kase.needsKernel && (!withKernel || (existing && names.length === 0))) continue;
    try {
      if (check) {
        const fault = checkCase(kase, existing);
        if (fault) throw new Error(fault);
      } else {
        makeCase(kase, recipe, entries);
        saveManifest(entries);
      }
    } catch (error) {
      failed++;
      console.error(`${kase.name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  process.exitCode = failed > 0 ? 1 : 0;
}

main();
