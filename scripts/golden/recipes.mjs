// @ts-check
/** All golden cases, in the order in which a reader is best served by them. */
import { cases as basic } from './recipes-basic.mjs';

const groups = { 'recipes-basic.mjs': basic };

/** @type {{ recipe: string, kase: import('./case.mjs').Case }[]} */
export const recipes = Object.entries(groups).flatMap(([recipe, cases]) =>
  cases.map((kase) => ({ recipe, kase })),
);
