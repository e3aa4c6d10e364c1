/** Stand-in until the real file lands. */
import type { InodeOperations } from '../../vfs/inode.ts';

export const ext4DirInodeOperations: InodeOperations = {};
export const ext4SpecialInodeOperations: InodeOperations = {};
