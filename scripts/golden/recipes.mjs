// @ts-check
/** All golden cases, in the order in which a reader is best served by them. */
import { cases as basic } from './recipes-basic.mjs';
import { cases as map } from './recipes-map.mjs';
import { cases as layout } from './recipes-layout.mjs';
import { cases as names } from './recipes-names.mjs';
import { cases as attrs } from './recipes-attrs.mjs';
import { cases as special } from './recipes-special.mjs';
import { cases as refused } from './recipes-refused.mjs';
import { cases as kernel } from './recipes-kernel.mjs';

const groups = {
  'recipes-basic.mjs': basic,
  'recipes-map.mjs': map,
  'recipes-layout.mjs': layout,
  'recipes-names.mjs': names,
  'recipes-attrs.mjs': attrs,
  'recipes-special.mjs': special,
  'recipes-refused.mjs': refused,
  'recipes-kernel.mjs': kernel,
};

/** @type {{ recipe: string, kase: import('./case.mjs').Case }[]} */
export const recipes = Object.entries(groups).flatMap(([recipe, cases]) =>
  cases.map((kase) => ({ recipe, kase })),
);
