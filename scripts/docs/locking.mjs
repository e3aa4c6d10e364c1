// @ts-check
/** docs/locking.md: the declared lock classes, the order that they declare, and what was seen. */
import ts from 'typescript';
import { KEPT, pairOf } from './locks-seen.mjs';
import { cell, link } from './markdown.mjs';

/** @typedef {import('./source.mjs').Declaration} Declaration */
/** @typedef {import('./source.mjs').LockClass} LockClass */
/** @typedef {import('./locks-seen.mjs').Seen} Seen */

/** @param {Declaration} d */
const declaredName = (d) => {
  const name = d.call?.arguments[0];
  return name && ts.isStringLiteral(name) ? name.text : '';
};

/**
 * The names before a class; `*` means that it may be taken under anything. @param {LockClass |
 * undefined} c
 */
const outer = (c) => c?.after.filter((name) => name !== '*') ?? [];

/**
 * Longest chain of locks that may be held when this one is taken.
 * @param {ReadonlyMap<string, LockClass>} classes
 * @returns {(name: string) => number}
 */
function depths(classes) {
  /** @type {Map<string, number>} */
  const known = new Map();
  /** @type {(name: string, chain: readonly string[]) => number} */
  const depth = (name, chain) => {
    if (chain.includes(name)) {
      throw new Error(`The declared order is a circle: ${[...chain, name].join(' -> ')}`);
    }
    const before = known.get(name);
    if (before !== undefined) return before;
    const parents = outer(classes.get(name));
    const value = parents.reduce((max, p) => Math.max(max, depth(p, [...chain, name]) + 1), 0);
    known.set(name, value);
    return value;
  };
  return (name) => depth(name, []);
}

/**
 * All names that may be held when a class is taken: those it names, and those before them.
 * @param {ReadonlyMap<string, LockClass>} classes
 * @param {string} name
 */
function allOuter(classes, name) {
  /** @type {Set<string>} */
  const all = new Set();
  const todo = [...outer(classes.get(name))];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    if (all.has(next)) continue;
    all.add(next);
    todo.push(...outer(classes.get(next)));
  }
  return all;
}

/**
 * Does the declared order allow what was seen? @param {ReadonlyMap<string, LockClass>} classes
 * @param {Seen} s
 */
function allowed(classes, s) {
  const [from, to] = [s.from, s.to].map((name) => classes.get(name.replace(/\/\d$/, '')));
  if (!from || !to) return false;
  if (from === to || from.pseudo || to.pseudo || to.after.includes('*')) return true;
  return allOuter(classes, to.name).has(from.name);
}

/**
 * What test runs saw, and what they never saw though it is declared.
 * @param {ReadonlyMap<string, LockClass>} classes
 * @param {readonly LockClass[]} order
 * @param {readonly Seen[]} seen
 */
function seenPart(classes, order, seen) {
  const wrong = seen.filter((s) => !allowed(classes, s));
  if (wrong.length > 0) {
    throw new Error(`${KEPT}: not in the declared order: ${wrong.map(pairOf).join('; ')}`);
  }
  const pairs = new Set(seen.map(pairOf));
  const unseen = order.flatMap((c) =>
    outer(c)
      .filter((name) => classes.has(name) && !pairs.has(`${name} -> ${c.name}`))
      .map((name) => `\`${name}\` -> \`${c.name}\``),
  );
  const rank = new Map(order.map((c, i) => [c.name, i]));
  /** @param {string} name */
  const at = (name) => rank.get(name.replace(/\/\d$/, '')) ?? order.length;
  const rows = [...seen]
    .sort((a, b) => at(a.from) - at(b.from) || at(a.to) - at(b.to) || (a.to < b.to ? -1 : 1))
    .map((s) => `| \`${s.from}\` | \`${s.to}\` | ${cell(s.operation)} | ${cell(s.at)} |`);
  return [
    '## Seen',
    '',
    'Orders that the tests took, directly after one another, each with one witness; `/n` is a',
    'subclass. lockdep fails the test that takes an order which is not declared; `npm run verify`',
    'fails on one that is not in this table (`npm run locks` adds it).',
    '',
    '| held | taken under it | operation | in |',
    '|---|---|---|---|',
    ...rows,
    '',
    ...(unseen.length > 0
      ? [
          'Declared, but never seen one right after the other:',
          '',
          ...unseen.map((u) => `- ${u}`),
          '',
        ]
      : []),
  ];
}

/** @param {LockClass} c */
function rules(c) {
  const nest = c.nest === null ? [] : [`several at once: by ${c.nest}`];
  const spin = c.spin ? ['never held over a sleep'] : [];
  const user = c.noUser ? ['no user memory is touched while it is held'] : [];
  const wait = c.pseudo ? ['stands for a wait, not for a lock'] : [];
  return [...nest, ...spin, ...user, ...wait].join('; ');
}

/**
 * @param {readonly Declaration[]} declarations
 * @param {readonly LockClass[]} lockClasses
 * @param {readonly Seen[]} [seen]
 */
export function locking(declarations, lockClasses, seen = []) {
  const classes = new Map(lockClasses.map((c) => [c.name, c]));
  const depth = depths(classes);
  const order = [...classes.values()].sort(
    (a, b) => depth(a.name) - depth(b.name) || (a.name < b.name ? -1 : 1),
  );
  const tree = order.map((c) => {
    const names = c.after.map((name) => (name === '*' ? 'anything' : name)).join(', ');
    const after = names ? `  (after ${names})` : '';
    return `${'  '.repeat(depth(c.name))}${c.name}${after}`;
  });
  const rows = order.map((c) => {
    const d = declarations.find((x) => declaredName(x) === c.name);
    const where = d ? link(d.file, '../') : '';
    return `| \`${c.name}\` | ${where} | ${cell(d?.doc ?? '')} | ${rules(c)} |`;
  });
  const unknown = new Set(order.flatMap(outer).filter((name) => !classes.has(name)));
  return [
    '# Lock order',
    '',
    'Declared beside the owner of each lock with `lockClass()`; made from there by `npm run docs`.',
    'A lock further right may be taken while those that it names are held, never the reverse.',
    '',
    '```',
    ...tree,
    '```',
    '',
    '| class | declared in | guards | rules |',
    '|---|---|---|---|',
    ...rows,
    '',
    ...(unknown.size > 0
      ? [`Named in an order, but declared by nobody yet: ${[...unknown].sort().join(', ')}.`, '']
      : []),
    ...(seen.length > 0 ? seenPart(classes, order, seen) : []),
  ].join('\n');
}
