/**
 * How much the random tests do: FOLIOFS_EFFORT=20 does twenty times what a usual run does, with
 * seeds of its own, FOLIOFS_SEED shifts the seeds.
 */
const number = (name: string, otherwise: number): number => {
  const value = Number(process.env[name] ?? otherwise);
  return Number.isFinite(value) && value >= 0 ? value : otherwise;
};

export const effort = number('FOLIOFS_EFFORT', 1);
export const seedShift = number('FOLIOFS_SEED', 0);
/** Milliseconds that a test may take with this effort. */
export const timeLimit = (usual: number): number => usual * Math.max(1, effort);
