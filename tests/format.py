# SPDX-License-Identifier: BSD-2-Clause
"""
The form of the C sources: clang-format with the file at the root changes nothing, a header has `#pragma once` and no
other guard, and the SPDX line is the first. Versions of clang-format differ in what they write, so one of them judges.
"""

import pathlib
import re
import shutil
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
VERSION = "14"
SPDX = "/* SPDX-License-Identifier: BSD-2-Clause */"
GUARD = re.compile(r"^#ifndef (\w+_H)\n#define \1$", re.M)


def formatter():
    """The program, or None."""
    for name in (f"clang-format-{VERSION}", "clang-format"):
        if shutil.which(name):
            said = subprocess.run([name, "--version"], check=True, capture_output=True, text=True).stdout
            if f"version {VERSION}." in said:
                return name
    return None


def drifted(program, files):
    """Lines that name the places where clang-format would write something else."""
    run = subprocess.run([program, "--dry-run", *files], cwd=TOP, capture_output=True, text=True)
    return [line for line in run.stderr.splitlines() if "warning:" in line or "error:" in line]


def main():
    listed = subprocess.run(["git", "ls-files", "*.c", "*.h"], cwd=TOP, check=True, capture_output=True, text=True).stdout
    files = listed.split()
    wrong = []
    for name in files:
        text = (TOP / name).read_text()
        if not text.startswith(SPDX + "\n"):
            wrong.append(f"{name}: the first line is not {SPDX}")
        if name.endswith(".h") and ("\n#pragma once\n" not in text or GUARD.search(text)):
            wrong.append(f"{name}: a header has #pragma once and no other guard")
    program = formatter()
    if program:
        wrong += drifted(program, files)
    else:
        print(f"format: skipped in part, there is no clang-format {VERSION}")
    print("\n".join(wrong[:50] + [f"format: {len(files)} files, {len(wrong)} places that are not in form"]))
    sys.exit(bool(wrong) or not files)


main()
