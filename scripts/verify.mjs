// @ts-check
/**
 * `npm run verify`: install, build, every check and every test; ends with `N passed, N failed`.
 * `npm run check` (argument `check`): the checks alone. A step counts as one; so does each test.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { install } from './install.mjs';

const REPORT = '.cache/vitest.json';
const CHECKS = ['format:check', 'types', 'lint', 'layers', 'docs:check'];

let passed = 0;
let failed = 0;

/** @param {string} name @param {() => boolean} step */
function run(name, step) {
  const start = performance.now();
  const ok = step();
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  if (ok) passed++;
  else failed++;
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`);
  return ok;
}

/** @param {string} script  of package.json */
const npmRun = (script) => () =>
  spawnSync('npm', ['run', '--silent', script], { stdio: 'inherit' }).status === 0;

/** @param {string[]} args */
function vitest(args) {
  mkdirSync('.cache', { recursive: true });
  rmSync(REPORT, { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${REPORT}`];
  const bin = 'node_modules/vitest/vitest.mjs';
  const { status } = spawnSync(process.execPath, [bin, 'run', ...reporters, ...args], {
    stdio: 'inherit',
  });
  count(status === 0);
}

/** Adds the report of the test run to the sum. @param {boolean} ok  what the runner says of it */
function count(ok) {
  /** @type {Report} */
  let report;
  try {
    report = JSON.parse(readFileSync(REPORT, 'utf8'));
  } catch {
    console.log('FAILED tests: the run left no report');
    failed++;
    return;
  }
  passed += report.numPassedTests;
  const skipped = report.numPendingTests + report.numTodoTests;
  if (skipped > 0) console.log(`${skipped} skipped: what they need is not on this machine`);
  // A file that does not load has no test to fail, but it is a failure.
  const unloaded = report.testResults.filter(isUnloaded);
  for (const { name } of unloaded) console.log(`FAILED to load ${name}`);
  const broken = report.numFailedTests + unloaded.length;
  // An error outside every test fails the run alone.
  failed += broken === 0 && !ok ? 1 : broken;
}

/**
 * What of vitest's report is used here.
 * @typedef {object} Report
 * @property {number} numPassedTests
 * @property {number} numFailedTests
 * @property {number} numPendingTests  skipped
 * @property {number} numTodoTests
 * @property {File[]} testResults
 */
/** @typedef {{ name: string, status: string, assertionResults: { status: string }[] }} File */
/** @param {File} file */
const isUnloaded = (file) =>
  file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed');

const checksOnly = process.argv[2] === 'check';
if (run('install', install)) {
  if (!checksOnly) run('build', npmRun('build'));
  for (const check of CHECKS) run(check, npmRun(check));
  if (checksOnly) {
    vitest(['test/architecture/tidy.test.ts']);
  } else {
    // Only what this run sees of the locks counts.
    rmSync('.cache/locks', { recursive: true, force: true });
    vitest([]);
    run('locks:check', npmRun('locks:check'));
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
