/**
 * The order in which locks were really taken: nodes are (class, subclass), an edge says that one
 * was wanted while another was held. A strong path back along the edges is a deadlock that some
 * schedule can reach, though none so far did.
 *
 * With readers that no writer keeps out, not every path counts: a step that ends in such a reader
 * does not block a step that begins with a shared hold. Each edge therefore has kinds: is the first
 * lock held exclusively or shared, is the second a recursive reader or not.
 * @source Documentation/locking/lockdep-design.rst, "Recursive read locks"
 */
import { EXCLUSIVE, type LockClass, type LockMode, RECURSIVE, SUBCLASSES } from './lock-class.ts';

export interface LockNode {
  readonly key: number;
  readonly cls: LockClass;
  readonly subclass: number;
  readonly name: string;
  readonly out: Map<LockNode, Edge>;
}
/** Where something was first seen. */
export interface Witness {
  readonly task: string;
  readonly stack: string;
}
export interface Edge {
  readonly from: LockNode;
  readonly to: LockNode;
  /** Bit set of 1 << edgeKind(). */
  kinds: number;
  readonly first: Witness;
}

const FROM_EXCLUSIVE = 1;
const TO_RECURSIVE = 2;
const FROM_EXCLUSIVE_KINDS = (1 << FROM_EXCLUSIVE) | (1 << (FROM_EXCLUSIVE | TO_RECURSIVE));
const TO_BLOCKING_KINDS = (1 << 0) | (1 << FROM_EXCLUSIVE);

export const edgeKind = (held: LockMode, wanted: LockMode): number =>
  (held === EXCLUSIVE ? FROM_EXCLUSIVE : 0) | (wanted === RECURSIVE ? TO_RECURSIVE : 0);

/** A node in the search, and how it was reached. */
interface Reached {
  readonly node: LockNode;
  readonly byRecursive: boolean;
  readonly edge: Edge | null;
  readonly before: Reached | null;
}

export class LockGraph {
  private readonly nodes = new Map<number, LockNode>();

  node(cls: LockClass, subclass: number): LockNode {
    const key = cls.id * SUBCLASSES + subclass;
    let node = this.nodes.get(key);
    if (node === undefined) {
      const name = subclass === 0 ? cls.name : `${cls.name}/${subclass}`;
      this.nodes.set(key, (node = { key, cls, subclass, name, out: new Map() }));
    }
    return node;
  }

  has(from: LockNode, to: LockNode, kind: number): boolean {
    return ((from.out.get(to)?.kinds ?? 0) & (1 << kind)) !== 0;
  }

  add(from: LockNode, to: LockNode, kind: number, witness: () => Witness): Edge {
    let edge = from.out.get(to);
    if (edge === undefined) from.out.set(to, (edge = { from, to, kinds: 0, first: witness() }));
    edge.kinds |= 1 << kind;
    return edge;
  }

  /**
   * The edges from `to` back to `from` that a new edge from -> to of this kind would close to a
   * deadlock; null: there are none.
   */
  closes(from: LockNode, to: LockNode, kind: number): Edge[] | null {
    const heldExclusive = (kind & FROM_EXCLUSIVE) !== 0;
    const seen = new Map<LockNode, boolean>();
    const queue: Reached[] = [
      { node: to, byRecursive: (kind & TO_RECURSIVE) !== 0, edge: null, before: null },
    ];
    // The queue holds each node at most twice: reached by a recursive reader, and otherwise.
    for (let at = 0; at < queue.length; at++) {
      const here = queue[at]!;
      for (const edge of here.node.out.values()) {
        const kinds = here.byRecursive ? edge.kinds & FROM_EXCLUSIVE_KINDS : edge.kinds;
        if (kinds === 0) continue;
        const byRecursive = (kinds & TO_BLOCKING_KINDS) === 0;
        const next: Reached = { node: edge.to, byRecursive, edge, before: here };
        if (edge.to === from && (heldExclusive || !byRecursive)) return pathOf(next);
        const known = seen.get(edge.to);
        if (known === false || known === byRecursive) continue; // Reached as well or better.
        seen.set(edge.to, byRecursive);
        queue.push(next);
      }
    }
    return null;
  }

  edges(): Edge[] {
    return [...this.nodes.values()].flatMap((node) => [...node.out.values()]);
  }
}

function pathOf(end: Reached): Edge[] {
  const path: Edge[] = [];
  for (let r: Reached | null = end; r !== null; r = r.before)
    if (r.edge !== null) path.push(r.edge);
  return path.reverse();
}
