export interface LockClass { readonly name: string; readonly after: readonly string[]; readonly nest: string | null; readonly spin: boolean; readonly noUser: boolean }
export const lockClasses: LockClass[] = [];
export function lockClass(name: string, o: { after?: readonly string[]; nest?: string; spin?: boolean; noUser?: boolean } = {}): LockClass {
  const c = { name, after: o.after ?? [], nest: o.nest ?? null, spin: o.spin ?? false, noUser: o.noUser ?? false }; lockClasses.push(c); return c;
}
