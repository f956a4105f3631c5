#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Which functions of dom0 and of ring 0 the instructions of a Linux guest's disk and network are executed in, by `make profile`
(some ten minutes). NIC=e1000 takes another card of the machine, TOP=40 shows more functions.

The plugin (count.c) says how often each block of code was executed. Ring 0, dom0 and the guest have code at the same
addresses: a block is of that image whose bytes at the address are those of the block, or else of the guest.
"""

import bisect
import collections
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent)]

# pylint: disable=wrong-import-position
import bench  # noqa: E402
from bench import m  # noqa: E402

PT_LOAD = 1
UNITS = {"tcp-in": ("KiB", bench.DOWN >> 10), "tcp-out": ("KiB", bench.DOWN >> 10)}


class Image:
    """What is loaded of an ELF file, and the names of its functions."""

    def __init__(self, file):
        data = file.read_bytes()
        at, = struct.unpack_from("<Q", data, 32)
        count, = struct.unpack_from("<H", data, 56)
        self.loaded = []
        for i in range(count):
            kind, _, offset, address, _, size = struct.unpack_from("<IIQQQQ", data, at + 56 * i)
            if kind == PT_LOAD:
                self.loaded.append((address, data[offset:offset + size]))
        lines = subprocess.run(["nm", "-n", str(file)], check=True, capture_output=True, text=True).stdout.splitlines()
        names = [(int(address, 16), name) for address, kind, name in (line.split() for line in lines if len(line.split()) == 3)
                 if kind in "tTwW"]
        self.addresses, self.names = [pair[0] for pair in names], [pair[1] for pair in names]

    def has(self, address, code):
        """Does the image have that code there? The code of a short block ends with zeros."""
        code = code.rstrip(b"\0") or b"\0"
        return any(start <= address < start + len(data) and data[address - start:][:len(code)] == code
                   for start, data in self.loaded)

    def name(self, address):
        return self.names[bisect.bisect_right(self.addresses, address) - 1]


def places(counts, images):
    """Instructions by image and function."""
    found = collections.Counter()
    for address, code, executed in counts:
        owner = next((name for name, image in images.items() if image.has(address, code)), None)
        found[(owner or "guest", images[owner].name(address) if owner else "")] += executed
    return found


def intervals(file):
    """Of each interval between two marks the blocks, as (address, code, executed)."""
    blocks = []
    for line in file.read_text().splitlines():
        what, *words = line.split()
        if what == "executed":
            yield blocks
            blocks = []
        else:
            blocks.append((int(words[0], 16), bytes.fromhex(words[1]), int(words[2])))


def show(text, file, most):
    """Prints the intervals that the console names, each with its `most` functions."""
    images = {"dom0": Image(m.BUILD / "dom0.elf"), "ring 0": Image(m.BUILD / "sampo.elf")}
    for (name, rounds), blocks in zip(bench.COUNTED.findall(m.clean(text)), intervals(file)):
        unit, units = UNITS.get(name, ("round", int(rounds)))
        found = places(blocks, images)
        sums = collections.Counter()
        for (owner, _), executed in found.items():
            sums[owner] += executed
        print(f"\n{name}, a {unit}: " + ", ".join(f"{owner} {executed / units:,.0f}" for owner, executed in sums.most_common()))
        for (owner, function), executed in [item for item in found.most_common() if item[0][1]][:most]:
            print(f"  {owner:8} {function:40} {executed / units:12,.1f}")


def main():
    with tempfile.TemporaryDirectory() as folder:
        top = pathlib.Path(folder)
        web = bench.Server()
        _, sparse = bench.bench_disk(top)
        bench.linux_guest(top, bench.bench_initrd(top), sparse, web.url, profile=True, nic=os.environ.get("NIC", "e1000e"))
        web.close()
        show((top / "serial.log").read_text(errors="replace"), top / "executed", int(os.environ.get("TOP", "20")))


if __name__ == "__main__":
    main()
