/** Extended attributes of one copy between host and image, as `--xattrs` wants them. */
import type { Name } from '../base/name.ts';
import type { Cli } from './context.ts';
import { CliError } from './errors.ts';
import { readXattrs, UNREADABLE, type XattrPolicy } from './host-xattrs.ts';
import { canSetXattrs, NO_WRITER, XattrRestore } from './xattr-restore.ts';

export class XattrPlan {
  private readonly cli: Cli;
  private readonly policy: XattrPolicy;
  private noted = false;

  constructor(cli: Cli, policy: XattrPolicy) {
    this.cli = cli;
    this.policy = policy;
  }

  /** Does a copy look at extended attributes at all? */
  get wanted(): boolean {
    return this.policy !== 'none';
  }

  /**
   * Read those of a path of the host, and of all below it, before it is copied. What cannot be
   * read is reported; the rest goes on.
   * @throws EOPNOTSUPP they are required and cannot be read
   */
  load(path: Name, follow: boolean): void {
    if (!this.wanted) return;
    if (this.read(path, follow)) return;
    if (this.policy === 'require') throw new CliError('EOPNOTSUPP', UNREADABLE);
    if (!this.noted) this.cli.note(UNREADABLE);
    this.noted = true;
  }

  /** @returns is there a tool for it? */
  private read(path: Name, follow: boolean): boolean {
    const { cli } = this;
    const { host } = cli;
    const stat = follow ? host.stat(path) : host.lstat(path);
    try {
      return readXattrs(path, stat, follow, (file, xattrs) => {
        host.known.set(file, xattrs);
      });
    } catch (e) {
      cli.fail(host.show(path), e);
      return true;
    }
  }

  /**
   * Collect from now on what is to be set on the host.
   * @throws EOPNOTSUPP they are required and cannot be set
   */
  collect(): void {
    if (!this.wanted) return;
    if (this.policy === 'require' && !canSetXattrs()) {
      throw new CliError('EOPNOTSUPP', `extended attributes cannot be set: ${NO_WRITER}`);
    }
    this.cli.host.restore = new XattrRestore();
  }

  /**
   * Set what was collected, and say what stayed behind.
   * @returns files that have not all of theirs
   */
  finish(where: string): number {
    const { cli } = this;
    const lost = cli.host.restore?.finish() ?? null;
    cli.host.restore = null;
    if (lost === null) return 0;
    const what = `extended attributes of ${lost.files} files stayed behind: ${lost.why}`;
    if (this.policy === 'require') cli.fail(where, new CliError('EOPNOTSUPP', what));
    else cli.note(`${what}; a tar file keeps them`);
    return lost.files;
  }
}
