/** bench: hands over to the benchmarks of a source tree, which a package does not carry. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Cli } from '../context.ts';
import { CliError } from '../errors.ts';
import { printError } from '../output.ts';

export interface BenchCommandOptions {
  readonly quick?: true;
}

/** Beside the folder that this file was bundled into. */
const PROGRAM = fileURLToPath(new URL('../bench/main.js', import.meta.url));

export function bench(cli: Cli, names: readonly string[], o: BenchCommandOptions): void {
  if (!existsSync(PROGRAM)) {
    const what = names.length > 0 ? names.join(', ') : 'any';
    cli.fail(
      'bench',
      new CliError('ENOENT', `no such case: ${what}: the benchmarks are not installed`),
    );
    return;
  }
  const flags = [...(cli.json ? ['--json'] : []), ...(o.quick === true ? ['--quick'] : [])];
  const { status, stderr } = spawnSync(process.execPath, [PROGRAM, ...flags, '--', ...names], {
    stdio: ['inherit', 'inherit', 'pipe'],
    encoding: 'utf8',
  });
  const unknown = /^RangeError: no case (.*)$/m.exec(stderr)?.[1];
  if (unknown !== undefined) cli.fail('bench', new CliError('ENOENT', `no such case: ${unknown}`));
  else if (stderr !== '') printError(stderr.trimEnd());
  if (status !== 0) cli.status = 1;
}
