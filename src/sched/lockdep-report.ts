/** lockdep's findings as text, in the shape that readers of kernel logs know. */
import { type Held, type LockMode, modeName } from './lock-class.ts';
import type { Edge, LockNode, Witness } from './lock-graph.ts';

export type ReportKind =
  | 'circular order'
  | 'recursive locking'
  | 'nesting order'
  | 'undeclared edge'
  | 'sleep under spin lock'
  | 'user access'
  | 'not held'
  | 'held at the end';

export interface LockReport {
  readonly kind: ReportKind;
  /** The classes concerned, in the order of the text. */
  readonly classes: readonly string[];
  readonly text: string;
}

const indent = (text: string): string => text.replace(/^/gm, '    ');
const at = (w: Witness): string => `  by ${w.task}, at\n${indent(w.stack)}`;
const lock = (name: string, mode: LockMode): string => `${name} (${modeName(mode)})`;

export const heldText = (held: readonly Held[]): string =>
  held.length === 0
    ? '  (nothing)'
    : held.map((h) => `  ${lock(h.cls.name, h.mode)}${h.trying ? ', by try-lock' : ''}`).join('\n');

/** The two columns for a circle of two; a longer one has the chain above it. */
function scenario(a: string, b: string, direct: boolean): string {
  const via = direct ? '' : '  (through the chain above)';
  const row = (left: string, right: string): string => `  ${left.padEnd(34)}${right}`.trimEnd();
  return [
    row('CPU0', 'CPU1'),
    row(`lock(${a})`, ''),
    row('', `lock(${b})`),
    row('', `lock(${a})  <- blocked${via}`),
    row(`lock(${b})  <- blocked`, ''),
    '  *** DEADLOCK ***',
  ].join('\n');
}

/** `wanted` was asked for while `held` was held, and `path` leads from `wanted` back to `held`. */
export function circularText(
  held: LockNode,
  wanted: LockNode,
  now: Witness,
  path: readonly Edge[],
): string {
  const chain = path.map((e) => `${e.from.name}, then ${e.to.name}: first\n${at(e.first)}`);
  return [
    `lock order goes in a circle: ${held.name} -> ${wanted.name} closes it`,
    `now: ${held.name}, then ${wanted.name}:\n${at(now)}`,
    ...chain,
    scenario(held.name, wanted.name, path.length === 1),
  ].join('\n');
}

export const undeclaredText = (held: LockNode, wanted: LockNode, now: Witness): string =>
  `${wanted.name} is taken under ${held.name}, which its declaration ` +
  `(after: ${wanted.cls.after.join(', ') || 'nothing'}) does not allow\n${at(now)}`;

export const plainText = (what: string, held: readonly Held[], now: Witness): string =>
  `${what}\nheld:\n${heldText(held)}\n${at(now)}`;
