# SPDX-License-Identifier: BSD-2-Clause
"""A guest of four CPUs that need each other all the time, while others come and go and everything is moved about."""

import os
import random
import re
import subprocess

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


def cpu_list(cpus):
    return ",".join(str(cpu) for cpu in sorted(cpus))


class Model:
    """What the guests must be like after what has been done to them."""

    def __init__(self, box, cpus, dice):
        self.box, self.cpus, self.dice = box, cpus, dice
        self.states = {name: "running" for name in SMALL}
        self.affinity = {}
        self.done = 0

    def run(self, command):
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
        name, vcpu = self.dice.choice([("big", n) for n in range(4)] + [(name, 0) for name in SMALL])
        if self.states.get(name) == "shut off":
            return
        some = self.dice.sample(range(self.cpus), self.dice.randint(1, self.cpus))
        self.run(f"vcpupin {name} {vcpu} {cpu_list(some)}")
        if name == "big":
            self.affinity[vcpu] = some

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


def test_stress(boot, iso, tmp_path):
    cpus = 2
    operations = OPERATIONS // 10 if m.Machine.__name__ == "Bochs" else OPERATIONS
    guests = {f"{name}.xml": m.domain_xml(name, "flood.elf", memory=4, cmdline=name) for name in SMALL}
    guests["big.xml"] = vcpus(m.linux_xml("big"), 4)
    box = boot(iso=iso({**guests, "flood.elf": m.BUILD / "guests/flood.elf", **linux_files(tmp_path)}), cpus=cpus,
               memory=512, nic=None, disk=None).boot()
    with box.in_console("big"):
        box.linux_up("big", 240)
        assert box.linux("nproc").split()[-1] == "4"
    for name in SMALL:  # the first start of each takes what is kept for the next
        box.run(f"destroy {name}")
        box.run(f"start {name}")
    before = counts(box)
    with box.in_console("big"):
        box.linux("{ /stress > /out 2>&1 & }")

    model = Model(box, cpus, random.Random(SEED))
    while model.done < operations:
        model.step()
        if model.done % 50 == 0:
            model.check()
    model.check()

    with box.in_console("big"):
        text = box.linux("touch /stop; wait; cat /out", 120)
        said = COUNTS.search(text)
        assert said and said[5].strip() == "ok", text
        assert all(int(n) for n in said.groups()[:4]), text
        assert box.linux("grep -c ^processor /proc/cpuinfo").split()[-1] == "4"
        assert "rcu" not in box.linux("dmesg | grep -iE 'stall|lockup|BUG:|call trace' || true")
    for name, state in model.states.items():
        if state == "shut off":
            box.run(f"start {name}")
    after = counts(box)
    assert (after["Handles"], after["Domains"]) == (before["Handles"], before["Domains"])
    print(f"{model.done} operations with seed {SEED}; {said[0]}")
