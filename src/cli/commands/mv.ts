/** mv: rename within an image; between places copy, then remove. */
import type { Name } from '../../base/name.ts';
import type { Cli } from '../context.ts';
import { Copier } from '../copy.ts';
import { CliError, UsageError } from '../errors.ts';
import type { XattrPolicy } from '../host-xattrs.ts';
import { ImageTree } from '../image-tree.ts';
import { baseName, joinPath, type Location, showLocation } from '../location.ts';
import { print, printJson } from '../output.ts';
import { isDir, lstatOrNull, statOrNull, type Tree } from '../tree.ts';
import { XattrPlan } from '../xattr-plan.ts';
import { placesOf } from './cp.ts';
import { removeTree } from './rm.ts';

export interface MvOptions {
  readonly force?: true;
  readonly clobber?: boolean;
  readonly exchange?: true;
  readonly verbose?: true;
  readonly targetDirectory?: string;
  readonly xattrs: XattrPolicy;
}

const RENAME_NOREPLACE = 1;
const RENAME_EXCHANGE = 2;

export function mv(cli: Cli, paths: readonly string[], o: MvOptions): void {
  const { sources, target, intoDirectory } = placesOf(paths, o.targetDirectory);
  if (target.image === null && sources.some((s) => s.image === null)) {
    throw new UsageError('neither side is in an image: IMAGE:/path names one');
  }
  const written = [...sources, target].flatMap(({ image }) => (image === null ? [] : [image]));
  cli.withImages(written, () => {
    const to = cli.tree(target);
    const there = statOrNull(to, target.path);
    const inside = there !== null && isDir(there) && o.exchange !== true;
    let moved = 0;
    cli.each(sources, (source) => {
      if (intoDirectory && !inside) {
        throw new CliError(
          'ENOTDIR',
          `${showLocation(target.image, target.path)} is not a directory`,
        );
      }
      const path = inside ? joinPath(target.path, baseName(source.path)) : target.path;
      if (moveOne(cli, source, to, path, o)) moved++;
      if (o.verbose === true) print(`${cli.tree(source).show(source.path)} -> ${to.show(path)}`);
    });
    if (cli.json) printJson({ command: 'mv', moved, ok: cli.status === 0 });
  });
}

function moveOne(cli: Cli, source: Location, to: Tree, path: Name, o: MvOptions): boolean {
  const from = cli.tree(source);
  if (o.clobber === false && lstatOrNull(to, path) !== null) return false;
  if (from === to && from instanceof ImageTree) {
    const flags =
      o.exchange === true ? RENAME_EXCHANGE : o.clobber === false ? RENAME_NOREPLACE : 0;
    from.rename(source.path, path, flags);
    return true;
  }
  if (o.exchange === true) throw new CliError('EXDEV', 'only paths of one image can change places');
  moveBetween(cli, from, source.path, to, path, o.xattrs);
  return true;
}

/** A copy that is complete before anything is removed. */
function moveBetween(
  cli: Cli,
  from: Tree,
  source: Name,
  to: Tree,
  path: Name,
  xattrs: XattrPolicy,
): void {
  const failures = cli.failures;
  const plan = new XattrPlan(cli, xattrs);
  if (from === cli.host) plan.load(source, false);
  if (to === cli.host) plan.collect();
  const copier = new Copier(cli, from, to, {
    recursive: true,
    preserve: true,
    xattrs: plan.wanted,
    owners: to instanceof ImageTree || process.getuid?.() === 0,
    follow: false,
    force: true,
    noClobber: false,
  });
  let lost = 0;
  try {
    copier.copy(source, path);
  } finally {
    lost = plan.finish(to.show(path));
  }
  if (cli.failures > failures)
    throw new CliError('EIO', 'not removed, because the copy is not complete');
  if (lost > 0) {
    throw new CliError('EOPNOTSUPP', 'not removed: the host did not take its extended attributes');
  }
  removeTree(cli, from, source);
}
