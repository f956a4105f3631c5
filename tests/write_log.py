# SPDX-License-Identifier: BSD-2-Clause
"""
The log that QEMU's blklogwrites keeps of a disk (the format of Linux's dm-log-writes), and the images that a cut of the
power may leave: all that the last flush covers, and any of the sectors that were written later.
"""

import struct

MAGIC = 0x6a736677736872
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8


def entries(path):
    """The log's entries in their order: (flags, sector, bytes)."""
    with open(path, "rb") as log:
        magic, version, count, unit = struct.unpack("<QQQI", log.read(28))
        assert magic == MAGIC and version == 1, "no log of writes"
        at = unit
        for _ in range(count):
            log.seek(at)
            sector, sectors, flags, extra = struct.unpack("<QQQQ", log.read(32))
            assert extra == 0 or flags & MARK
            at += unit
            data = b""
            if not flags & DISCARD:
                log.seek(at)
                data = log.read(sectors * unit)
                at += sectors * unit
            yield flags, sector * unit // 512, data


def cut(base, log, end, keep):
    """
    The bytes of an image as a cut before entry `end` may leave it; keep(n) says whether the n-th sector that no flush
    covers lasts.
    """
    image = bytearray(base)
    flushed = max((n for n, (flags, _, _) in enumerate(log[:end]) if flags & FLUSH), default=0)
    count = 0
    for n, (flags, sector, data) in enumerate(log[:end]):
        for part in range(0, len(data), 512):
            last = n < flushed or flags & FUA or keep(count)
            count += not (n < flushed or flags & FUA)
            if last:
                image[sector * 512 + part:sector * 512 + part + 512] = data[part:part + 512]
    return image
