import { expect, test } from 'vitest';
import { wrapComments } from '../../scripts/wrap-comments.mjs';

const words = (n: number) => 'word '.repeat(n).trim();

test('what does not fit moves to the front of the line that goes on with the sentence', () => {
  const text = ` * ${words(20)}\n * and on.\n */`;
  expect(wrapComments(text)).toBe(` * ${words(19)}\n * word and on.\n */`);
});

test('a tag or an item after a long line keeps its own line', () => {
  const text = ` * ${words(20)}\n * @returns it\n * - ${words(20)}\n * - two`;
  expect(wrapComments(text)).toBe(
    ` * ${words(19)}\n * word\n * @returns it\n * - ${words(19)}\n *   word\n * - two`,
  );
});

test('a long comment on one line unfolds', () => {
  expect(wrapComments(`  /** ${words(20)} */`)).toBe(`  /**\n   * ${words(19)}\n   * word\n   */`);
});

test('code, short comments and words without a space are left alone', () => {
  const text = [`const a = '${words(30)}';`, ' * short', ` * ${'x'.repeat(120)}`].join('\n');
  expect(wrapComments(text)).toBe(text);
});
