/**
 * The questions of five mailing-list threads as small programs, a few locks and values each: what
 * is argued about there, and nothing else. Each is decided completely in a few milliseconds, and
 * shows what to look for in the real thing. A variant replaces one function of the right program.
 */
import type { Program } from '../program.ts';

export interface Model {
  /** Number of the thread. */
  readonly thread: string;
  readonly question: string;
  /** What is right. */
  readonly right: Program;
  /** What was proposed and is wrong, or was there. */
  readonly wrong: Readonly<Record<string, Program>>;
}

/** Any program, whatever its state. */
export const anyState = <S>(program: Program<S>): Program => program as unknown as Program;
