/** `foliofs/explore`: the explorer, for FolioFS and for other people's code. */
export { Dpor, type DporMode, type DporOptions } from './dpor.ts';
export * as model from './program.ts';
export { type Program, ProgramSystem, type Steps } from './program.ts';
export { type Ending, runOnce } from './run.ts';
export { ABANDON, type Search } from './search.ts';
export type { Chooser, Failure, Inspection, Step, System } from './system.ts';
