// @ts-check
/**
 * `npm run locks`: adds the lock orders that the last test runs saw to docs/locks-seen.json, of
 * which `npm run docs` makes a part of docs/locking.md. With `--check` nothing is written, and an
 * order that is not kept yet fails. That an order is declared, lockdep itself saw to in the test.
 */
import { writeFileSync } from 'node:fs';
import { KEPT, kept, pairOf, seenInRuns } from './docs/locks-seen.mjs';
import { allDeclarations, registries } from './docs/source.mjs';

const { lockClasses } = await registries(allDeclarations());
const declared = new Set([...lockClasses.values()].map((c) => c.name));
const seen = seenInRuns(declared);
const old = kept();
const oldPairs = new Set(old.map(pairOf));
const seenPairs = new Set(seen.map(pairOf));

const fresh = seen.filter((s) => !oldPairs.has(pairOf(s)));
const missed = old.filter((s) => !seenPairs.has(pairOf(s)));
for (const s of missed) console.log(`${pairOf(s)}: not seen by the last runs`);

if (process.argv.includes('--check')) {
  const how = 'run `npm run locks`, then `npm run docs`';
  for (const s of fresh) console.error(`${pairOf(s)} (${s.operation}: ${s.at}): new, ${how}`);
  process.exitCode = fresh.length === 0 ? 0 : 1;
} else {
  const all = [...old, ...fresh].sort((a, b) => (pairOf(a) < pairOf(b) ? -1 : 1));
  const lines = all.map((s) => `  ${JSON.stringify(s)}`);
  writeFileSync(KEPT, `[\n${lines.join(',\n')}\n]\n`);
}
