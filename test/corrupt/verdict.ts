/**
 * What e2fsck says of an image before and after it was used, and which of its sentences afterwards
 * follow from the damage that was there before.
 */
import { deviceOfBytes, fsckDevice } from '../support/ram-image.ts';
import type { Outcome } from './use.ts';

/** Its questions, which are no damage. */
const QUESTION = /(^|\s)(Fix|Clear|Connect to \/lost\+found|Clone .*|Delete file)\? no$/;
/** Headings and notices. */
const HEADING = /^(e2fsck \d|Pass \d|MMP interval is|\s*$|.*: \*+ |.*files \()/;
/** Details of the sentence "Multiply-claimed block(s) in inode". */
const DETAIL = /^(File .* \(inode #|\t|  has \d+ multiply-|\(There are \d+)/;

/** What e2fsck says, line by line; null: it cannot read the image. */
function sentences(image: Uint8Array | Outcome['device'], path: string): string[] | null {
  const device = image instanceof Uint8Array ? deviceOfBytes(image) : image.toRam();
  const { status, output } = fsckDevice(device, path);
  if (status >= 8) return null;
  const lines = output.split('\n').filter((l) => !HEADING.test(l) && !DETAIL.test(l));
  return lines.map((l) => l.replace(QUESTION, '')).filter((l) => l !== '');
}

/** A sentence without its numbers: a kind of damage. */
const kindOf = (line: string): string => line.replace(/\d+/g, 'N').replace(/'.*'|\(.*\)|".*"/g, '');

/** The numbers of `+5 +(7--9)`, `-3` or `5 7--9`, those with this sign. */
function numbers(text: string, sign: '+' | '-' | ''): Set<number> {
  const all = new Set<number>();
  const pattern = /(?:^|\s)([+-]?)\(?(\d+)(?:--(\d+))?\)?(?=\s|$)/g;
  for (const [, its, from, to] of text.matchAll(pattern)) {
    if (its !== sign) continue;
    for (let n = Number(from); n <= Number(to ?? from); n++) all.add(n);
  }
  return all;
}

const BLOCKS = /^Block bitmap differences: (?!Group)/;
const CLAIMED = /^Multiply-claimed block\(s\) in inode (\d+): /;

/** What was wrong before, as far as something may follow from it. */
class Before {
  private readonly lines: readonly string[];
  /** Blocks that are in use and free in the bitmap: whoever allocates may get them. */
  readonly unmarked: ReadonlySet<number>;
  /** Blocks that are taken in the bitmap and nobody's. */
  readonly unowned: ReadonlySet<number>;
  /** Blocks of several owners: the first who gives one back frees it for all. */
  readonly shared: ReadonlySet<number>;

  constructor(lines: readonly string[]) {
    this.lines = lines;
    const of = (what: RegExp, sign: '+' | '-' | ''): Set<number> =>
      new Set(
        lines.filter((l) => what.test(l)).flatMap((l) => [...numbers(l.replace(what, ''), sign)]),
      );
    this.unmarked = of(BLOCKS, '+');
    this.unowned = of(BLOCKS, '-');
    this.shared = of(CLAIMED, '');
  }

  says(what: RegExp): boolean {
    return this.lines.some((line) => what.test(line));
  }

  /** An inode that counts more links than it has names that can be read. */
  overcounted(ino: string): boolean {
    const counts = this.lines.map((l) =>
      /^Inode (\d+) ref count is (\d+), should be (\d+)/.exec(l),
    );
    return counts.some((m) => m !== null && m[1] === ino && Number(m[2]) > Number(m[3]));
  }
}

const all = (some: ReadonlySet<number>, ...of: ReadonlySet<number>[]): boolean =>
  [...some].every((n) => of.some((set) => set.has(n)));

/**
 * Does the sentence say what has become, by rightful use, of damage that was there before? Each
 * case names the inodes or the blocks that were wrong already, so that no other ones pass.
 */
function follows(line: string, before: Before): boolean {
  // The names it had are removed, and the count keeps it: the rest were never there, or are in a
  // directory that cannot be read.
  const unattached = /^Unattached inode (\d+)/.exec(line)?.[1];
  if (unattached !== undefined) return before.overcounted(unattached);
  // The sum in the super block is made of the groups' numbers, at mount, as Linux makes it.
  const sum = /^Free (blocks|inodes) count wrong \(/.exec(line)?.[1];
  if (sum !== undefined) return before.says(new RegExp(`^Free ${sum} count wrong for group`));
  // Its map has a block that it may not have, so a truncate stops there; the orphan list, which
  // e2fsck passes over with -n, has the rest.
  const cut = /^Inode (\d+), i_size is /.exec(line)?.[1];
  if (cut !== undefined) return before.says(new RegExp(`^Multiply-.* in inode ${cut}:`));
  // Blocks that were free in the bitmap are given to somebody.
  if (CLAIMED.test(line)) {
    return all(numbers(line.replace(CLAIMED, ''), ''), before.unmarked, before.shared);
  }
  if (!BLOCKS.test(line)) {
    // What may not be written to keeps what nobody has any more.
    const lost = /^Inode bitmap differences:( +-(\d+|\(\d+--\d+\)))+ *$/.test(line);
    return lost && before.says(/inode bitmap does not match checksum/);
  }
  // Lost: what a bitmap that may not be touched keeps, and a run that is left as it is since a
  // block in it is free already (it was, or another owner has given it back).
  const unwritable = /block bitmap does not match checksum|^Free blocks count wrong for group/;
  const twice = before.unmarked.size > 0 || before.shared.size > 0;
  const gone = numbers(line.replace(BLOCKS, ''), '-');
  const mayLose = twice || all(gone, before.unowned) || before.says(unwritable);
  return mayLose && all(numbers(line.replace(BLOCKS, ''), '+'), before.shared, before.unmarked);
}

/** Damage after, which was not there before and does not follow from it. */
export function newDamage(before: Uint8Array, after: Outcome['device'], path: string): string[] {
  const old = sentences(before, path);
  if (!old) return [];
  const known = new Set(old.map(kindOf));
  const was = new Before(old);
  const fresh = (sentences(after, path) ?? []).filter((line) => !known.has(kindOf(line)));
  return fresh.filter((line) => !follows(line, was));
}
