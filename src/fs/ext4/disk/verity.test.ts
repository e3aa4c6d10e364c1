import { expect, test } from 'vitest';
import { FsverityDescriptor, verityMetadataPos } from './verity.ts';

test('the tree begins at the next multiple of 64 KiB', () => {
  expect([0, 1, 65_535, 65_536, 65_537, 2 ** 40 + 1].map(verityMetadataPos)) //
    .toEqual([0, 65_536, 65_536, 65_536, 131_072, 2 ** 40 + 65_536]);
});

test('the salt and the root hash stand where the digest of a descriptor needs them', () => {
  expect(FsverityDescriptor.$size).toBe(256);
  expect([FsverityDescriptor.root_hash.offset, FsverityDescriptor.salt.offset]).toEqual([16, 80]);
});
