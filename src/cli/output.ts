/**
 * Standard output and standard input, synchronously: the work is synchronous, so nothing may queue
 * up in memory behind it. Names go out as the bytes they are.
 */
import { readSync, writeSync } from 'node:fs';
import { type Name, nameToText } from '../base/name.ts';
import { NodeClock } from '../platform/node/clock.ts';

const LIMIT = 1 << 16;
/** What a shell reports for a process ended by SIGPIPE. */
const SIGPIPE_STATUS = 141;

let pending: Uint8Array[] = [];
let size = 0;

const clock = new NodeClock();
const pause = (ms: number): void => {
  clock.after(ms, () => undefined);
  clock.waitDue();
};

function writeAll(fd: number, data: Uint8Array): void {
  for (let done = 0; done < data.length;) {
    try {
      done += writeSync(fd, data, done, data.length - done);
    } catch (e) {
      const { code } = e as { code?: string };
      if (code === 'EAGAIN') pause(1);
      else if (code === 'EPIPE') process.exit(SIGPIPE_STATUS);
      else throw e;
    }
  }
}

/** Bytes to standard output, now. */
export function writeBytes(data: Uint8Array): void {
  flushOutput();
  writeAll(1, data);
}

/** Text, one char a byte, to standard output, soon. */
function queue(data: Uint8Array): void {
  pending.push(data);
  size += data.length;
  if (size >= LIMIT) flushOutput();
}

export function flushOutput(): void {
  if (size === 0) return;
  const data = Buffer.concat(pending, size);
  pending = [];
  size = 0;
  writeAll(1, data);
}

/** A line that holds byte strings only (names, ASCII). */
export const printName = (line: string, end = '\n'): void => {
  queue(Buffer.from(line + end, 'latin1'));
};
/** A line of text. */
export const print = (line: string): void => {
  queue(Buffer.from(`${line}\n`, 'utf8'));
};
export const printJson = (value: object): void => {
  print(JSON.stringify(value));
};

/** A line of text to standard error; what was printed before it comes out before it. */
export function printError(line: string): void {
  flushOutput();
  writeAll(2, Buffer.from(`${line}\n`, 'utf8'));
}

/** A name for JSON: text, and its bytes in hexadecimal where the text cannot say them. */
export function jsonName(key: string, name: Name): Record<string, string> {
  const text = nameToText(name);
  if (!text.includes('\ufffd')) return { [key]: text };
  return { [key]: text, [`${key}Hex`]: Buffer.from(name, 'latin1').toString('hex') };
}

/** A name for a terminal's eyes: no control characters that could play tricks. */
export const printable = (name: Name): string =>
  process.stdout.isTTY ? name.replace(/[\u0000-\u001f\u007f]/g, '?') : name;

/** Bytes of standard input; 0 at its end. */
export function readInput(into: Uint8Array): number {
  for (;;) {
    try {
      return readSync(0, into, 0, into.length, null);
    } catch (e) {
      const { code } = e as { code?: string };
      if (code === 'EOF') return 0;
      if (code !== 'EAGAIN') throw e;
      pause(5);
    }
  }
}
