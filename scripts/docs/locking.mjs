// @ts-check
/** docs/locking.md: the declared lock classes, and the order that they declare. */
import ts from 'typescript';
import { cell, link } from './markdown.mjs';

/** @typedef {import('./source.mjs').Declaration} Declaration */
/** @typedef {import('./source.mjs').LockClass} LockClass */

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
 */
export function locking(declarations, lockClasses) {
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
  ].join('\n');
}
