# SPDX-License-Identifier: BSD-2-Clause
"""
parts.py MAKE PART...: makes the parts of the tests in their order, all of them even if one fails, unless it is the first,
without which the others are nothing. At the end it says how long each took and what was slowest in the system tests.
"""

import os
import pathlib
import subprocess
import sys
import time
import xml.etree.ElementTree

SLOWEST = 10


def make(tool, part, jobs=1):
    """Makes one part; how long it took, and whether it went well."""
    print(f"=== {part}", flush=True)
    begin = time.monotonic()
    good = subprocess.run([tool, "--no-print-directory", f"-j{jobs}", part], check=False).returncode == 0
    return time.monotonic() - begin, good


def report(part):
    """What pytest left of a part: how many tests ran, and each with its seconds, the slowest first; None: no pytest."""
    file = pathlib.Path(f"build/tests/{part}.xml")
    if not file.exists():
        return None
    cases = xml.etree.ElementTree.parse(file).getroot().iter("testcase")
    return sorted(((float(c.get("time")), f"{c.get('classname').rpartition('.')[2]}::{c.get('name')}") for c in cases),
                  reverse=True)


def main(tool, *parts):
    done = []
    for part in parts:
        pathlib.Path(f"build/tests/{part}.xml").unlink(missing_ok=True)
        # The first one builds everything, which the others only run.
        seconds, good = make(tool, part, os.cpu_count() if part == parts[0] else 1)
        done.append((part, seconds, good, report(part)))
        if part == parts[0] and not good:
            break
    for part, _, _, tests in done:
        if tests:
            print(f"\nThe slowest of {part}:")
            for seconds, name in tests[:SLOWEST]:
                print(f"{seconds:8.1f} s  {name}")
    print("\nPart                  seconds")
    for part, seconds, good, tests in done:
        print(f"{part:20} {seconds:8.1f}" + (f"  {len(tests)} tests" if tests else "") + ("" if good else "  FAILED"))
    print(f"{'all':20} {sum(d[1] for d in done):8.1f}")
    return 0 if all(d[2] for d in done) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
