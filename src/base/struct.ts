/**
 * On-disk and wire records as tables. A gap, an overlap or a wrong size fails when the module
 * loads; `docs/ondisk/` is made from the same tables.
 *
 *     const ExtentHeader = struct('ext4_extent_header', LE, 12, { eh_magic: u16(0), ... });
 *     ExtentHeader.eh_magic.get(view, at)      // `at`: byte offset of the record in the view
 */
import { unreachable } from './assert.ts';

export const LE = true;
export const BE = false;

/** One field of a record, bound to the record's byte order. */
export interface Field {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  get(view: DataView, at: number): number;
  set(view: DataView, at: number, value: number): void;
}
/** A run of raw bytes: uuid, label, reserved words, an embedded array. */
export interface BytesField {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  /** A view, not a copy. */
  get(view: DataView, at: number): Uint8Array;
  set(view: DataView, at: number, value: Uint8Array): void;
}

type Kind = 'u8' | 'u16' | 'u32' | 'i32' | 'u64' | 'bytes';
export interface FieldSpec<K extends Kind = Kind> {
  readonly kind: K;
  readonly offset: number;
  readonly size: number;
}
const spec =
  <K extends Kind>(kind: K, size: number) =>
  (offset: number): FieldSpec<K> => ({ kind, offset, size });

export const u8 = spec('u8', 1);
export const u16 = spec('u16', 2);
export const u32 = spec('u32', 4);
export const i32 = spec('i32', 4);
/** 64 bits as a number. Above 2^53-1 `get` returns Infinity, which no valid range contains. */
export const u64 = spec('u64', 8);
export const raw = (offset: number, size: number): FieldSpec<'bytes'> => ({
  kind: 'bytes',
  offset,
  size,
});

type Fields<S> = {
  readonly [N in keyof S]: S[N] extends FieldSpec<'bytes'> ? BytesField : Field;
};
export interface StructInfo {
  readonly $name: string;
  readonly $size: number;
  readonly $fields: readonly (Field | BytesField)[];
}
export type Struct<S> = Fields<S> & StructInfo;

/** Every record that was declared, for `docs/ondisk/` and the field-corruption tests. */
export const structs: StructInfo[] = [];

function numberField(name: string, s: FieldSpec, le: boolean): Field {
  const o = s.offset;
  const base = { name, offset: o, size: s.size };
  switch (s.kind) {
    case 'u8':
      return {
        ...base,
        get: (v, at) => v.getUint8(at + o),
        set: (v, at, n) => {
          v.setUint8(at + o, n);
        },
      };
    case 'u16':
      return {
        ...base,
        get: (v, at) => v.getUint16(at + o, le),
        set: (v, at, n) => {
          v.setUint16(at + o, n, le);
        },
      };
    case 'u32':
      return {
        ...base,
        get: (v, at) => v.getUint32(at + o, le),
        set: (v, at, n) => {
          v.setUint32(at + o, n, le);
        },
      };
    case 'i32':
      return {
        ...base,
        get: (v, at) => v.getInt32(at + o, le),
        set: (v, at, n) => {
          v.setInt32(at + o, n, le);
        },
      };
    default: {
      const [lo, hi] = le ? [o, o + 4] : [o + 4, o];
      return {
        ...base,
        get: (v, at) => join64(v.getUint32(at + lo, le), v.getUint32(at + hi, le)),
        set: (v, at, n) => {
          v.setUint32(at + lo, n % 2 ** 32, le);
          v.setUint32(at + hi, Math.floor(n / 2 ** 32), le);
        },
      };
    }
  }
}

/** The number made of two 32-bit halves; Infinity where it passes 2^53-1. */
export function join64(lo: number, hi: number): number {
  return hi < 0x20_0000 ? hi * 2 ** 32 + lo : Infinity;
}

function bytesField(name: string, s: FieldSpec): BytesField {
  return {
    name,
    offset: s.offset,
    size: s.size,
    get: (v, at) => new Uint8Array(v.buffer, v.byteOffset + at + s.offset, s.size),
    set: (v, at, value) => {
      if (value.length !== s.size) unreachable(`${name}: ${value.length} bytes`);
      new Uint8Array(v.buffer, v.byteOffset + at + s.offset, s.size).set(value);
    },
  };
}

/**
 * Declare a record.
 * @param size  bytes of the whole record; the fields must tile 0..size without gap or overlap
 */
export function struct<S extends Record<string, FieldSpec>>(
  name: string,
  littleEndian: boolean,
  size: number,
  specs: S,
): Struct<S> {
  let next = 0;
  const fields: (Field | BytesField)[] = [];
  for (const [field, s] of Object.entries(specs)) {
    if (s.offset !== next) {
      unreachable(`${name}.${field} stands at ${s.offset}, expected ${next}`);
    }
    next += s.size;
    fields.push(s.kind === 'bytes' ? bytesField(field, s) : numberField(field, s, littleEndian));
  }
  if (next !== size) unreachable(`${name} has ${next} bytes, expected ${size}`);
  const byName = Object.fromEntries(fields.map((f) => [f.name, f])) as unknown as Fields<S>;
  const info: StructInfo = { $name: name, $size: size, $fields: fields };
  structs.push(info);
  return { ...byName, ...info };
}
