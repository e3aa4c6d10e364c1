import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { makeImage } from '../../../test/support/e2fsprogs.ts';
import {
  COMPAT,
  INCOMPAT,
  NO_FEATURES,
  RO_COMPAT,
  defaultFeatures,
  editFeatures,
  featureNames,
  hasFeature,
  readFeatures,
  readOnlyFeatures,
  unreadableFeatures,
  whyReadOnly,
  whyUnreadable,
  withFeature,
  writeFeatures,
} from './features.ts';
import type { Features, FsType } from './features.ts';

const ALL: Features = { compat: 0xffff_ffff, incompat: 0xffff_ffff, roCompat: 0xffff_ffff };

test('all 96 bits have the names that dumpe2fs gives them, in its order', () => {
  const image = makeImage(['-t', 'ext4'], '8M');
  const bytes = image.bytes();
  writeFeatures(new DataView(bytes.buffer), 1024, ALL);
  image.restore(bytes);
  const { stdout } = spawnSync('/usr/sbin/dumpe2fs', ['-f', '-h', image.path], {
    encoding: 'utf8',
  });
  const shown = /^Filesystem features: +(.*)$/m.exec(stdout)?.[1]?.trim().split(' ');
  expect(featureNames(ALL)).toEqual(shown);
});

test('every name, and every nameless bit, goes to the bit where debugfs sets it', () => {
  const image = makeImage(['-t', 'ext2'], '256K');
  const before = image.bytes();
  const start = readFeatures(image.view(), 1024);
  const names = [...Object.keys(COMPAT), ...Object.keys(INCOMPAT), ...Object.keys(RO_COMPAT)];
  for (const name of [
    ...names,
    'extents',
    'uninit_groups',
    'fname_encoding',
    'FEATURE_C7',
    'feature_i31',
  ]) {
    image.debugfs(`features ${name}`);
    expect([name, readFeatures(image.view(), 1024)]).toEqual([name, editFeatures(start, name)]);
    image.restore(before);
  }
  image.debugfs('features -dir_index ^filetype large_file');
  expect(readFeatures(image.view(), 1024)) //
    .toEqual(editFeatures(start, '-dir_index,^filetype large_file'));
});

test('defaults by type are those of mke2fs, and its -O lists mean the same', () => {
  const lists = [
    '',
    '^has_journal',
    '^metadata_csum,uninit_bg',
    'none,filetype,extent',
    'bigalloc,quota,project',
    'inline_data,large_dir,ea_inode',
    '^resize_inode,meta_bg',
  ];
  for (const type of ['ext2', 'ext3', 'ext4'] as FsType[]) {
    for (const list of type === 'ext4' ? lists : ['', '^dir_index']) {
      const image = makeImage(['-t', type, ...(list ? ['-O', list] : [])], '16M');
      const want = editFeatures(defaultFeatures(type), list, type);
      expect([list, featureNames(readFeatures(image.view(), 1024))]).toEqual([
        list,
        featureNames(want),
      ]);
    }
  }
});

test('a list is read from left to right', () => {
  expect(editFeatures(ALL, 'none')).toEqual(NO_FEATURES);
  expect(editFeatures(ALL, 'clear,extent').incompat).toBe(INCOMPAT.extent);
  expect(editFeatures(NO_FEATURES, 'casefold,default', 'ext3')).toEqual(defaultFeatures('ext3'));
  expect(featureNames(editFeatures(NO_FEATURES, 'none, quota,,^quota  +verity'))).toEqual([
    'verity',
  ]);
  expect(() => editFeatures(NO_FEATURES, 'quota,nonsense')).toThrow(/EINVAL.*nonsense/);
  expect(() => editFeatures(NO_FEATURES, 'FEATURE_C32')).toThrow(/EINVAL/);
  const f = withFeature(NO_FEATURES, 'bigalloc', true);
  expect(hasFeature(f, 'bigalloc')).toBe(true);
  expect(hasFeature(withFeature(f, 'bigalloc', false), 'bigalloc')).toBe(false);
});

test('what cannot be read or written is named, with a sentence', () => {
  const usual = defaultFeatures('ext4');
  expect(whyUnreadable(usual)).toBe(null);
  expect(whyReadOnly(usual)).toBe(null);
  expect(unreadableFeatures(editFeatures(usual, 'compression,FEATURE_I20,casefold'))) //
    .toEqual(['compression', 'FEATURE_I20']);
  expect(whyUnreadable(editFeatures(usual, 'journal_dev'))).toMatch(
    /journal_dev: .*external journal/,
  );
  expect(readOnlyFeatures(editFeatures(usual, 'shared_blocks,FEATURE_R20,verity'))) //
    .toEqual(['shared_blocks', 'FEATURE_R20']);
  expect(whyReadOnly(editFeatures(usual, 'shared_blocks'))).toMatch(/shared_blocks: files share/);
  expect(whyReadOnly(editFeatures(usual, 'FEATURE_R20'))).toMatch(/FEATURE_R20: FolioFS does not/);
  expect(unreadableFeatures(editFeatures(usual, 'FEATURE_C20'))).toEqual([]);
});
