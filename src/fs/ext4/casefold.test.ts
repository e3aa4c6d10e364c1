import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeImage, scratchDir } from '../../../test/support/e2fsprogs.ts';
import type { TestImage } from '../../../test/support/e2fsprogs.ts';
import { type Name, nameFromBytes, nameFromText, nameToBytes } from '../../base/name.ts';
import { casefold, casefoldKey, casefoldMatches, isUtf8 } from './casefold.ts';
import { DirEntry2, DirEntryTail } from './disk/dirent.ts';
import { DX_ROOT_ENTRIES_OFFSET, DxCountlimit, DxEntry, dxBlock } from './disk/htree.ts';
import { dirHash, hashSeedOf } from './hash.ts';

const NO_SEED = new Uint32Array(4);
const latin1 = (b: Uint8Array): string => Buffer.from(b).toString('latin1');
const utf8 = (...cps: number[]): Uint8Array =>
  Uint8Array.from(Buffer.from(String.fromCodePoint(...cps)));

/** Hashes of debugfs for casefolded names; null where it finds the name to be no UTF-8. */
function judge(image: TestImage, names: readonly Uint8Array[]): (string | null)[] {
  const commands = names.map((n) => `dx_hash -h half_md4 -c -e utf8 ${latin1(n)}`);
  const answers = image
    .debugfs(...commands)
    .split('debugfs: dx_hash ')
    .slice(1);
  expect(answers.length).toBe(names.length);
  return answers.map((a) => / is 0x([0-9a-f]+) \(minor/.exec(a)?.[1] ?? null);
}

function expectJudged(image: TestImage, names: readonly Uint8Array[]): void {
  for (const [i, theirs] of judge(image, names).entries()) {
    const name = names[i] ?? new Uint8Array();
    const folded = casefold(name);
    // A name that begins inside a character is hashed as it is; one that ends so is an error.
    const hashed = folded ?? (((name[0] ?? 0) & 0xc0) === 0x80 ? name : null);
    const ours = hashed && dirHash(1, NO_SEED, hashed).hash.toString(16);
    expect([Buffer.from(name).toString('hex'), ours]).toEqual([
      Buffer.from(name).toString('hex'),
      theirs,
    ]);
  }
}

/** debugfs splits its commands at blanks and quotes. */
const sayable = (cp: number): boolean => cp > 0x20 && cp !== 0x22 && (cp < 0x7f || cp > 0xa0);

test('every code point of the blocks that fold folds as debugfs folds it', () => {
  const image = makeImage(['-t', 'ext2'], '256K');
  for (const [first, last] of [
    [0x21, 0x3200],
    [0xa600, 0xac40],
    [0xd780, 0xd7ff],
    [0xf8f0, 0xffff],
    [0x1_0280, 0x1_1400],
    [0x1_6a00, 0x1_6f00],
    [0x1_d100, 0x1_d300],
    [0x1_e000, 0x1_ea00],
    [0x2_f7f0, 0x2_fa30],
    [0xd_fff0, 0xe_1010],
  ] as const) {
    const names: Uint8Array[] = [];
    for (let cp = first; cp <= last; cp += 1) if (sayable(cp)) names.push(utf8(0x61, cp, 0x62));
    expectJudged(image, names);
  }
});

/** Names of letters, marks of every kind, syllables, things nobody sees, and odd bytes. */
function mixedNames(count: number): Uint8Array[] {
  let state = 99;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  const odd = [
    0x34f, 0x200d, 0xe0100, 0x5b0, 0x5b4, 0x64b, 0x650, 0x93c, 0x94d, 0x3099, 0x1d16d, 0x1ac1,
  ];
  const one = [
    () => 0x300 + next(0x70),
    () => 0x300 + next(0x70),
    () => odd[next(odd.length)] ?? 0,
    () => 0x61 + next(26),
    () => 0x41 + next(26),
    () => 0xac00 + next(11_172),
    () => 0x1e00 + next(0x200),
    () => 0x386 + next(0xa0),
    () => 0xa1 + next(0x2000),
  ];
  return Array.from({ length: count }, () => {
    const bytes = Array.from({ length: 1 + next(10) }, () => [
      ...utf8((one[next(9)] ?? one[0]!)()),
    ]).flat();
    const trouble = next(6);
    if (trouble === 0) bytes[next(bytes.length)] = 0x80 + next(128);
    for (let i = next(4); trouble === 1 && i >= 0; i -= 1) {
      bytes.splice(next(bytes.length + 1), 0, 0x80 + next(64));
    }
    return Uint8Array.from(bytes);
  });
}

test('marks are put in order, and odd bytes let pass, as debugfs does', () => {
  expectJudged(makeImage(['-t', 'ext2'], '256K'), mixedNames(6000));
});

const key = (text: string): Name => casefoldKey(nameFromText(text));

test('names that differ in case, composition or unseen characters match, others do not', () => {
  for (const [a, b] of [
    ['README', 'readme'],
    ['Straße', 'STRASSE'],
    ['É', 'e\u0301'],
    ['ΣΊΣΥΦΟΣ', 'σίσυφος'],
    ['\u1100\u1161\u11a8', '각'],
    ['a\u00adb', 'AB'],
    ['ﬃ', 'FFI'],
    ['\u0345', 'ι'],
    ['e\u0323\u0301', 'é\u0323'],
  ] as const) {
    expect([a, key(a)]).toEqual([a, key(b)]);
    expect(casefoldMatches(key(a), nameToBytes(nameFromText(b)))).toBe(true);
  }
  for (const [a, b] of [
    ['e', 'é'],
    ['i', 'İ'],
    ['ı', 'I'],
    ['a', 'ａ'],
    ['ab', 'a'],
  ] as const) {
    expect([a, key(a)]).not.toEqual([a, key(b)]);
    expect(casefoldMatches(key(a), nameToBytes(nameFromText(b)))).toBe(false);
  }
});

test('a name that is no UTF-8 is its bytes', () => {
  for (const hex of [
    'ff',
    '80',
    'c3',
    '41c3',
    'eda080',
    'c080',
    'e08080',
    'f4908080',
    'f8888080',
  ]) {
    const b = Uint8Array.from(Buffer.from(hex, 'hex'));
    expect([hex, casefold(b)]).toEqual([hex, null]);
    expect(casefoldKey(nameFromBytes(b))).toBe(nameFromBytes(b));
    expect(casefoldMatches(nameFromBytes(b), b)).toBe(true);
    expect(isUtf8(b)).toBe(false);
  }
  expect(isUtf8(utf8(0x41, 0xe9, 0x20ac, 0x1f600, 0x10ffff))).toBe(true);
  expect(isUtf8(Uint8Array.of(0x41, 0x80))).toBe(false);
  expect(casefold(Uint8Array.of(0x41, 0x80))).toEqual(Uint8Array.of(0x61, 0x80));
});

test('a name in the middle of a block is folded alone', () => {
  const name = utf8(0xc9, 0x41);
  const block = new Uint8Array(64).fill(0xcc);
  block.set(name, 20);
  expect(casefold(block, 20, 20 + name.length)).toEqual(utf8(0x65, 0x301, 0x61));
  expect(casefoldMatches(key('éa'), block, 20, 20 + name.length)).toBe(true);
});

test('a casefolded tree made by e2fsck is in the order of our hashes', () => {
  const dir = scratchDir();
  mkdirSync(join(dir, 'd'));
  for (let i = 0; i < 400; i += 1) writeFileSync(join(dir, 'd', `Ünïcødé-ΣΑΣ-${i}-ẞ`), '');
  const image = makeImage(
    ['-t', 'ext4', '-b', '1024', '-N', '1000', '-O', 'casefold', '-E', 'encoding=utf8', '-d', dir],
    '16M',
  );
  // e2fsprogs sets the flag on an empty directory only, so set it by its number.
  const flags = Number(/Flags: (0x[0-9a-f]+)/.exec(image.ask('stat d'))?.[1]) + 0x4000_0000;
  image.debugfs(`sif d flags ${flags}`);
  spawnSync('/usr/sbin/e2fsck', ['-fyD', image.path]);
  expect(image.fsck().code).toBe(0);

  const view = image.view();
  const blocks = (
    image
      .ask('blocks d')
      .split('\n')
      .find((l) => /^\d/.test(l)) ?? ''
  )
    .trim()
    .split(/\s+/)
    .map(Number);
  const root = (blocks[0] ?? 0) * 1024 + DX_ROOT_ENTRIES_OFFSET;
  const count = DxCountlimit.count.get(view, root);
  const seed = hashSeedOf(view, 1024);
  let names = 0;
  for (let i = 0; i < count; i += 1) {
    const low = i === 0 ? 0 : DxEntry.hash.get(view, root + 8 * i) & ~1;
    const high = i + 1 < count ? DxEntry.hash.get(view, root + 8 * (i + 1)) : 0xffff_ffff;
    const leaf = (blocks[dxBlock(view, root + 8 * i)] ?? 0) * 1024;
    for (
      let at = leaf;
      at < leaf + 1024 - DirEntryTail.$size;
      at += DirEntry2.rec_len.get(view, at)
    ) {
      if (DirEntry2.inode.get(view, at) === 0) continue;
      const name = new Uint8Array(view.buffer, at + 8, DirEntry2.name_len.get(view, at));
      const { hash } = dirHash(1, seed, casefold(name) ?? name);
      expect(hash).toBeGreaterThanOrEqual(low >>> 0);
      expect(hash).toBeLessThanOrEqual(high);
      expect(dirHash(1, seed, name).hash).not.toBe(hash);
      names += 1;
    }
  }
  expect(names).toBe(400);
  expect(count).toBeGreaterThan(10);
});
