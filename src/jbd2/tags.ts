/**
 * All tags of a descriptor block: which blocks of the file system the copies behind it are of.
 * @source fs/jbd2/recovery.c:count_tags()
 */
import {
  JBD2_FLAG_LAST_TAG,
  JBD2_FLAG_SAME_UUID,
  JournalBlockTail,
  JournalHeader,
  readTag,
  type Tag,
  tagBytes,
} from './disk.ts';
import type { LoadedJournal } from './load.ts';

const UUID_SIZE = 16;

/** @param view  the whole block. As many as fit, up to the one that says it is the last. */
export function readTags(journal: LoadedJournal, view: DataView): Tag[] {
  const { layout } = journal;
  const step = tagBytes(layout);
  const end = view.byteLength - (layout.csumV2 || layout.csumV3 ? JournalBlockTail.$size : 0);
  const tags: Tag[] = [];
  for (let at = JournalHeader.$size; at + step <= end; at += step) {
    const tag = readTag(view, at, layout);
    tags.push(tag);
    if ((tag.flags & JBD2_FLAG_LAST_TAG) !== 0) break;
    if ((tag.flags & JBD2_FLAG_SAME_UUID) === 0) at += UUID_SIZE;
  }
  return tags;
}
