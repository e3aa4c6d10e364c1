// Goal: nothing that fsync or sync has promised is lost with the process. Method: scripts/kill.mjs,
// a few kills of it; thousands are its own command.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { effort, timeLimit } from '../support/effort.ts';
import { haveE2fsprogs } from '../support/judges.ts';

test.runIf(haveE2fsprogs())(
  'a process killed in its work leaves an image with everything that it has promised',
  () => {
    expect(existsSync('dist/index.js'), 'npm run build comes first').toBe(true);
    const runs = String(8 * effort);
    const args = ['scripts/kill.mjs', '--runs', runs, '--seed', '5'];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(stdout + stderr).toContain(`${runs} kills, nothing lost`);
  },
  timeLimit(120_000),
);
