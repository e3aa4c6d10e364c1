// @ts-check
/** docs/ondisk/: one page a file of records, from the tables and the comments beside the fields. */
import ts from 'typescript';
import { cell, link } from './markdown.mjs';

/** @typedef {import('./source.mjs').Declaration} Declaration */
/** @typedef {import('./source.mjs').Struct} Struct */

/**
 * `src/fs/ext4/disk/extent.ts` -> `ext4-extent`; `src/jbd2/disk.ts` -> `jbd2`. @param {string} file
 */
const pageOf = (file) =>
  file
    .replace(/^src\/(fs\/)?/, '')
    .replace(/\.ts$/, '')
    .split('/')
    .filter((part) => part !== 'disk')
    .join('-');

/** Type and comment of each field as they are written. @param {Declaration} d */
function written(d) {
  /** @type {Map<string, { type: string, note: string }>} */
  const fields = new Map();
  const table = d.call?.arguments[3];
  if (!table || !ts.isObjectLiteralExpression(table)) return fields;
  for (const property of table.properties) {
    if (!ts.isPropertyAssignment(property)) continue;
    // The comment of a field follows the comma.
    const after = d.text.indexOf('\n', property.end);
    const [, note = ''] = d.text.slice(property.end, after).match(/\/\/\s*(.*)$/) ?? [];
    const maker = ts.isCallExpression(property.initializer) ? property.initializer : null;
    fields.set(property.name.getText(), { type: maker?.expression.getText() ?? '', note });
  }
  return fields;
}

/** @param {Declaration} d @param {Struct} struct */
function section(d, struct) {
  const fields = written(d);
  const order = d.call?.arguments[1]?.getText() === 'BE' ? 'big-endian' : 'little-endian';
  const rows = struct.$fields.map(({ name, offset, size }) => {
    const { type = '', note = '' } = fields.get(name) ?? {};
    const kind = type === 'raw' || type === '' ? `${size} bytes` : type;
    return `| 0x${offset.toString(16)} | ${kind} | \`${name}\` | ${cell(note)} |`;
  });
  return [
    `## \`${struct.$name}\``,
    '',
    ...(d.doc ? [cell(d.doc), ''] : []),
    `${struct.$size} bytes, ${order}; \`${d.symbol}\` in ${link(d.file, '../../')}.`,
    '',
    '| offset | type | field | |',
    '|---|---|---|---|',
    ...rows,
    '',
  ];
}

/** The name that the table was declared with. @param {Declaration} d */
const declaredName = (d) => {
  const name = d.call?.arguments[0];
  return name && ts.isStringLiteral(name) ? name.text : '';
};

/**
 * @param {readonly Declaration[]} declarations
 * @param {readonly Struct[]} structs
 * @returns {Map<string, string>} path -> text
 */
export function ondisk(declarations, structs) {
  /** @type {Map<string, string[]>} */
  const pages = new Map();
  for (const struct of structs) {
    const d = declarations.find((x) => declaredName(x) === struct.$name);
    if (!d) throw new Error(`${struct.$name}: declare it as \`const X = struct('name', ...)\``);
    const lines = pages.get(d.file) ?? [];
    pages.set(d.file, [...lines, ...section(d, struct)]);
  }
  const files = [...pages.keys()].sort();
  /** @type {Map<string, string>} */
  const out = new Map();
  for (const file of files) {
    const head = declarations.find((d) => d.file === file && d.symbol === '');
    const sources = head?.sources.map((s) => `Source: ${s}`) ?? [];
    const title = [`# ${pageOf(file)}`, '', head?.doc ?? '', '', ...sources, ''];
    out.set(`docs/ondisk/${pageOf(file)}.md`, [...title, ...(pages.get(file) ?? [])].join('\n'));
  }
  const index = files.map((file) => `- [${pageOf(file)}](${pageOf(file)}.md)`);
  const intro = 'What stands on the disk, field by field. Why it is so: see `docs/design/`.';
  out.set('docs/ondisk/README.md', ['# On-disk records', '', intro, '', ...index, ''].join('\n'));
  return out;
}
