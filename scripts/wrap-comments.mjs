// @ts-check
/**
 * Prettier wraps code and leaves comments alone; this wraps the comments that run past 100 columns.
 * What does not fit moves to the front of the next line where that goes on with the sentence, and
 * gets a line of its own where it does not. A comment behind code stays: only its author can
 * shorten it.
 */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';

const WIDTH = 100;
/** A line that is all comment: its margin, and its text. */
const COMMENT = /^(\s*(?:\*|\/\/) +)(\S.*)$/;
/** Texts that start something new: a tag, a list, a fence, a table. */
const FRESH = /^(?:@|[-*|] |```|\d+[.)] |[A-Z]+-?\d+[:.] )/;

/** The comment's text, cut where it still fits. @param {string} line @param {number} margin */
function cut(line, margin) {
  const space = line.lastIndexOf(' ', WIDTH);
  return space > margin ? [line.slice(0, space), line.slice(space + 1)] : [line, ''];
}

/** `/** one line *\/` as a block of lines. @param {string} line */
function unfold(line) {
  const [, indent, text] = line.match(/^(\s*)\/\*\* (.*) \*\/$/) ?? [];
  return text === undefined || line.length <= WIDTH
    ? [line]
    : [`${indent}/**`, `${indent} * ${text}`, `${indent} */`];
}

/** Where the text of a continued line begins: items and tags hang. @param {string} text */
const hang = (text) => (/^(?:@|- )/.test(text) ? '  ' : '');

/** @param {string} source */
export function wrapComments(source) {
  const lines = source.split('\n').flatMap(unfold);
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? '';
    const [, margin = '', text = ''] = line.match(COMMENT) ?? [];
    if (line.length <= WIDTH || margin === '') continue;
    const [kept = '', rest = ''] = cut(line, margin.length);
    if (rest === '') continue;
    lines[i] = kept;
    const [, nextMargin = '', nextText = ''] = (lines[i + 1] ?? '').match(COMMENT) ?? [];
    const goesOn = nextMargin.trim() === margin.trim() && !FRESH.test(nextText);
    if (goesOn) lines[i + 1] = `${nextMargin}${rest} ${nextText}`;
    else lines.splice(i + 1, 0, `${margin}${hang(text)}${rest}`);
  }
  return lines.join('\n');
}

if (process.argv[1] === import.meta.filename) {
  for (const dir of ['src', 'test', 'scripts', 'bench'].filter((d) => existsSync(d))) {
    const files = readdirSync(dir, { recursive: true, encoding: 'utf8' });
    for (const file of files.filter((f) => /\.(?:ts|mjs)$/.test(f))) {
      const path = `${dir}/${file}`;
      const source = readFileSync(path, 'utf8');
      const wrapped = wrapComments(source);
      if (wrapped !== source) writeFileSync(path, wrapped);
    }
  }
}
