/**
 * The verdicts of our checker and of e2fsck on one image, and where they may differ.
 */
import { spawnSync } from 'node:child_process';
import { FsError } from '../../src/base/errno.ts';
import { checkFile } from '../support/checked.ts';

/**
 * Problems that we report and `e2fsck -fn` leaves out of its exit status, each with the reason.
 * The other way round there is no difference: what e2fsck finds, we find.
 */
export const STRICTER: Readonly<Record<string, string>> = {
  'superblock-field': 'Linux refuses to mount a field out of bounds, e2fsck passes over many',
  'superblock-free-blocks': 'e2fsck prints the difference, and exits 0 with -n',
  'superblock-free-inodes': 'the same',
  'state-error': 'Linux has seen errors; e2fsck would clear the mark, and says nothing with -n',
  'backup-superblock': 'a copy nobody can use is found when it is needed, which is too late',
  'group-desc-checksum': 'e2fsck prints the wrong checksum, and exits 0 with -n',
  'group-desc-field': 'a limit that Linux checks at mount',
  'journal-superblock': 'e2fsck would clear the journal, and exits 0 with -n',
  'journal-needs-recovery': 'with -n e2fsck leaves recovery out; what it then checks is old',
  'orphan-list': 'with -n e2fsck does not follow the list',
  'orphan-inode': 'the same',
  'resize-inode': 'e2fsck compares only the first of the reserved blocks with -n',
  'extent-header': 'Linux refuses a leaf with a depth of its own',
  'extent-order': 'what the node that was refused maps is missing',
  'inode-blocks': 'the same',
  'block-bitmap-lost': 'the same',
  'block-bitmap-free': 'the same',
  'group-free-blocks': 'the same',
  'inode-field': 'of reserved inodes e2fsck looks at the map alone; Linux reads them like others',
  'inode-mode': 'the same',
  'inode-size': 'e2fsck cuts the size of a directory to 32 bits, and passes over inline files',
  'directory-hole': 'the same',
  'xattr-block-range': 'of reserved inodes e2fsck does not look at attributes',
  'xattr-header': 'the same',
  'blocks-claimed-twice': 'the same',
  'htree-min-hash': 'e2fsck allows a bound to be met from both sides',
  'htree-max-hash': 'the same',
  'entry-twice': 'e2fsck looks for equal names inside of one block',
  'feature-unknown': 'a feature bit that e2fsck knows by a later version',
};

/** Damages whose verdicts differ for a reason of their own. */
export const APART: readonly (readonly [RegExp, string])[] = [
  [/s_rev_level/, 'revision 0 has no features; e2fsck takes the words that stand there'],
  [/slow ext4_inode\.i_block = 0/, 'e2fsck does not look for the end of an inline target'],
];

/** e2fsck's exit status is what counts; its output may be hundreds of MiB. */
const e2fsckStatus = (path: string): number | null =>
  spawnSync('e2fsck', ['-fn', path], {
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
    stdio: 'ignore',
    timeout: 10_000,
  }).status;

/** A sentence where the two verdicts differ without a reason, else null. */
export function disagreement(path: string): string | null {
  const theirs = e2fsckStatus(path);
  let codes: string[];
  try {
    codes = [...new Set(checkFile(path).problems.map((p) => p.code))];
  } catch (e) {
    // CK-1: nothing but what cannot be read at all is thrown, and then e2fsck need not agree.
    if (e instanceof FsError && (e.code === 'EINVAL' || e.code === 'EUCLEAN')) return null;
    throw e;
  }
  if (theirs !== 0)
    return codes.length > 0 ? null : `e2fsck exits ${String(theirs)}, we see nothing`;
  const odd = codes.filter((code) => !(code in STRICTER));
  return odd.length === 0 ? null : `e2fsck sees nothing, we ${odd.join(', ')}`;
}
