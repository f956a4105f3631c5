# SPDX-License-Identifier: BSD-2-Clause
"""dom0's devices behind an IOMMU: all works that works without one, and nothing is blocked."""

import re

import pexpect
import pytest

import machine as m

SAID = {"vtd": "VT-d", "vtd48": "VT-d", "amdvi": "AMD-Vi"}


def answers(box):
    """Waits until the shell of the open console answers: its prompt may be there already, of the guest's life before."""
    for _ in range(60):
        box.send("echo an''swer\r")
        if not box.child.expect([r"answer\r*\n", pexpect.TIMEOUT], timeout=2 * box.patience):
            break
    box.linux_up(box.where)


@pytest.mark.parametrize("unit,memory,kind,nic,cpus", [
    ("vtd", 5120, "ahci", "e1000e", 2),
    ("vtd48", 768, "nvme", "e1000", 1),
    ("amdvi", 768, "nvme", "e1000e", 2),
    ("amdvi", 5120, "ahci", "e1000", 1),
])
def test_dom0(boot, iso, disk, web, unit, memory, kind, nic, cpus):
    """
    A Linux guest with its disk and its network, through dom0. The card of the kind e1000 interrupts by a pin, which a unit
    remaps too.
    """
    guests = {"linux1.xml": m.linux_xml("linux1", partition="guest1", mac="52:54:00:00:01:01"),
              "linux2.xml": m.linux_xml("linux2", partition="guest2", words="ip=none", memory=128), **m.LINUX_FILES}
    box = boot(iso=iso(guests, cmdline="iommu=required"), memory=memory, disk=kind, nic=nic, image=disk(), cpus=cpus,
               iommu=m.IOMMUS[unit]).boot(120)
    assert re.search(rf"kernel: {SAID[unit]}, 1 unit, interrupts remapped\n", box.log_text())
    box.wait_run("net", r"Address: +10\.0\.2\.\d+")
    with box.in_console("linux1"):
        box.linux_up("linux1")
        assert box.linux(f"wget -q -O - {web.url}/hello") == "hello from outside\n"
        box.linux("dd if=/dev/urandom of=/mnt/a bs=64k count=100 2>/dev/null; sync; md5sum </mnt/a >/run/sum; "
                  "echo 3 >/proc/sys/vm/drop_caches; md5sum </mnt/a | cmp - /run/sum")
        assert len(box.linux(f"wget -q -O - {web.url}/big | md5sum").split()[0]) == 32
    # Memory of a guest that is gone serves another one, and its old addresses are forgotten.
    for _ in range(3):
        box.run("destroy linux2")
        box.run("start linux2")
        with box.in_console("linux2"):
            answers(box)
            box.linux("dd if=/dev/vda of=/dev/null bs=64k count=100 iflag=direct")
    assert "iommu: 0" not in box.run("dmesg"), "a device has been blocked"
    box.send("poweroff\r")
    assert box.expect_end(120) == 0


def test_off(boot):
    """Without one the kernel says so, and on demand refuses to start."""
    modules = [(m.BUILD / "dom0.bin", "dom0")]
    kernel = m.BUILD / "sampo.elf32"
    for unit, words, said in ((None, "", r"kernel: no IOMMU in use \(firmware tells of none[^\n]*NOT isolated"),
                              ("vtd", "iommu=off", r"kernel: no IOMMU in use \(the command line has iommu=off\)[^\n]*NOT isolated")):
        box = boot(kernel=kernel, modules=modules, memory=256, nic=None, cmdline=words, iommu=m.IOMMUS.get(unit)).boot()
        assert re.search(said, box.log_text()), box.tail()
        box.stop()
    box = boot(kernel=kernel, modules=modules, memory=256, nic=None, cmdline="iommu=required")
    box.expect(r"Sampo cannot start: iommu=required, and no IOMMU can be used: firmware tells of none", 60)


def test_not_remapped(boot, iso, disk):
    """A unit that remaps no interrupts isolates memory all the same."""
    guests = {"linux1.xml": m.linux_xml("linux1", partition="guest1", words="ip=none"), **m.LINUX_FILES}
    box = boot(iso=iso(guests), memory=512, nic=None, image=disk(), iommu="intel-iommu,intremap=off").boot(120)
    assert "interrupts NOT remapped" in box.log_text()
    with box.in_console("linux1"):
        box.linux_up("linux1")
        assert " /mnt ext4 " in box.linux("cat /proc/mounts")
