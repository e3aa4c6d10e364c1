/** Stand-in until the real file lands. */
import type { FileOperations } from '../../vfs/file.ts';

export const ext4DirOperations: FileOperations = {};
