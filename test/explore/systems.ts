/** Model programs by name, for threads: what they explore is made anew in each. */
import { type Program, ProgramSystem } from '../../src/explore/program.ts';
import type { System } from '../../src/explore/system.ts';
import * as programs from './programs.ts';

export function systemNamed(name: string, ...sizes: number[]): System {
  const make = (programs as unknown as Record<string, (...sizes: number[]) => Program>)[name];
  if (make === undefined) throw new RangeError(`no program ${name}`);
  return new ProgramSystem(make(...sizes));
}
