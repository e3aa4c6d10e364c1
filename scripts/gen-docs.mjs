// @ts-check
/**
 * Makes the documents that the code is the source of: docs/ondisk/, docs/locking.md,
 * docs/linux-map.md and the rooms of ARCHITECTURE.md. With `--check` nothing is written, and the
 * exit status says whether a document is stale.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { linuxMap } from './docs/linux-map.mjs';
import { locking } from './docs/locking.mjs';
import { kept } from './docs/locks-seen.mjs';
import { ondisk } from './docs/ondisk.mjs';
import { rooms } from './docs/rooms.mjs';
import { allDeclarations, registries } from './docs/source.mjs';

const NOTICE = '<!-- Made by `npm run docs`; edit the code instead. -->\n\n';
const ARCHITECTURE = 'ARCHITECTURE.md';

/**
 * A document with one part of it made anew.
 * @param {string} file
 * @param {string} part
 * @param {string} text
 */
function withPart(file, part, text) {
  const [begin, end] = [`<!-- ${part}:begin -->`, `<!-- ${part}:end -->`];
  const old = readFileSync(file, 'utf8');
  const [from, to] = [old.indexOf(begin), old.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${file}: needs ${begin} ... ${end}`);
  return `${old.slice(0, from + begin.length)}\n${text}\n${old.slice(to)}`;
}

async function documents() {
  const declarations = allDeclarations();
  const { structs, lockClasses } = await registries(declarations);
  const made = ondisk(declarations, structs);
  made.set('docs/locking.md', locking(declarations, [...lockClasses.values()], kept()));
  made.set('docs/linux-map.md', linuxMap(declarations));
  const out = new Map([...made].map(([file, text]) => [file, `${NOTICE}${text.trimEnd()}\n`]));
  return out.set(ARCHITECTURE, withPart(ARCHITECTURE, 'rooms', rooms()));
}

const check = process.argv.includes('--check');
const wanted = await documents();
const pages = existsSync('docs/ondisk') ? readdirSync('docs/ondisk') : [];
const orphans = pages.map((page) => `docs/ondisk/${page}`).filter((page) => !wanted.has(page));
const changed = [...wanted]
  .filter(([file, text]) => !existsSync(file) || readFileSync(file, 'utf8') !== text)
  .map(([file]) => file);
const stale = [...orphans, ...changed];

if (check) {
  for (const file of stale) console.error(`${file}: stale, run \`npm run docs\``);
  process.exitCode = stale.length === 0 ? 0 : 1;
} else {
  for (const file of orphans) rmSync(file);
  for (const file of changed) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, wanted.get(file) ?? '');
  }
}
