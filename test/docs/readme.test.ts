/** The example of README.md, exactly as it stands there, prints what README.md says. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { expect, onTestFinished, test } from 'vitest';

const root = new URL('../..', import.meta.url).pathname;
const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** The text of the one fence in that language. */
function fence(language: string): string {
  const [match, ...more] = [...readme.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].filter(
    ([, name]) => name === language,
  );
  expect(more).toEqual([]);
  return match?.[2] ?? '';
}

test('the example of the README runs and prints what stands beside it', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'foliofs-readme-'));
  // Under the root, so that the packages are found; run elsewhere, so that it makes its files
  // there.
  const outfile = join(root, `.cache/readme-${process.pid}.mjs`);
  onTestFinished(() => {
    rmSync(dir, { recursive: true, force: true });
    rmSync(outfile, { force: true });
  });
  await build({
    stdin: { contents: fence('ts'), resolveDir: root, loader: 'ts' },
    alias: { foliofs: './src/index.ts' },
    outfile,
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    define: { CHECKED: 'true' },
    logLevel: 'silent',
  });
  const output = execFileSync(process.execPath, [outfile], { cwd: dir, encoding: 'utf8' });
  expect(output).toBe(fence('text'));
});

test('the example is short: 20 lines', () => {
  expect(fence('ts').trimEnd().split('\n').length).toBeLessThanOrEqual(20);
});
