/** The examples of the READMEs, exactly as they stand there, print what stands beside them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { expect, onTestFinished, test } from 'vitest';

const root = new URL('../..', import.meta.url).pathname;

/** The text of the one fence in that language. */
function fence(readme: string, language: string): string {
  const text = readFileSync(join(root, readme), 'utf8');
  const [match, ...more] = [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].filter(
    ([, name]) => name === language,
  );
  expect(more).toEqual([]);
  return match?.[2] ?? '';
}

test.each(['README.md', 'src/explore/README.md'])(
  'the example of %s runs and prints what stands beside it',
  async (readme) => {
    const dir = mkdtempSync(join(tmpdir(), 'foliofs-readme-'));
    // Under the root, so that the packages are found; run elsewhere, so that it makes its files
    // there.
    const outfile = join(root, `.cache/readme-${process.pid}.mjs`);
    onTestFinished(() => {
      rmSync(dir, { recursive: true, force: true });
      rmSync(outfile, { force: true });
    });
    await build({
      stdin: { contents: fence(readme, 'ts'), resolveDir: root, loader: 'ts' },
      alias: { 'foliofs/explore': './src/explore/index.ts', foliofs: './src/index.ts' },
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
    expect(output).toBe(fence(readme, 'text'));
  },
);

test.each([
  ['README.md', 20],
  ['src/explore/README.md', 13],
])('the example of %s is short: %i lines', (readme, lines) => {
  expect(fence(readme, 'ts').trimEnd().split('\n').length).toBeLessThanOrEqual(lines);
});
