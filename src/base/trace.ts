/**
 * Tracepoints and coverage marks. The tracepoint at the head of a function by which a room is
 * entered is named after both, `mm:filemapRead`: docs/paths/ shows them in order. Both are empty
 * functions where CHECKED is false, which the bundler removes together with their arguments. A
 * call whose facts are dear to gather still stands behind `if (CHECKED)`.
 */

export type TraceFacts = Readonly<Record<string, string | number | boolean>>;
export type TraceListener = (name: string, facts: TraceFacts) => void;

/** How often each mark and tracepoint was reached. A test clears it, acts, and asks `has()`. */
export const marks = new Map<string, number>();
const listeners: TraceListener[] = [];
const NO_FACTS: TraceFacts = {};

/** This place was reached: a named test must reach every `mark()` of a retry branch. */
export function mark(name: string): void {
  if (CHECKED) marks.set(name, (marks.get(name) ?? 0) + 1);
}

/** Something happened that a listener may want to see in order. Counts as a mark too. */
export function trace(name: string, facts: TraceFacts = NO_FACTS): void {
  if (!CHECKED) return;
  mark(name);
  for (const listener of listeners) listener(name, facts);
}

/** Hear every tracepoint from now on. @returns the way to stop */
export function onTrace(listener: TraceListener): () => void {
  listeners.push(listener);
  return () => {
    const at = listeners.indexOf(listener);
    if (at >= 0) listeners.splice(at, 1);
  };
}
