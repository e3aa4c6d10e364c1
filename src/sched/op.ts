/** An operation: a generator that yields only where Linux would sleep. */
export type Wait = null;
export type Op<T> = Generator<Wait, T, void>;
