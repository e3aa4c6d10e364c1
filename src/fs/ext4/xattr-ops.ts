/** Stand-in until the real file lands. */
import type { InodeOperations } from '../../vfs/inode.ts';

export const ext4XattrOperations: InodeOperations = {};
