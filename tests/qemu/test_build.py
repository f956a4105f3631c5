# SPDX-License-Identifier: BSD-2-Clause
"""The build itself: nothing to do the second time, the same bytes from another folder, ISOs of one's own."""

import hashlib
import os
import re
import shutil
import subprocess

import pytest

import machine as m
import once


def make(*words, cwd=m.TOP):
    """Runs make, away from the make that may run the tests."""
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    return subprocess.run(["make", *words], cwd=cwd, env=env, check=True, capture_output=True, text=True).stdout


def digest(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.quick
def test_nothing_to_do():
    make("all", "iso")
    iso = m.BUILD / "sampo.iso"
    stamp = iso.stat().st_mtime_ns
    assert make("all", "iso").replace("make: Nothing to be done for 'all'.", "") \
        .replace("make: Nothing to be done for 'iso'.", "").strip() == ""
    assert iso.stat().st_mtime_ns == stamp


@pytest.mark.parametrize("line,found", [
    ("first = cpu->inbox;", True),
    ("if (vcpu->posted[i] & bit)", True),
    ("cpu->resched |= more;", True),
    ("count = page->cpuids < 64 ? page->cpuids : 64;", True),
    ("page->port = page->size;", True),
    ("a = READ_ONCE(page->cpuids); b = READ_ONCE(page->cpuids);", True),
    ("if (vcpu->cpu == this_cpu())", True),
    ("count = READ_ONCE(page->cpuids); /* page->cpuids */", False),
    ("page->port = x->port;", False),
    ("e = &page->cpuid[n];", False),
    ("__atomic_fetch_or(&vcpu->posted[i], bit, __ATOMIC_RELEASE);", False),
])
def test_words_read_once(line, found):
    """make once sees plain accesses to words that others write."""
    assert bool(once.faults("kernel/x.c", f"void f(void)\n{{\n\t{line}\n}}\n")) == found


def test_reproducible(tmp_path):
    """A build in another folder gives the same image, byte for byte; the fetched packages are taken over."""
    other = tmp_path / "elsewhere"
    shutil.copytree(m.TOP, other, ignore=shutil.ignore_patterns("build", ".git"), symlinks=True)
    (other / "build/linux").mkdir(parents=True)
    shutil.copytree(m.BUILD / "src", other / "build/src", symlinks=True)
    shutil.copytree(m.BUILD / "linux/debs", other / "build/linux/debs")
    make("all", "iso", "disk", cwd=other)
    for name in ("sampo.elf", "sampo.elf32", "dom0.elf", "dom0.bin", "sampo.iso", "sampo-disk.img"):
        assert digest(other / "build" / name) == digest(m.BUILD / name), name


def test_iso_of_own_guests(tmp_path):
    """make iso GUESTS=dir ISO=file. Modules arrive as they are: GRUB would unpack the last part of an initrd only."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "one.xml").write_text(m.linux_xml("one"))
    for name, file in m.LINUX_FILES.items():
        shutil.copy(file, folder / name)
    with (folder / "initrd.gz").open("ab") as initrd:
        initrd.write(m.cpio_gz(tmp_path, "start", "#!/bin/sh\necho the second part\n"))
    target = tmp_path / "own.iso"
    make("iso", f"GUESTS={folder}", f"ISO={target}")
    with m.Machine(tmp_path, iso=target, memory=512, nic=None) as box:
        box.boot()
        with box.in_console("one"):
            box.expect("the second part")
            box.linux_up("one")


@pytest.mark.quick
def test_hypercalls_are_documented():
    """The table in docs/hypercalls.md has the calls of kernel/abi.h, and no others."""
    header = re.findall(r"\bX\((\d+), (\w+), SAMPO_T_\w+, [^,]+,", (m.TOP / "kernel/abi.h").read_text())
    table = re.findall(r"^\| (\d+) \| `(\w+)` \|", (m.TOP / "docs/hypercalls.md").read_text(), re.M)
    assert header and header == table
