/** What the documents point at exists: links, and files named in backticks. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const root = new URL('../..', import.meta.url).pathname;
const pages = ['.', 'docs', 'docs/design', 'docs/ondisk']
  .flatMap((dir) => readdirSync(join(root, dir)).map((file) => join(dir, file)))
  .filter((file) => file.endsWith('.md'));

/** Relative links of a page, and paths in backticks that name a file of the project. */
function targets(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8');
  const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((m) =>
    join(dirname(page), m[1] ?? ''),
  );
  const files = [...text.matchAll(/`((?:src|scripts|test|docs)\/[\w./-]+\.\w+)`/g)];
  return [...links, ...files.map((m) => m[1] ?? '')];
}

test.each(pages)('%s points at nothing that is missing', (page) => {
  expect(targets(page).filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test('ARCHITECTURE is under 300 lines, STYLE under 100', () => {
  const lines = (file: string) => readFileSync(join(root, file), 'utf8').split('\n').length;
  expect(lines('ARCHITECTURE.md')).toBeLessThan(300);
  expect(lines('STYLE.md')).toBeLessThan(100);
});
