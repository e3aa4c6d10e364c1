/** bench: the cases under bench/ of the repository, where they exist. */
import { readdirSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { join } from 'node:path';
import type { Cli } from '../context.ts';
import { CliError } from '../errors.ts';
import { print, printJson } from '../output.ts';

/** What a case is: a module bench/NAME.mjs with a function `run`. */
interface BenchCase {
  run(report: (line: object) => void): void | Promise<void>;
}

const PLACES = ['../../bench/', '../../../bench/'].map((up) =>
  fileURLToPath(new URL(up, import.meta.url)),
);

/** Names of the cases, and where they are. */
function casesAt(): Map<string, string> {
  const found = new Map<string, string>();
  for (const place of PLACES) {
    let files: string[] = [];
    try {
      files = readdirSync(place);
    } catch {
      continue;
    }
    for (const file of files) {
      if (file.endsWith('.mjs')) found.set(file.slice(0, -4), join(place, file));
    }
  }
  return found;
}

export async function bench(cli: Cli, names: readonly string[], o: { list?: true }): Promise<void> {
  const cases = casesAt();
  if (o.list === true) {
    for (const name of cases.keys()) {
      if (cli.json) printJson({ name });
      else print(name);
    }
    return;
  }
  if (names.length === 0 && cases.size === 0) cli.fail('bench', noCase('any', cases));
  for (const name of names.length > 0 ? names : cases.keys()) {
    const file = cases.get(name);
    if (file === undefined) {
      cli.fail(name, noCase(name, cases));
      continue;
    }
    const module = (await import(pathToFileURL(file).href)) as BenchCase;
    await module.run((line) => {
      if (cli.json) printJson({ case: name, ...line });
      else
        print(
          Object.entries({ case: name, ...line })
            .map(([k, v]) => `${k} ${String(v)}`)
            .join('  '),
        );
    });
  }
}

const noCase = (name: string, cases: Map<string, string>): CliError =>
  new CliError(
    'ENOENT',
    `no such case: ${name} (there are ${[...cases.keys()].join(', ') || 'none'})`,
  );
