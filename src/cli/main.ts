#!/usr/bin/env node
/**
 * The command `foliofs`: a list of commands, each of which is loaded when it is called.
 */
import { existsSync, readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { changeCommands } from './commands-change.ts';
import { imageCommands } from './commands-image.ts';
import { exploreCommands } from './commands-explore.ts';
import { lookCommands } from './commands-look.ts';
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE } from './context.ts';
import { causeOf, UsageError } from './errors.ts';
import { flushOutput, printError } from './output.ts';

/** e2fsck's number for wrong usage. */
const CHECK_USAGE = 16;
const CHECK_FAILED = 8;

function version(): string {
  // dist/cli/main.js and src/cli/main.ts are equally far from the package's root, dist/checked is
  // not.
  for (const up of ['../../', '../../../']) {
    try {
      const text = readFileSync(new URL(`${up}package.json`, import.meta.url), 'utf8');
      return (JSON.parse(text) as { version: string }).version;
    } catch {
      continue;
    }
  }
  return 'unknown';
}

function program(): Command {
  const top = new Command('foliofs')
    .description("Linux's file I/O stack in user space: ext4 images without mounting them")
    .version(version(), '--version')
    .helpOption('--help', 'what it does, with examples')
    .helpCommand('help [command]', 'the same for one command')
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .configureHelp({ sortSubcommands: false })
    .configureOutput({
      writeErr: (text) => {
        printError(text.trimEnd());
      },
      outputError: (text, write) => {
        write(text.replace(/^error: /, 'foliofs: '));
      },
    })
    .addHelpText(
      'after',
      "\nIMAGE:/path is a path inside an image, as in scp; a path without a colon is the host's.\n" +
        'Exit status: 0 all was done, 1 something failed, 2 wrong usage; check: see its help.\n',
    )
    .exitOverride();
  imageCommands(top);
  lookCommands(top);
  changeCommands(top);
  exploreCommands(top);
  for (const command of top.commands) settle(command, top);
  return top;
}

/** What commander does not hand down to commands that were made on their own. */
function settle(command: Command, parent: Command): void {
  command.copyInheritedSettings(parent).helpOption('--help', 'this text');
  for (const sub of command.commands) settle(sub, command);
}

function failed(e: unknown, argv: readonly string[]): number {
  const check = argv[0] === 'check';
  if (e instanceof CommanderError) {
    return e.exitCode === 0 ? EXIT_OK : check ? CHECK_USAGE : EXIT_USAGE;
  }
  if (e instanceof UsageError) {
    printError(`foliofs: ${e.message}\nTry 'foliofs ${argv[0] ?? ''} --help'.`);
    return check ? CHECK_USAGE : EXIT_USAGE;
  }
  const text = e instanceof Error ? (e.stack ?? e.message) : String(e);
  printError(`foliofs: ${causeOf(e) ?? `this should not happen, please report it: ${text}`}`);
  return check ? CHECK_FAILED : EXIT_FAILED;
}

/** Commands that need scheduling points and lockdep, which only the checked build has. */
const CHECKED_ONLY = new Set(['explore', 'crash']);

/** The same command of the other build, in this process. */
async function checkedBuild(): Promise<void> {
  const there = new URL('../checked/cli/main.js', import.meta.url);
  if (existsSync(there)) await import(there.href);
  else {
    printError('foliofs: the checked build is not installed (dist/checked): npm run build');
    process.exitCode = EXIT_FAILED;
  }
}

async function run(argv: readonly string[]): Promise<void> {
  try {
    await program().parseAsync(argv, { from: 'user' });
  } catch (e) {
    process.exitCode = failed(e, argv);
  } finally {
    flushOutput();
  }
}

const argv = process.argv.slice(2);
await (!CHECKED && CHECKED_ONLY.has(argv[0] ?? '') ? checkedBuild() : run(argv));
