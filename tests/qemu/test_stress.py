# SPDX-License-Identifier: BSD-2-Clause
"""
A guest of four CPUs that need each other all the time, on a machine of four, while others come and go and everything
is moved about.
"""

import os
import random
import re
import subprocess
import time

import pytest

import machine as m
from test_smp import vcpus
from test_soak import counts

# How many things are done to the guests; in Bochs a tenth. SAMPO_STRESS=5000 for a long run, SAMPO_SEED=n for another one.
OPERATIONS = int(os.environ.get("SAMPO_STRESS", "1000"))
SEED = int(os.environ.get("SAMPO_SEED", "1"))

SMALL = ("spin", "ipi")
COUNTS = re.compile(r"stress: forks (\d+) wakes (\d+) pages (\d+) barriers (\d+), (.*)")


def linux_files(directory):
    """The demo's Linux, with the program behind its initrd."""
    program = directory / "linux_stress"
    subprocess.run(["gcc", "-O2", "-static", "-pthread", "-o", str(program), str(m.TOP / "tests/stress/linux_stress.c")],
                   check=True)
    initrd = m.LINUX_FILES["initrd.gz"].read_bytes() + m.cpio_gz(directory, "stress", program)
    return {**m.LINUX_FILES, "initrd.gz": initrd}


def rounds(box, command, timeout=60):
    """What the program said last: how often each part has been round, and its word for how it goes."""
    text = box.linux(command, timeout)
    said = COUNTS.findall(text)
    assert said, text
    return [int(n) for n in said[-1][:4]], said[-1][4].strip()


def check_progress(box, before):
    """Every part of the program has gone on since."""
    deadline = time.monotonic() + 120 * box.patience
    with box.in_console("big"):
        while True:
            now, word = rounds(box, "tail -n 1 /out")
            assert word == "going on", word
            if all(n > then for n, then in zip(now, before)):
                return now
            if time.monotonic() > deadline:
                box.fail(f"no progress: {before}, {now}")
            time.sleep(1)


def complaints(box):
    """How often the guest's kernel complained."""
    return box.linux("dmesg | grep -cE 'stall|lockup|BUG:|WARNING:|Call Trace|blocked for' || true").split()[-1]


def cpu_list(cpus):
    return ",".join(str(cpu) for cpu in sorted(cpus))


class Model:
    """What the guests must be like after what has been done to them."""

    def __init__(self, box, cpus, dice):
        self.box, self.cpus, self.dice = box, cpus, dice
        self.states = {name: "running" for name in SMALL}
        self.affinity = {}
        self.home = 0  # the CPU of dom0
        self.done = 0

    def run(self, command):
        deadline = time.monotonic() + 20 * self.box.patience
        text = self.box.run(command)
        while "just ending or starting again" in text and time.monotonic() < deadline:  # a reset waits for its CPUs
            text = self.box.run(command)
        assert "error" not in text, f"{command}: {text}"
        self.done += 1

    def change_state(self, name):
        state = self.states[name]
        verb = self.dice.choice({"shut off": ["start"], "paused": ["resume", "destroy"],
                                 "running": ["suspend", "destroy", "reset"]}[state])
        self.run(f"{verb} {name}")
        self.states[name] = {"suspend": "paused", "destroy": "shut off"}.get(verb, "running")

    def pin(self):
        name, vcpu = self.dice.choice([("big", n) for n in range(4)] + [(name, 0) for name in (*SMALL, "Domain-0")])
        if self.states.get(name) == "shut off":
            return
        some = self.dice.sample(range(self.cpus), self.dice.randint(1, self.cpus) if name != "Domain-0" else 1)
        self.run(f"vcpupin {name} {vcpu} {cpu_list(some)}")
        if name == "big":
            self.affinity[vcpu] = some
        elif name == "Domain-0":
            self.home = some[0]

    def share(self):
        name = self.dice.choice(("big", *SMALL))
        if self.states.get(name) == "shut off":
            return
        quota = self.dice.choice((-1, 20000, 70000)) if name != "big" else -1
        self.run(f"schedinfo {name} --set cpu_shares={self.dice.choice((256, 1024, 4096))} vcpu_quota={quota}")

    def step(self):
        kind = self.dice.random()
        if kind < 0.6:
            self.change_state(self.dice.choice(SMALL))
        elif kind < 0.9:
            self.pin()
        else:
            self.share()

    def check(self):
        for name in SMALL:
            assert self.box.state(name) == self.states[name]
        assert self.box.state("big") == "running"
        shown = re.findall(r"CPU Affinity: +(\S+)", self.box.run("vcpuinfo big"))
        for vcpu, cpus in self.affinity.items():
            assert shown[vcpu] == "".join("y" if cpu in cpus else "-" for cpu in range(self.cpus))
        assert re.search(rf"CPU: +{self.home}\b", self.box.run("vcpuinfo Domain-0"))


@pytest.mark.long
def test_stress(boot, iso, tmp_path):
    cpus = 4  # and three guests' six virtual CPUs, and dom0
    operations = OPERATIONS // 10 if m.Machine.__name__ == "Bochs" else OPERATIONS
    guests = {f"{name}.xml": m.domain_xml(name, "flood.elf", memory=4, cmdline=name) for name in SMALL}
    guests["big.xml"] = vcpus(m.linux_xml("big"), 4)
    box = boot(iso=iso({**guests, "flood.elf": m.BUILD / "guests/flood.elf", **linux_files(tmp_path)}), cpus=cpus,
               memory=512, nic=None, disk=None).boot()
    assert re.search(rf"CPU\(s\): +{cpus}\b", box.run("nodeinfo"))
    with box.in_console("big"):
        box.linux_up("big", 240)
        assert box.linux("nproc").split()[-1] == "4"
        complained = complaints(box)
    for name in SMALL:  # the first start of each takes what is kept for the next
        box.run(f"destroy {name}")
        box.run(f"start {name}")
    before = counts(box)
    with box.in_console("big"):
        box.linux("{ /stress > /out 2>&1 & }; until grep -q stress: /out; do sleep 1; done")

    model = Model(box, cpus, random.Random(SEED))
    been = [0] * 4
    for quarter in range(1, 5):
        while model.done < operations * quarter // 4:
            model.step()
            if model.done % 50 == 0:
                model.check()
        model.check()
        been = check_progress(box, been)

    with box.in_console("big"):
        been, word = rounds(box, "touch /stop; wait; tail -n 1 /out", 120)
        assert word == "ok"
        assert box.linux("nproc").split()[-1] == "4"
        assert complaints(box) == complained
    for name, state in model.states.items():
        if state == "shut off":
            box.run(f"start {name}")
    assert counts(box) == before
    assert "triple fault" not in box.run("dmesg")
    print(f"{model.done} operations with seed {SEED}; forks, wakes, pages, barriers: {been}")
