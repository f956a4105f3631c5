# SPDX-License-Identifier: BSD-2-Clause
"""Guests with several virtual CPUs: the rules from inside, and stock Linux."""

import re

import pytest

import machine as m

QUICK = pytest.mark.quick

TOPOLOGY = "<cpu><topology sockets='2' cores='3' threads='2'/></cpu>"
RULES = {
    # virtual CPUs, the guest's words, <cpu>
    "x2apic": (4, "cpus=4", ""),
    "xapic": (4, "cpus=4 xapic", ""),
    "topology": (12, "cpus=12 cores=3 threads=2 brief", TOPOLOGY),
}


def vcpus(xml, count):
    return xml.replace("<vcpu>1</vcpu>", f"<vcpu>{count}</vcpu>")


@QUICK
@pytest.mark.parametrize("how", RULES)
def test_rules(boot, iso, how):
    count, words, cpu = RULES[how]
    xml = vcpus(m.domain_xml("rules", "smp.elf", memory=32, cmdline=words, head=cpu), count)
    box = boot(iso=iso({"rules.xml": xml, "smp.elf": m.BUILD / "guests/smp.elf"})).boot()
    text = box.wait_run("console rules --log", r"DONE \d+ passed, \d+ failed", 90)
    assert "FAIL" not in text, "\n".join(re.findall(r"FAIL.*", text))
    assert re.search(r"DONE [1-9]\d* passed, 0 failed", text)


def interrupts(text, name):
    """What /proc/interrupts has counted on each CPU."""
    return [int(n) for n in re.search(rf"{name}:((?:\s+\d+)+)", text).group(1).split()]


def check_linux(box, count):
    """In its console: all CPUs are online, take interrupts and run what they are told to."""
    assert box.linux("nproc").split()[-1] == str(count)
    assert len(re.findall(r"^processor", box.linux("cat /proc/cpuinfo"), re.M)) == count
    for cpu in range(count):
        assert f"cpus {cpu}\n" in box.linux(
            f"taskset -c {cpu} sh -c 'echo cpus $(sed -n s/Cpus_allowed_list:.//p /proc/self/status)'")
    box.linux("for i in $(seq 40); do (true | cat | true) & done; wait")
    text = box.linux("cat /proc/interrupts")
    assert all(interrupts(text, "LOC")), text
    assert all(interrupts(text, "CAL")) and sum(interrupts(text, "RES")), text


def test_linux(boot, iso):
    """Two guests of four virtual CPUs, a reboot of one from inside, a reset and a pause of the other."""
    guests = {f"{name}.xml": vcpus(m.linux_xml(name), 4) for name in ("one", "two")}
    box = boot(iso=iso({**guests, **m.LINUX_FILES}), memory=1536).boot()
    for name in ("one", "two"):
        with box.in_console(name):
            box.linux_up(name, 180)
            check_linux(box, 4)
            assert "Brought up 1 node, 4 CPUs" in box.linux("dmesg | grep smp:")
    box.console("one")
    box.send("reboot\r")
    box.expect(r"one: reset: [^\n]*\n", 60)
    box.linux_up("one", 180)
    check_linux(box, 4)
    box.leave()

    box.run("reset two")
    with box.in_console("two"):
        box.linux_up("two", 180)
        check_linux(box, 4)
    box.run("suspend two")
    before = re.findall("CPU time.*", box.run("vcpuinfo two"))
    with box.in_console("one"):
        check_linux(box, 4)
    assert re.findall("CPU time.*", box.run("vcpuinfo two")) == before
    box.run("resume two")
    with box.in_console("two"):
        check_linux(box, 4)
    for name in ("one", "two"):
        box.run(f"shutdown {name}")
        box.wait_state(name, "shut off", 60)


def test_crash(boot, iso):
    """A triple fault of one of its CPUs ends the guest."""
    xml = vcpus(m.domain_xml("rules", "smp.elf", memory=32, cmdline="cpus=4 crash"), 4)
    box = boot(iso=iso({"rules.xml": xml, "smp.elf": m.BUILD / "guests/smp.elf"})).boot()
    box.wait_state("rules", "shut off", 60)
    assert "vCPU 2: triple fault" in box.run("dmesg")
