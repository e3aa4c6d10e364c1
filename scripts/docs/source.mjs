// @ts-check
/** Reads src/ as text: declarations, their comments, and the tables that register themselves. */
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import ts from 'typescript';

/**
 * @typedef {object} Declaration
 * @property {string} file    path from the root of the project
 * @property {string} symbol  its name; '' for the comment at the head of the file
 * @property {string} doc     its comment, without tags
 * @property {string[]} sources  the texts of its `@source` tags
 * @property {ts.CallExpression | null} call  `struct(...)` or `lockClass(...)`, if that makes it
 * @property {string} text    the file, to which the positions in `call` belong
 */

/** Production files of src/. @returns {string[]} */
export const sourceFiles = () =>
  readdirSync('src', { recursive: true, encoding: 'utf8' })
    .map((file) => `src/${file.replaceAll('\\', '/')}`)
    .filter((file) => /(?<!\.test|\.fuzz|\.d)\.ts$/.test(file))
    .sort();

/** The lines of a comment without its frame. @param {string} comment */
const unframed = (comment) =>
  comment
    .replace(/^\/\*\*?/, '')
    .replace(/\*\/$/, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
    .join('\n')
    .trim();

/** What stands before the first tag, and the `@source` tags. @param {string} comment */
function parseDoc(comment) {
  const [doc = '', ...tags] = unframed(comment).split(/(?:^|\s)@(?=[a-z]+\b)/);
  const sources = tags
    .filter((tag) => tag.startsWith('source'))
    .map((tag) => tag.slice('source'.length).replaceAll(/\s+/g, ' ').trim());
  return { doc: doc.trim(), sources };
}

/** The `/** ... *\/` right before a position. @param {string} text @param {number} pos */
function docBefore(text, pos) {
  const ranges = ts.getLeadingCommentRanges(text, pos) ?? [];
  const last = ranges.at(-1);
  const comment = last ? text.slice(last.pos, last.end) : '';
  return comment.startsWith('/**') ? comment : '';
}

/** @param {ts.Node | undefined} node @returns {ts.CallExpression | null} */
const tableCall = (node) =>
  node && ts.isCallExpression(node) && /^(struct|lockClass)$/.test(node.expression.getText())
    ? node
    : null;

/** @param {ts.Statement | ts.ClassElement} node @returns {[string, ts.CallExpression | null]} */
function nameAndCall(node) {
  if (ts.isVariableStatement(node)) {
    const [first] = node.declarationList.declarations;
    return [first?.name.getText() ?? '', tableCall(first?.initializer)];
  }
  const name = /** @type {{ name?: ts.Node }} */ (node).name;
  return [name?.getText() ?? '', null];
}

/** @param {string} file @returns {Declaration[]} */
function declarationsOf(file) {
  const text = readFileSync(file, 'utf8');
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true);
  /** @type {Declaration[]} */
  const found = [];
  /** @param {ts.Statement | ts.ClassElement} node @param {string} prefix */
  const visit = (node, prefix) => {
    const [name, call] = nameAndCall(node);
    const comment = docBefore(text, node.getFullStart());
    if (name && (comment || call)) {
      found.push({ file, symbol: prefix + name, ...parseDoc(comment), call, text });
    }
    if (ts.isClassDeclaration(node)) node.members.forEach((m) => visit(m, `${name}.`));
  };
  const head = text.match(/^\/\*\*[\s\S]*?\*\//)?.[0] ?? '';
  found.push({ file, symbol: '', ...parseDoc(head), call: null, text });
  // The head belongs to the file unless the first statement is what it describes.
  source.statements.forEach((s) => {
    if (!ts.isImportDeclaration(s)) visit(s, '');
  });
  return found;
}

/** @returns {Declaration[]} */
export const allDeclarations = () => sourceFiles().flatMap(declarationsOf);

/**
 * The registries, filled: every file that declares a record or a lock is loaded.
 * @param {readonly Declaration[]} declarations
 * @returns {Promise<{ structs: Struct[], lockClasses: Map<string, LockClass> | LockClass[] }>}
 * @typedef {{ $name: string, $size: number, $fields: Field[] }} Struct
 * @typedef {{ name: string, offset: number, size: number }} Field
 * @typedef {object} LockClass
 * @property {string} name
 * @property {string[]} after
 * @property {string | null} nest
 * @property {boolean} spin
 * @property {boolean} noUser
 * @property {boolean} [pseudo]
 */
export async function registries(declarations) {
  // Toy programs of the explorer have locks too, which have no place in the order.
  const declaring = declarations.filter(
    (d) => /\b(?:struct|lockClass)\(/.test(d.text) && !d.file.startsWith('src/scenarios/'),
  );
  const files = [...new Set(declaring.map((d) => d.file))];
  const contents = [
    ...files.map((file) => `import './${file}';`),
    "export { structs } from './src/base/struct.ts';",
    "export { lockClasses } from './src/sched/lock-class.ts';",
  ].join('\n');
  const outfile = '.cache/registries.mjs';
  mkdirSync('.cache', { recursive: true });
  await build({
    stdin: { contents, resolveDir: process.cwd(), loader: 'ts' },
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    define: { CHECKED: 'true' },
    logLevel: 'error',
  });
  return import(pathToFileURL(outfile).href);
}
