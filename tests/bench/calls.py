# SPDX-License-Identifier: BSD-2-Clause
"""What TLS and libvirt's calls cost dom0: instructions that valgrind's callgrind counts between the marks of the programs
tests/bench/tls.c and rpc.c, and what these measure without it."""

import pathlib
import re
import subprocess
import sys


def count(program):
    """Prints each interval's name and instructions."""
    out = program.parent / f"{program.name}.callgrind"
    for old in program.parent.glob(f"{out.name}*"):
        old.unlink()
    subprocess.run(["valgrind", "--tool=callgrind", "--collect-atstart=no", f"--callgrind-out-file={out}", program],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for dump in sorted(program.parent.glob(f"{out.name}.*"), key=lambda path: int(path.suffix[1:])):
        text = dump.read_text()
        name = re.search(r"^desc: Trigger: Client Request: (.*)", text, re.M)
        total = re.search(r"^summary: (\d+)", text, re.M)
        if name and total:
            print(f"{name[1]}: {int(total[1]):,} instructions")


for argument in sys.argv[1:]:
    program = pathlib.Path(argument)
    count(program)
    printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    print(*(line for line in printed.splitlines() if not line.startswith("<")), sep="\n")
