# SPDX-License-Identifier: BSD-2-Clause
"""
Which part of the house may include what of which other. A rule names files by a pattern and the patterns of all that
they may include; the first rule that fits a file counts. Prints each include that no rule allows, and fails then.
"""

import fnmatch
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include "([^"]+)"', re.M)
RING0 = ["boot/*", "arch/*", "kernel/*"]
RULES = [
    # Neither vendor knows the other.
    ("arch/svm/*", ["boot/*", "arch/*.h", "arch/svm/*", "kernel/*"], ["arch/vmx/*"]),
    ("arch/vmx/*", ["boot/*", "arch/*.h", "arch/vmx/*", "kernel/*"], ["arch/svm/*"]),
    # The program that `qemu -kernel` starts has the kernel inside and shares no code with it.
    ("boot/multiboot1/*", ["boot/*", "build/*"], []),
    # Ring 0 knows nothing above it.
    ("boot/*", RING0, []),
    ("arch/*", RING0, []),
    ("kernel/*", RING0, []),
    # Drivers know their environment and the shapes of what they serve, and nothing of virtualization.
    ("drivers/*", ["drivers/*"], []),
    # The program that seals dom0's image shares the checksum with the kernel that checks it.
    ("guests/lib/seal.c", ["kernel/abi.h", "kernel/base/crc32c.h"], []),
    # Of ring 0 a guest sees the interface; small guests know neither dom0 nor drivers.
    ("guests/lib/*", ["guests/lib/*", "kernel/abi.h"], []),
    ("guests/small/*", ["guests/lib/*", "guests/small/*"], []),
    ("guests/dom0/*", ["guests/dom0/*", "guests/lib/*", "drivers/*", "kernel/abi.h"], []),
]


def fits(name, patterns):
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def refused(name, included):
    for of, allowed, never in RULES:
        if fits(name, [of]):
            return fits(included, never) or not fits(included, allowed)
    return True


def main():
    files = [f for part in ("boot", "arch", "kernel", "drivers", "guests") for f in sorted(TOP.glob(f"{part}/**/*.[chS]"))]
    found = wrong = 0
    for file in files:
        name = str(file.relative_to(TOP))
        for included in INCLUDE.findall(file.read_text()):
            # What is not a file of the project is generated, or a library's.
            if not (TOP / included).is_file():
                continue
            found += 1
            if refused(name, included):
                wrong += 1
                print(f"{name} includes {included}, which its place in the house does not allow (tests/rooms.py)")
    print(f"rooms: {len(files)} files, {found} includes, {wrong} not allowed")
    sys.exit(bool(wrong) or not found)


main()
