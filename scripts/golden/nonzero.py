#!/usr/bin/env python3
"""The ranges of a sparse file that hold something but zeros, as JSON [[start, length], ...].

Python, because Node has no SEEK_DATA and an image may be many TiB of holes.
"""
import json
import os
import sys

GRAIN = 4096

fd = os.open(sys.argv[1], os.O_RDONLY)
size = os.fstat(fd).st_size
found, at, zero = [], 0, bytes(GRAIN)
while at < size:
    try:
        at = os.lseek(fd, at, os.SEEK_DATA) // GRAIN * GRAIN
    except OSError:
        break
    hole = os.lseek(fd, at, os.SEEK_HOLE)
    while at < hole:
        piece = os.pread(fd, GRAIN, at)
        if piece != zero[:len(piece)]:
            if found and sum(found[-1]) == at:
                found[-1][1] += len(piece)
            else:
                found.append([at, len(piece)])
        at += GRAIN
json.dump(found, sys.stdout)
