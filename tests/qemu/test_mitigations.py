# SPDX-License-Identifier: BSD-2-Clause
"""What is done for real CPUs: nothing where nobody needs it, and what can be forced does no harm."""

import re
import subprocess

import pytest

import machine as m

KERNEL = m.BUILD / "sampo.elf32"
DOM0 = m.BUILD / "dom0.bin"
RULES = ("msrs", "crs", "fpu", "exceptions", "apic", "cpuids")


def plan(box):
    """The mitigations that the kernel's log names."""
    return re.search(r"; mitigations:([^\n]*)", box.run("dmesg")).group(1).split()


@pytest.mark.quick
def test_none(boot):
    """The emulators do not speculate. (LFENCE's bit is one of each AMD.)"""
    box = boot(kernel=KERNEL, modules=[(DOM0, "dom0")], memory=256, nic=None, cmdline="mitigations=auto").boot()
    said = plan(box)
    assert said in (["none"], ["lfence"]), said
    assert "not known on its command line" not in box.run("dmesg")


def test_forced(boot, tmp_path):
    """The ways into guests and out that are not taken otherwise, retpolines, small executable pages."""
    modules = [(DOM0, "dom0")]
    for name in RULES:
        (tmp_path / f"{name}.def").write_text(m.domain_xml(name, f"{name}.elf", memory=16))
        modules += [(tmp_path / f"{name}.def", f"{name}.def"), (m.BUILD / f"guests/{name}.elf", f"{name}.elf")]
    box = boot(kernel=KERNEL, modules=modules, memory=256, nic=None, cmdline="mitigations=force").boot()
    assert {"verw", "rsb", "retpoline"} <= set(plan(box))
    for name in RULES:
        box.run(f"define {name}.def")
        box.send(f"start {name}\r")
        box.expect(f"{name}: powered off[^\n]*\n", 60)
        output = box.wait_run(f"console {name} --log", r"DONE \d+ passed, \d+ failed", 60)
        assert "FAIL" not in output and re.search(r"DONE [1-9]\d* passed, 0 failed", output), output


@pytest.mark.parametrize("words", ["", "fuzz=7 calls=20000"], ids=["calls", "hostile"])
def test_forced_calls(boot, words):
    """The kernel's interface the same, on one CPU, whose time is the same on each host."""
    box = boot(kernel=KERNEL, cmdline="mitigations=force", memory=512, nic=None, icount=True, cpus=1,
               modules=[(m.BUILD / "tests/abi.bin", f"dom0 {words}".strip())])
    box.expect_end(120)
    text = box.log_text()
    assert "retpoline" in text and "panic" not in text.lower(), box.tail()
    assert "FAIL" not in text, "\n".join(re.findall(r"FAIL.*", text))
    assert re.search(r"DONE [1-9]\d* passed, 0 failed", text), box.tail()


@pytest.mark.quick
def test_no_indirect_branches():
    """In the kernel's code an indirect branch is one of a thunk, behind the call that predicts it, or of the boot."""
    code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", str(m.BUILD / "sampo.elf")], check=True,
                          capture_output=True, text=True).stdout
    place, found = "", []
    for line in code.splitlines():
        name = re.match(r"[0-9a-f]+ <(.*)>:", line)
        place = name.group(1) if name else place
        if re.search(r"\t(?:bnd |notrack )?l?(?:call|jmp)[a-z]* +\*", line):
            found.append((place, line.split("\t", 1)[1]))
    strays = [f for f in found if not f[0].startswith(("__x86_indirect_thunk_", "thunk_jumps", "start64"))]
    assert not strays, strays
    assert len(found) == 17, found


@pytest.mark.quick
@pytest.mark.parametrize("word, run, parked", [("smt=off", 2, 2), ("smt=on", 4, None)])
def test_smt(boot, word, run, parked):
    """Two cores of two threads: with smt=off each runs guests on one."""
    box = boot(kernel=KERNEL, modules=[(DOM0, "dom0")], memory=256, nic=None, cpus=4, args=["-smp", "sockets=1,cores=2,threads=2"],
               cpu="EPYC,+svm", cmdline=word).boot()
    said = box.run("dmesg")
    assert f"kernel: {run} of 4 CPUs run" in said
    assert re.search(r"kernel: (\d+) more are parked", said) is None if parked is None else f"kernel: {parked} more are parked" in said
    assert re.search(rf"CPU\(s\): +{run}\b", box.run("nodeinfo"))
