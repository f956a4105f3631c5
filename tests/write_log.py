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


class Replay:
    """
    The same in a file, one cut after the other: `path` has the disk before the log's first entry, and then in turn what
    each cut leaves. Only the sectors that differ are written.
    """

    def __init__(self, path, log):
        self.file = open(path, "r+b", buffering=0)  # pylint: disable=consider-using-with
        self.log = log
        self.done = 0      # entries that are in the file for good: a flush covers them
        self.pending = []  # (sector, bytes of a sector) behind that flush, in their order
        self.undo = {}     # what the cut before has changed: by sector, the bytes that were there

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def read(self, at, size):
        self.file.seek(at)
        return self.file.read(size)

    def write(self, sector, data):
        self.file.seek(sector * 512)
        self.file.write(data)

    def take(self):
        """The next entry: a flush makes what was written before last, FUA what it writes itself."""
        flags, sector, data = self.log[self.done]
        self.done += 1
        if flags & FLUSH:
            for at, part in self.pending:
                self.write(at, part)
            self.pending = []
        if flags & FUA:
            self.write(sector, data)
            covered = range(sector, sector + len(data) // 512)
            self.pending = [(at, part) for at, part in self.pending if at not in covered]
        else:
            self.pending += [(sector + n // 512, data[n:n + 512]) for n in range(0, len(data), 512)]

    def cut(self, end, keep):
        """Has the file be what a cut before entry `end` leaves, where keep(n) is as for cut(). Cuts come in their order."""
        for sector, data in self.undo.items():
            self.write(sector, data)
        self.undo = {}
        while self.done < end:
            self.take()
        for n, (sector, data) in enumerate(self.pending):
            if keep(n):
                if sector not in self.undo:
                    self.undo[sector] = self.read(sector * 512, 512)
                self.write(sector, data)
