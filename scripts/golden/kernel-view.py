#!/usr/bin/env python3
"""What the kernel sees below a mount point, printed as the JSON of tree.mjs.

Python, because Node has neither xattrs, nor statx(2), nor ioctl(2), nor SEEK_DATA.
"""
import ctypes
import errno
import fcntl
import hashlib
import json
import os
import platform
import stat
import struct
import sys

DENSE_LIMIT = 64 * 1024 * 1024  # as in tree.mjs
FS_IOC_FSGETXATTR = 0x801C581F
AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
STATX_BASIC_AND_BTIME = 0xFFF

TYPES = {
    stat.S_IFREG: 'file', stat.S_IFDIR: 'dir', stat.S_IFLNK: 'symlink', stat.S_IFCHR: 'char',
    stat.S_IFBLK: 'block', stat.S_IFIFO: 'fifo', stat.S_IFSOCK: 'socket',
}
libc = ctypes.CDLL(None, use_errno=True)


def name_of(raw):
    try:
        return raw.decode('utf-8')
    except UnicodeDecodeError:
        return '\0' + raw.hex()


def statx(path):
    """struct statx as a dict. os.stat() has no birth time."""
    buf = ctypes.create_string_buffer(256)
    if libc.statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_AND_BTIME, buf) != 0:
        raise OSError(ctypes.get_errno(), os.fsdecode(path))
    raw = buf.raw
    mask, _, _, nlink, uid, gid, mode = struct.unpack_from('<IIQIIIH', raw, 0)
    ino, size, blocks = struct.unpack_from('<QQQ', raw, 32)
    times = [struct.unpack_from('<qI', raw, 64 + 16 * i) for i in range(4)]
    major, minor = struct.unpack_from('<II', raw, 128)
    text = [f'{sec}.{nsec:09d}' for sec, nsec in times]
    found = {
        'mode': mode, 'uid': uid, 'gid': gid, 'nlink': nlink, 'size': size, 'blocks': blocks,
        'atime': text[0], 'mtime': text[3], 'ctime': text[2], 'ino': ino, 'rdev': f'{major}:{minor}',
    }
    if mask & 0x800:
        found['crtime'] = text[1]
    return found


def written_ranges(fd, size):
    ranges, at = [], 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as err:
            if err.errno == errno.ENXIO:
                break
            raise
        at = os.lseek(fd, start, os.SEEK_HOLE)
        ranges.append([start, at])
    return ranges


def content(node, path):
    """Hash, written ranges and project of a regular file, or the errno that open(2) gave."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError as err:
        node['error'] = errno.errorcode[err.errno]
        return
    try:
        size = node['size']
        ranges = written_ranges(fd, size)
        if size > 0 and ranges != [[0, size]]:
            node['ranges'] = ranges
        digest = hashlib.sha256()
        for start, end in ranges if size > DENSE_LIMIT else [[0, size]]:
            at = start
            while at < end:
                piece = os.pread(fd, min(1 << 20, end - at), at)
                if not piece:
                    raise OSError(errno.EIO, 'short read')
                digest.update(piece)
                at += len(piece)
        node['sha256'] = digest.hexdigest()
        project(node, fd)
    except OSError as err:
        node['error'] = errno.errorcode[err.errno]
    finally:
        os.close(fd)


def project(node, fd):
    try:
        node['project'] = struct.unpack('<IIIII8x', fcntl.ioctl(fd, FS_IOC_FSGETXATTR, b'\0' * 28))[3]
    except OSError:
        pass


def xattrs(node, path):
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as err:
        if err.errno in (errno.EOPNOTSUPP, errno.EPERM):
            return
        raise
    found = {}
    for name in names:
        try:
            found[name] = os.getxattr(path, name, follow_symlinks=False).hex()
        except OSError as err:
            found[name] = errno.errorcode[err.errno]
    node['xattrs'] = dict(sorted(found.items()))


def look(path):
    node = statx(path)
    mode, ino = node.pop('mode'), node.pop('ino')
    kind = TYPES[stat.S_IFMT(mode)]
    rdev = node.pop('rdev')
    node = {'type': kind, 'mode': f'{mode & 0o7777:04o}', **node}
    if kind in ('char', 'block'):
        node['rdev'] = rdev
    xattrs(node, path)
    if kind == 'file':
        content(node, path)
    elif kind == 'symlink':
        try:
            node['target'] = name_of(os.readlink(path))
        except OSError as err:
            node['error'] = errno.errorcode[err.errno]
    return ino, node


def main(top):
    top = os.fsencode(top)
    inodes = {}
    pending = [(top, None)]
    while pending:
        path, parent = pending.pop()
        ino, node = look(path)
        if ino in inodes:
            continue
        inodes[ino] = node
        if node['type'] != 'dir':
            continue
        node['dotdot'] = ino if parent is None else parent
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            project(node, fd)
        finally:
            os.close(fd)
        entries = {}
        with os.scandir(path) as it:
            for entry in it:
                # A look-up of each name, not the number in the entry: this walks the index too.
                child = os.path.join(path, entry.name)
                try:
                    number = os.lstat(child).st_ino
                except OSError as err:
                    number = entry.inode()
                    # Only the directory entry's type is known then; scandir tells these two apart.
                    kind = 'dir' if entry.is_dir(follow_symlinks=False) else 'file'
                    inodes[number] = {'type': kind, 'error': errno.errorcode[err.errno]}
                entries[name_of(entry.name)] = number
                if number not in inodes:
                    pending.append((child, ino))
        node['entries'] = dict(sorted(entries.items()))
    release = '.'.join(platform.release().split('.')[:2])
    json.dump({'source': [f'kernel {release}'], 'inodes': inodes}, sys.stdout)


main(sys.argv[1])
