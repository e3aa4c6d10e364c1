// @ts-check
/** `npm ci`, unless node_modules already is what the lock file asks for. Needs no package. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** @typedef {Record<string, { version?: string, link?: boolean, optional?: boolean }>} Packages */

/** @param {string} file @returns {Packages} */
const packagesOf = (file) => JSON.parse(readFileSync(file, 'utf8')).packages;

/** npm leaves the list of what it installed in node_modules; optional packages may be missing. */
function installed() {
  try {
    const have = packagesOf('node_modules/.package-lock.json');
    return Object.entries(packagesOf('package-lock.json'))
      .filter(([path, { optional }]) => path !== '' && !optional)
      .every(([path, { version }]) => have[path]?.version === version);
  } catch {
    return false;
  }
}

/** @returns {boolean} whether the packages are in place now */
export function install() {
  if (installed()) return true;
  const npm = spawnSync('npm', ['ci', '--include=dev'], { stdio: 'inherit' });
  return npm.status === 0;
}
