// @ts-check
/** Import rules, computed from layers.mjs. A rule's comment is what the message teaches. */
import { core, layers } from './layers.mjs';

/** A room as a pattern: its folder, or its one file. @param {readonly string[]} names */
const inside = (names) => `^src/(${names.join('|') || '(?!)'})(/|\\.ts$)`;
const TESTS = '\\.(test|fuzz)\\.ts$';

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...Object.entries(layers).map(([room, { may }]) => ({
      name: `${room.replace('/', '-')}-imports`,
      severity: /** @type {const} */ ('error'),
      comment: `${room} may import only: ${may.join(', ') || 'nothing'}. Call up through an ops table (A3).`,
      from: { path: inside([room]), pathNot: TESTS },
      to: { path: '^src/', pathNot: inside([room, ...may]) },
    })),
    {
      name: 'core-is-sealed',
      severity: 'error',
      comment: 'A1: ranks 0-7 import nothing outside src/; time, chance and the host are injected.',
      from: { path: inside(core), pathNot: TESTS },
      to: { pathNot: '^src/' },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      // Between rooms the ranks leave no circle, of types neither. Inside a room two objects that
      // point at each other (inode and super block) may name each other's type: note 0014.
      comment: 'A2: no circle of imports. Inside a room `import type` may close one, values never.',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-tests-in-production',
      severity: 'error',
      comment: 'What only tests use stands under test/.',
      from: { path: '^src/', pathNot: TESTS },
      to: { path: `^test/|${TESTS}` },
    },
    {
      name: 'declared-packages',
      severity: 'error',
      comment: 'Production code uses packages that package.json lists under dependencies.',
      from: { path: '^src/', pathNot: TESTS },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'unknown', 'undetermined'] },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.mjs', '.js'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
    },
  },
};
