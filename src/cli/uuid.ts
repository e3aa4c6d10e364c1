/** UUIDs as text and as bytes. @source RFC 9562 */
import { UsageError } from './errors.ts';

export function uuidText(uuid: Uint8Array): string {
  const hex = Buffer.from(uuid).toString('hex');
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)];
  return [...parts, hex.slice(20)].join('-');
}

/** @throws UsageError */
export function parseUuid(text: string): Uint8Array {
  if (!/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(text)) {
    throw new UsageError(`${text}: not a UUID`);
  }
  return new Uint8Array(Buffer.from(text.replaceAll('-', ''), 'hex'));
}

/** A random one, version 4. */
export function randomUuid(random: (n: number) => Uint8Array): Uint8Array {
  const uuid = new Uint8Array(random(16));
  uuid[6] = ((uuid[6] ?? 0) & 0x0f) | 0x40;
  uuid[8] = ((uuid[8] ?? 0) & 0x3f) | 0x80;
  return uuid;
}
