/** How inodes, mappings and folios stand, in words for who looks at a schedule. */
import type { Ext4Inode } from '../fs/ext4/inode-info.ts';
import { FolioState } from '../iomap/folio-state.ts';
import type { Folio } from '../mm/folio.ts';
import type { SuperBlock } from '../vfs/super.ts';

export type Values = Record<string, string | number>;

/** Below: the format's own, and lost+found. */
const FIRST_INO = 12;

/** @param paths  by inode number */
export function valuesOf(sb: SuperBlock, paths: ReadonlyMap<number, string>): Values {
  const values: Values = {};
  for (const inode of [...sb.inodes.values()].sort((a, b) => a.ino - b.ino)) {
    if (inode.ino < FIRST_INO) continue;
    show(values, paths.get(inode.ino) ?? `inode ${inode.ino}`, inode as Ext4Inode);
  }
  return values;
}

function show(values: Values, name: string, inode: Ext4Inode): void {
  values[`${name} size`] = inode.size;
  values[`${name} disksize`] = inode.disksize;
  values[`${name} nlink`] = inode.nlink;
  const mapping = inode.mappingIfAny;
  if (mapping === null) return;
  const { pages } = mapping;
  values[`${name} mapping`] = mapping.nrpages === 1 ? '1 folio' : `${mapping.nrpages} folios`;
  for (let i = pages.next(0); i >= 0; i = pages.next(i + 1)) {
    values[`${name} folio ${i}`] = folioText(pages.get(i)!);
  }
}

/** The flags that are set; of a folio of several blocks, which of them are uptodate and dirty. */
function folioText(folio: Folio): string {
  const state = folio.private instanceof FolioState ? folio.private : null;
  const blocks = state === null ? 1 : folio.size / state.blockSize;
  const which = (bits = 0): string =>
    bits === 0 || bits === 2 ** blocks - 1
      ? ''
      : ` ${[...bits.toString(2).padStart(blocks, '0')].reverse().join('')}`;
  const words = [
    folio.locked ? 'locked' : '',
    folio.uptodate || (state?.uptodate ?? 0) !== 0 ? `uptodate${which(state?.uptodate)}` : '',
    folio.dirty ? `dirty${which(state?.dirty)}` : '',
    folio.writeback ? 'writeback' : '',
  ];
  return words.filter((word) => word !== '').join(', ') || 'no flag';
}
