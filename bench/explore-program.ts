/**
 * `node explore-program.js NAME NUMBER...`: explores one model program to the end, in a process of
 * its own, as the peers of the explorer do, and prints how many behaviours it has.
 */
import { exploreModel } from './explore-models.ts';

const [name = '', ...sizes] = process.argv.slice(2);
process.stdout.write(`${exploreModel(name, sizes.map(Number)).traces}\n`);
