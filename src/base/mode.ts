/**
 * The bits of a file's mode: its type above, what may be done with it below. The numbers are the
 * same on disk, in memory and for the caller, on every host.
 * @source include/uapi/linux/stat.h, inode(7)
 */
export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;

export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_ISVTX = 0o1000;
/** Execution by the group; S_ISGID means something only beside it. */
export const S_IXGRP = 0o010;
/** All that chmod may change. */
export const S_IALLUGO = 0o7777;
