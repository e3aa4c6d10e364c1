// @ts-check
/** docs/linux-map.md: from a place in Linux to ours, made from the `@source` tags. */
import { link } from './markdown.mjs';

/** @typedef {import('./source.mjs').Declaration} Declaration */

const FILE = /^([\w./-]+\.(?:c|h|S|rst))(?:\s*[:(]\s*(.*))?$/;

/**
 * The places that one tag names: `a.c:f(), g(); b.rst, "Section"`.
 * @param {string} tag
 * @returns {[file: string, place: string][]}
 */
export function places(tag) {
  /** @type {[string, string][]} */
  const found = [];
  let file = '';
  let add = '';
  const flush = () => {
    if (file && add === 'file') found.push([file, '']);
    add = '';
  };
  for (const piece of tag.split(/[;,]/).map((p) => p.trim())) {
    const named = piece.match(FILE);
    if (named) {
      flush();
      file = (named[1] ?? '').replace(/^Documentation\//, '');
      add = 'file';
    }
    const place = (named ? (named[2] ?? '') : piece).replace(/^\(|(?<!\()\)$/g, '').trim();
    const isPlace = /^"[^"]+"$|^(?:struct )?[A-Za-z_]\w*\*?(?:\(\))?$/.test(place);
    if (file && isPlace) {
      found.push([file, place]);
      add = '';
    }
  }
  flush();
  return found;
}

/** @param {readonly Declaration[]} declarations */
export function linuxMap(declarations) {
  /** @type {Map<string, Map<string, Set<string>>>} */
  const map = new Map();
  for (const { file, symbol, sources } of declarations) {
    for (const [theirs, place] of sources.flatMap(places)) {
      const rows = map.get(theirs) ?? new Map();
      map.set(theirs, rows);
      const ours = rows.get(place) ?? new Set();
      rows.set(place, ours);
      ours.add(`${link(file, '../')}${symbol ? ` \`${symbol}\`` : ''}`);
    }
  }
  const sections = [...map.keys()].sort().flatMap((theirs) => {
    const rows = [...(map.get(theirs) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
    return [
      `## ${theirs}`,
      '',
      '| theirs | ours |',
      '|---|---|',
      ...rows.map(([place, ours]) => `| ${place || '(the file)'} | ${[...ours].join('<br>')} |`),
      '',
    ];
  });
  return [
    '# From Linux to FolioFS',
    '',
    'Made from the `@source` tags of src/ by `npm run docs`. What is not here has no twin yet.',
    '',
    ...sections,
  ].join('\n');
}
