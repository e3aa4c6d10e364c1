/** rm and rmdir. */
import type { Name } from '../../base/name.ts';
import type { Cli } from '../context.ts';
import { CliError, hasCode } from '../errors.ts';
import { baseName, insideImage, joinPath } from '../location.ts';
import { print, printJson } from '../output.ts';
import { isDir, type Tree } from '../tree.ts';

export interface RmOptions {
  readonly recursive?: true;
  readonly force?: true;
  readonly dir?: true;
  readonly verbose?: true;
}

export function rm(cli: Cli, paths: readonly string[], o: RmOptions): void {
  const places = paths.map(insideImage);
  let removed = 0;
  cli.withImages(
    places.map((p) => p.image),
    () => {
      cli.each(places, ({ image, path }) => {
        const tree = cli.image(image);
        const name = baseName(path);
        if (name === '' || name === '.' || name === '..') {
          throw new CliError('EINVAL', "refusing to remove '/', '.' or '..'");
        }
        try {
          const stat = tree.lstat(path);
          if (!isDir(stat)) tree.unlink(path);
          else if (o.recursive === true) removeTree(cli, tree, path);
          else if (o.dir === true) tree.rmdir(path);
          else throw new CliError('EISDIR', 'is a directory (-r removes it with all it holds)');
        } catch (e) {
          if (o.force === true && hasCode(e, 'ENOENT')) return;
          throw e;
        }
        removed++;
        if (o.verbose === true) print(`removed ${tree.show(path)}`);
      });
    },
  );
  if (cli.json) printJson({ command: 'rm', removed, ok: cli.status === 0 });
}

/** A path and all below it. What cannot go is reported, and its directories stay. */
export function removeTree(cli: Cli, tree: Tree, path: Name): void {
  if (!isDir(tree.lstat(path))) {
    tree.unlink(path);
    return;
  }
  const failures = cli.failures;
  for (const name of tree.list(path)) {
    const child = joinPath(path, name);
    cli.attempt(tree.show(child), () => {
      removeTree(cli, tree, child);
    });
  }
  if (cli.failures === failures) tree.rmdir(path);
}
