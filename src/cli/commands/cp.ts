/** cp: into an image, out of it, or within. */
import { lstatSync } from 'node:fs';
import type { Cli } from '../context.ts';
import { type CopyOptions, Copier } from '../copy.ts';
import { CliError, UsageError } from '../errors.ts';
import type { XattrPolicy } from '../host-xattrs.ts';
import { baseName, joinPath, type Location, parseLocation, showLocation } from '../location.ts';
import { printJson } from '../output.ts';
import { Progress } from '../progress.ts';
import { isDir, statOrNull } from '../tree.ts';
import { XattrPlan } from '../xattr-plan.ts';

export interface CpOptions {
  readonly recursive?: true;
  readonly preserve?: true;
  readonly archive?: true;
  readonly dereference?: true;
  readonly force?: true;
  readonly clobber?: boolean;
  readonly verbose?: true;
  readonly xattrs: XattrPolicy;
  readonly targetDirectory?: string;
}

/** Sources and target; all sources in one place, so that hard links among them are seen. */
export function placesOf(
  paths: readonly string[],
  directory?: string,
): { sources: Location[]; target: Location; intoDirectory: boolean } {
  const given = directory === undefined ? paths : [...paths, directory];
  const places = given.map(parseLocation);
  const target = places.pop();
  if (target === undefined || places.length === 0) throw new UsageError('a source and a target');
  return { sources: places, target, intoDirectory: places.length > 1 || directory !== undefined };
}

export function cp(cli: Cli, paths: readonly string[], o: CpOptions): void {
  const { sources, target, intoDirectory } = placesOf(paths, o.targetDirectory);
  if (target.image === null && sources.some((s) => s.image === null)) {
    throw new UsageError('neither side is in an image: IMAGE:/path names one');
  }
  const written = target.image === null ? [] : [target.image];
  cli.withImages(written, () => {
    copyAll(cli, sources, target, intoDirectory, o);
  });
}

function copyAll(
  cli: Cli,
  sources: readonly Location[],
  target: Location,
  intoDirectory: boolean,
  o: CpOptions,
): void {
  const to = cli.tree(target);
  const there = statOrNull(to, target.path);
  const inside = there !== null && isDir(there);
  const progress = new Progress('copying', hostBytes(sources), true);
  const copiers = new Map<string | null, Copier>();
  let made = 0;
  const plan = new XattrPlan(cli, o.xattrs);
  const options: CopyOptions = {
    ...copyOptions(o, target, plan.wanted),
    moved: (n) => {
      progress.add(n);
    },
    made: () => {
      made++;
    },
  };
  const keep = options.preserve && options.xattrs;
  if (keep && target.image === null) plan.collect();
  cli.each(sources, (source) => {
    if (intoDirectory && !inside) {
      throw new CliError(
        'ENOTDIR',
        `${showLocation(target.image, target.path)} is not a directory`,
      );
    }
    if (keep && source.image === null) plan.load(source.path, options.follow);
    const copier = copiers.get(source.image) ?? new Copier(cli, cli.tree(source), to, options);
    copiers.set(source.image, copier);
    const name = baseName(source.path);
    // A root has no name: its contents go into the directory itself.
    copier.copy(source.path, inside && name !== '' ? joinPath(target.path, name) : target.path);
  });
  progress.stop();
  const xattrsLost = plan.finish(showLocation(target.image, target.path));
  if (cli.json) printJson({ command: 'cp', made, xattrsLost, ok: cli.status === 0 });
}

function copyOptions(o: CpOptions, target: Location, xattrs: boolean): CopyOptions {
  const archive = o.archive === true;
  return {
    recursive: o.recursive === true || archive,
    preserve: o.preserve === true || archive,
    xattrs,
    owners: target.image !== null || process.getuid?.() === 0,
    // cp without -r follows symlinks; with it, copies them.
    follow: o.dereference === true || (o.recursive !== true && !archive),
    force: o.force === true,
    noClobber: o.clobber === false,
  };
}

/** For the progress bar; a source in an image counts nothing. */
function hostBytes(sources: readonly Location[]): number {
  let sum = 0;
  for (const { image, path } of sources) {
    if (image === null) sum += lstatSync(path, { throwIfNoEntry: false })?.size ?? 0;
  }
  return sum;
}
