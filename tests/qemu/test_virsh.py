# SPDX-License-Identifier: BSD-2-Clause
"""dom0's shell beside recordings of a stock virsh: the same commands, line by line (tests/virsh/recordings.py)."""

import re

import pytest

import machine as m
from virsh import recordings

pytestmark = pytest.mark.quick

GUESTS = ("alpha", "beta", "gamma", "broken")


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    place = tmp_path_factory.mktemp("virsh")
    modules = [(m.BUILD / "dom0.bin", "dom0"), (m.BUILD / "guests/crash.elf", "crash.elf"),
               *((recordings.HERE / f"{name}.xml", f"{name}.def") for name in GUESTS)]
    disk = m.make_disk(place / "disk.img", "one", size=4)
    with m.Machine(place, kernel=m.BUILD / "sampo.elf32", modules=modules, memory=256, nic=None, image=disk, cpus=1) as one:
        yield one.boot()


def shown(box, command):
    """The lines that the shell prints, without those of dom0's log, which speaks on the same console."""
    lines = box.run(command).split("\n")[:-1]
    return [line for line in lines if not re.match(rf"({'|'.join(GUESTS)}): ", line)]


def differences(step, lines):
    """None, or what is expected and what came."""
    expected = step.expected()
    if len(lines) == len(expected) and all(map(recordings.same, expected, lines)):
        return None
    return "\n".join([f"virsh # {step.command}", *(f"- {line}" for line in expected), *(f"+ {line}" for line in lines)])


def help_differences(step, lines):
    """Sampo has fewer options: each line is virsh's or one of Sampo's own, each word of the synopsis stands in theirs."""
    known = step.virsh + step.sampo
    words = set(" ".join(known).split())
    wrong = [line for line in lines if line not in known and not (line.startswith("    ") and set(line.split()) <= words)]
    return "\n".join([f"virsh # {step.command}", *(f"+ {line}" for line in wrong)]) if wrong or len(lines) < 5 else None


def test_recordings(box):
    """A session of some hundred commands; ids, times and counters count on in both."""
    wrong = []
    for name in ("alpha", "beta"):
        box.run(f"define {name}.def")
    box.run("start alpha")
    for file in recordings.files():
        for step in recordings.read(file)[1]:
            compare = help_differences if "help" in file.name and "help" in step.command else differences
            difference = compare(step, shown(box, step.command))
            if difference:
                wrong.append(f"{file.name}: {difference}")
    assert not wrong, "\n\n".join(wrong)
