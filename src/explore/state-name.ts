/**
 * Names of values: two values have the same name only if nobody can tell them apart. Known are
 * plain values, arrays, typed arrays and plain objects, nested but without circles; the rest has no
 * name.
 */
const MAX_DEPTH = 16;

/** @returns null: it has no name */
export function nameOfValue(value: unknown, depth = 0): string | null {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (value === null || value === undefined || typeof value === 'boolean') return String(value);
  if (typeof value !== 'object' || depth === MAX_DEPTH) return null;
  if (Array.isArray(value)) return nameOfParts(value, (v) => nameOfValue(v, depth + 1));
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    return `${value.constructor.name}[${(value as unknown as Int32Array).join()}]`;
  }
  const proto: unknown = Object.getPrototypeOf(value);
  if (proto !== Object.prototype && proto !== null) return null;
  return nameOfParts(Object.entries(value), ([key, v]) => {
    const name = nameOfValue(v, depth + 1);
    return name === null ? null : `${JSON.stringify(key)}:${name}`;
  });
}

function nameOfParts<T>(parts: readonly T[], name: (part: T) => string | null): string | null {
  const names: string[] = [];
  for (const part of parts) {
    const n = name(part);
    if (n === null) return null;
    names.push(n);
  }
  return `[${names.join()}]`;
}

/** Small numbers for what tasks have gone through, the same for the same. */
export class Pasts {
  private readonly numbers = new Map<string, number>();

  /** The number of a past that goes on so. @param past  0: nothing has happened yet */
  after(past: number, event: string): number {
    const name = `${past} ${event}`;
    let number = this.numbers.get(name);
    if (number === undefined) this.numbers.set(name, (number = this.numbers.size + 1));
    return number;
  }
}
