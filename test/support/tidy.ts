/**
 * House rules that no compiler and no linter knows: each takes texts and gives findings, one
 * sentence each, that say what to write instead. tidy.test.ts runs them over the project, and over
 * faults planted for them.
 */
import { posix } from 'node:path';
import ts from 'typescript';

/** A file of the project; the path is relative to its root, with `/`. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** `path:line: what is wrong and what to do instead`. */
export type Finding = string;

const at = (path: string, text: string, offset: number, what: string): Finding =>
  `${path}:${text.slice(0, offset).split('\n').length}: ${what}`;

/** What must not be written, and what to write instead. */
const BANNED: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/\b(?:TODO|FIXME|XXX|HACK)\b/, 'do it now, or say in the status table what is missing'],
  [/\b(?:whitelist|blacklist)/i, 'write allow list, deny list'],
  [/\butili[sz]e/i, 'write use'],
  [/\b(?:obviously|trivially)\b/i, 'say why, or leave the word out'],
  [/\b(?:test|it|describe)\.only\(/, 'run one test with -t; commit none alone'],
  [/\b(?:test|it|describe)\.(?:skip|todo)\(/, 'use test.skipIf(reason) or delete the test'],
  [/@ts-(?:ignore|nocheck)\b/, 'use @ts-expect-error with a reason'],
  [/eslint-disable(?!.* -- \S)/, 'end the directive with ` -- ` and a reason'],
  [/(?:\/home|\/Users|\/root|\/workspace)\/[\w.-]/, "a host's path: build it from import.meta.url"],
  [/\/work\/\w/, "a host's path: build it from import.meta.url"],
  [/[A-Z]:\\\\?Users\b/, "a host's path: build it from import.meta.url"],
];

/** Words and paths that have no place in the project. */
export function bannedWords({ path, text }: SourceFile): Finding[] {
  return BANNED.flatMap(([pattern, instead]) =>
    [...text.matchAll(new RegExp(pattern, `${pattern.flags}g`))].map((m) =>
      at(path, text, m.index, `"${m[0]}": ${instead}`),
    ),
  );
}

/** Prettier wraps code, not comments; a string or an address that is long by itself may stay. */
export function longLines({ path, text }: SourceFile): Finding[] {
  return text.split('\n').flatMap((line, i) => {
    const spare = /:\/\/|['"`]/.test(line);
    return line.length > 100 && !spare ? [`${path}:${i + 1}: ${line.length} columns, not 100`] : [];
  });
}

/** The files whose work is to hand on what others export. */
const DOORS = new Set(['src/index.ts', 'src/explore/index.ts']);
const UNITS = 'src/base/units.ts';

/** The names of the branded types that units.ts declares. */
export const unitNames = (units: string): Set<string> =>
  new Set([...units.matchAll(/^export type (\w+) = Unit</gm)].map((m) => m[1] ?? ''));

/** What one node breaks, if anything. */
function syntaxRule(node: ts.Node, path: string, units: ReadonlySet<string>): string | null {
  if (ts.isEnumDeclaration(node)) return 'an enum: use a union of literals or `as const`';
  if (ts.isExportAssignment(node)) return 'a default export: export a name';
  if (ts.isExportDeclaration(node) && node.moduleSpecifier && !DOORS.has(path)) {
    return 'a barrel: import from the file that declares it';
  }
  const modifiers = ts.canHaveModifiers(node) ? (ts.getModifiers(node) ?? []) : [];
  if (modifiers.some((m) => m.kind === ts.SyntaxKind.DefaultKeyword)) {
    return 'a default export: export a name';
  }
  if (path !== UNITS && (ts.isAsExpression(node) || ts.isTypeAssertionExpression(node))) {
    const name = node.type.getText();
    if (units.has(name)) return `a cast to ${name}: only base/units.ts makes units`;
  }
  return null;
}

/** Forms of the language that this project does without. */
export function forbiddenSyntax({ path, text }: SourceFile, units: ReadonlySet<string>): Finding[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true);
  const findings: Finding[] = [];
  const visit = (node: ts.Node): void => {
    const broken = syntaxRule(node, path, units);
    if (broken !== null) findings.push(at(path, text, node.getStart(), broken));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return findings;
}

const isTest = (path: string): boolean => /\.(?:test|fuzz)\.ts$/.test(path);

/** The files that one file imports, statically, lazily, or as `new URL(..., import.meta.url)`. */
function importsOf({ path, text }: SourceFile): string[] {
  const from = /(?:\bfrom|\bimport|\bimport\(|\bnew URL\()\s*'(\.[^']+)'/g;
  return [...text.matchAll(from)].map((m) => posix.join(posix.dirname(path), m[1] ?? ''));
}

/** Production files that no entry point reaches: written, tested perhaps, and never run. */
export function deadFiles(files: readonly SourceFile[], entries: readonly string[]): Finding[] {
  const byPath = new Map(files.map((f) => [f.path, f]));
  const reached = new Set<string>();
  const queue = entries.filter((path) => byPath.has(path));
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const file = byPath.get(path);
    if (!file || reached.has(path)) continue;
    reached.add(path);
    queue.push(...importsOf(file));
  }
  return files
    .map((f) => f.path)
    .filter((p) => p.startsWith('src/') && p.endsWith('.ts') && !p.endsWith('.d.ts'))
    .filter((p) => !isTest(p) && !reached.has(p))
    .map((p) => `${p}: reached from no entry point: use it or remove it`);
}

/** Each room that has code has a README of at most 60 lines. */
export function roomReadmes(files: readonly SourceFile[], rooms: readonly string[]): Finding[] {
  return rooms.flatMap((room) => {
    const path = `src/${room}/README.md`;
    if (!files.some((f) => f.path.startsWith(`src/${room}/`) && f.path.endsWith('.ts'))) return [];
    const readme = files.find((f) => f.path === path);
    if (!readme) return [`${path}: missing: purpose, files in reading order, state, locks, twin`];
    const lines = readme.text.trimEnd().split('\n').length;
    return lines > 60 ? [`${path}: ${lines} lines, not 60`] : [];
  });
}

/** A source file outside every room, or a test outside every kind. */
export function misplaced(paths: readonly string[], rooms: readonly string[]): Finding[] {
  const inRoom = (p: string): boolean =>
    rooms.some((room) => p.startsWith(`src/${room}/`) || p === `src/${room}.ts`);
  return paths.flatMap((p) => {
    if (/^src\/.*\.ts$/.test(p) && !inRoom(p)) return [`${p}: in no room of layers.mjs`];
    if (/^test\/[^/]+\.test\.ts$/.test(p)) return [`${p}: tests stand in test/<kind>/`];
    return [];
  });
}

export const BLOB_LIMIT = 256 * 1024;

/** Blobs too large to keep, now or anywhere in history. */
export const bigBlobs = (blobs: readonly { path: string; size: number }[]): Finding[] =>
  blobs
    .filter(({ size }) => size > BLOB_LIMIT)
    .map(({ path, size }) => `${path}: ${size} bytes: make it by script, keep at most 256 KiB`);
