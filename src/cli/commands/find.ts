/** find: paths below a directory that pass all tests. @source find(1), POSIX.1-2024 find */
import type { Name } from '../../base/name.ts';
import { nameFromText } from '../../base/name.ts';
import type { Cli } from '../context.ts';
import { UsageError } from '../errors.ts';
import { modeText, shortTime, typeLetter } from '../format.ts';
import { globToRegExp } from '../glob.ts';
import type { ImageTree } from '../image-tree.ts';
import { baseName, imageLocation, joinPath, parseLocation } from '../location.ts';
import { parseMode } from '../mode-change.ts';
import { jsonName, printJson, printName } from '../output.ts';
import { isDir, isLink, isReg, type Stat } from '../tree.ts';
import { statJson } from './ls.ts';

interface Found {
  readonly tree: ImageTree;
  readonly path: Name;
  readonly name: Name;
  readonly stat: Stat;
}
type Test = (found: Found) => boolean;

export function find(cli: Cli, path: string, words: readonly string[]): void {
  const json = words.includes('--json') || cli.json;
  const starts = [path];
  const rest = words.filter((w) => w !== '--json');
  while (rest.length > 0 && !/^[-!(]/.test(rest[0] ?? '')) starts.push(rest.shift() ?? '');
  const places = starts.map(imageLocation);
  cli.withImages([], () => {
    const expression = new Expression(cli, rest, json);
    const test = expression.parse();
    cli.each(places, ({ image, path: at }) => {
      walk(cli, cli.image(image), at, 0, expression, test);
    });
  });
}

function walk(
  cli: Cli,
  tree: ImageTree,
  path: Name,
  depth: number,
  e: Expression,
  test: Test,
): void {
  const stat = tree.lstat(path);
  if (depth >= e.minDepth) test({ tree, path, name: baseName(path) || path, stat });
  if (!isDir(stat) || depth >= e.maxDepth) return;
  for (const name of tree.list(path)) {
    const child = joinPath(path, name);
    cli.attempt(tree.show(child), () => {
      walk(cli, tree, child, depth + 1, e, test);
    });
  }
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 512,
  b: 512,
  c: 1,
  w: 2,
  k: 1024,
  M: 1024 ** 2,
  G: 1024 ** 3,
};
const DAY = 86_400;

/** `+N` more than, `-N` less than, `N` exactly. */
function compare(text: string): (n: number) => boolean {
  const match = /^([-+]?)(\d+)$/.exec(text);
  if (match === null) throw new UsageError(`${text}: not a number`);
  const want = Number(match[2]);
  if (match[1] === '+') return (n) => n > want;
  return match[1] === '-' ? (n) => n < want : (n) => n === want;
}

/** Tests by recursive descent: or, and, not, parentheses. */
class Expression {
  minDepth = 0;
  maxDepth = Infinity;
  private readonly cli: Cli;
  private readonly words: readonly string[];
  private readonly json: boolean;
  private at = 0;
  private acts = false;

  constructor(cli: Cli, words: readonly string[], json: boolean) {
    this.cli = cli;
    this.words = words;
    this.json = json;
  }

  parse(): Test {
    const test = this.words.length === 0 ? () => true : this.or();
    if (this.at < this.words.length)
      throw new UsageError(`${this.words[this.at] ?? ''}: unexpected`);
    if (this.acts) return test;
    const print = this.print('\n');
    return (f) => test(f) && print(f);
  }

  private peek(): string | undefined {
    return this.words[this.at];
  }
  private argument(of: string): string {
    const word = this.words[this.at++];
    if (word === undefined) throw new UsageError(`${of} needs a value`);
    return word;
  }

  private or(): Test {
    let left = this.and();
    while (this.peek() === '-o' || this.peek() === '-or') {
      this.at++;
      const [a, b] = [left, this.and()];
      left = (f) => a(f) || b(f);
    }
    return left;
  }
  private and(): Test {
    let left = this.not();
    for (;;) {
      const next = this.peek();
      if (next === undefined || next === '-o' || next === '-or' || next === ')') return left;
      if (next === '-a' || next === '-and') this.at++;
      const [a, b] = [left, this.not()];
      left = (f) => a(f) && b(f);
    }
  }
  private not(): Test {
    const word = this.peek();
    if (word === '!' || word === '-not') {
      this.at++;
      const test = this.not();
      return (f) => !test(f);
    }
    if (word !== '(') return this.test();
    this.at++;
    const test = this.or();
    if (this.peek() !== ')') throw new UsageError('a parenthesis is missing');
    this.at++;
    return test;
  }

  private test(): Test {
    const word = this.argument('an expression');
    const value = (): string => this.argument(word);
    switch (word) {
      case '-print':
      case '-print0':
        this.acts = true;
        return this.print(word === '-print' ? '\n' : '\0');
      case '-ls':
        this.acts = true;
        return long;
      case '-true':
        return () => true;
      case '-maxdepth':
        this.maxDepth = Number(value());
        return () => true;
      case '-mindepth':
        this.minDepth = Number(value());
        return () => true;
      case '-empty':
        return ({ tree, path, stat }) =>
          isDir(stat) ? tree.list(path).length === 0 : isReg(stat) && stat.size === 0;
      case '-newer':
        return this.newer(value());
      default:
        return nameTest(word, value) ?? numberTest(word, value) ?? unknown(word);
    }
  }

  private print(end: string): Test {
    return ({ tree, path, stat }) => {
      if (this.json)
        printJson({ ...jsonName('path', path), image: tree.volume.image, ...statJson(stat) });
      else printName(`${tree.volume.image}:${path}`, end);
      return true;
    };
  }

  private newer(text: string): Test {
    const place = parseLocation(text);
    const { mtime } = this.cli.tree(place).stat(place.path);
    return ({ stat }) =>
      stat.mtime.sec > mtime.sec || (stat.mtime.sec === mtime.sec && stat.mtime.nsec > mtime.nsec);
  }
}

function unknown(word: string): never {
  throw new UsageError(`${word}: not a test that is known here`);
}

function long({ tree, path, stat }: Found): boolean {
  const arrow = isLink(stat) ? ` -> ${tree.readlink(path)}` : '';
  const owner = `${stat.uid} ${stat.gid}`;
  const facts = `${stat.ino} ${stat.blocks / 2} ${modeText(stat.mode)} ${stat.nlink} ${owner}`;
  printName(`${facts} ${stat.size} ${shortTime(stat.mtime)} ${tree.volume.image}:${path}${arrow}`);
  return true;
}

const pattern = (text: string, ignoreCase = false): RegExp =>
  globToRegExp(nameFromText(text), ignoreCase);

function nameTest(word: string, value: () => string): Test | null {
  switch (word) {
    case '-name':
    case '-iname': {
      const glob = pattern(value(), word === '-iname');
      return ({ name }) => glob.test(name);
    }
    case '-path':
    case '-wholename': {
      const glob = pattern(value());
      return ({ path }) => glob.test(path);
    }
    case '-type': {
      const letters = value().split(',');
      if (letters.some((l) => !/^[fdlbcps]$/.test(l)))
        throw new UsageError('-type: one of fdlbcps');
      return ({ stat }) => letters.includes(typeLetter(stat.mode).replace('-', 'f'));
    }
    default:
      return null;
  }
}

function numberTest(word: string, value: () => string): Test | null {
  const now = Date.now() / 1000;
  const number = (of: (s: Stat) => number): Test => {
    const test = compare(value());
    return ({ stat }) => test(of(stat));
  };
  switch (word) {
    case '-links':
      return number((s) => s.nlink);
    case '-inum':
      return number((s) => s.ino);
    case '-uid':
      return number((s) => s.uid);
    case '-gid':
      return number((s) => s.gid);
    case '-mtime':
      return number((s) => Math.floor((now - s.mtime.sec) / DAY));
    case '-mmin':
      return number((s) => Math.ceil((now - s.mtime.sec) / 60));
    case '-size': {
      const match = /^([-+]?\d+)([bcwkMG]?)$/.exec(value());
      if (match === null) throw new UsageError('-size: [+-]N[bcwkMG]');
      const [test, unit] = [compare(match[1] ?? ''), SIZE_UNITS[match[2] ?? ''] ?? 512];
      return ({ stat }) => test(Math.ceil(stat.size / unit));
    }
    case '-perm':
      return permTest(value());
    default:
      return null;
  }
}

/** Exactly these bits, `-` all of them, `/` one of them. */
function permTest(text: string): Test {
  const kind = /^[-/]/.exec(text)?.[0] ?? '';
  const want = parseMode(kind === '' ? text : text.slice(1), 0)(0);
  return ({ stat: { mode } }) => {
    const bits = mode & 0o7777;
    if (kind === '-') return (bits & want) === want;
    return kind === '/' ? want === 0 || (bits & want) !== 0 : bits === want;
  };
}
