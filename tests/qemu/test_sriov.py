# SPDX-License-Identifier: BSD-2-Clause
"""
Virtual functions of the machine's NVMe controller: made and removed in the shell, and given to two guests at once. Behind VT-d:
QEMU 7.2's AMD-Vi blocks the DMA of what is behind a port.
"""

import re

import pytest

import machine as m

BYTES = 16 << 20
PF = "pci_0000_01_00_0"
VFS = ["pci_0000_01_00_1", "pci_0000_01_00_2"]
NVME = ("nvme,serial={0},id={0},subsys=s{0},bus=rp{0},sriov_max_vfs={1},sriov_vq_flexible={2},sriov_vi_flexible={3},"
        "max_ioqpairs={4},msix_qsize={5}")


def controller(place, name, chassis, vfs, queues):
    """An NVMe controller behind a port, with so many virtual functions, and queues that they share."""
    image = place / f"{name}.img"
    image.write_bytes(b"".join(b"%-15d\n" % (n * 7) for n in range(BYTES // 16)))
    return ["-device", f"pcie-root-port,id=rp{name},chassis={chassis},slot={chassis}", "-device", f"nvme-subsys,id=s{name}",
            "-drive", f"file={image},if=none,format=raw,id=d{name}",
            "-device", NVME.format(name, vfs, queues, queues // 2, queues + 4, queues + 5),
            "-device", f"nvme-ns,drive=d{name},bus={name}"]


def description(name, function):
    hostdev = (f"    <hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0000' bus='0x01' slot='0x00' "
               f"function='0x{function}'/></source></hostdev>")
    return m.domain_xml(name, "vmlinuz", memory=192, initrd="initrd.gz", extra=hostdev,
                        cmdline=f"console=ttyS0 cryptomgr.notests quiet panic=-1 hostname={name}")


def start(place, dom0="dom0", autostart=()):
    """A machine with two such controllers, at 01:00.0 and 02:00.0, and guests that have functions of the first."""
    modules = [(m.BUILD / "dom0.bin", dom0), *((file, name) for name, file in m.LINUX_FILES.items())]
    for name, function in (("one", 1), ("two", 2), ("parent", 0)):
        file = place / f"{name}.xml"
        file.write_text(description(name, function))
        modules.append((file, f"{name}.{'xml' if name in autostart else 'def'}"))
    args = [*controller(place, "a", 1, 4, 8), *controller(place, "b", 2, 9, 18)]
    return m.Machine(place, kernel=m.BUILD / "sampo.elf32", modules=modules, memory=1024, nic=None, args=args,
                     iommu=m.IOMMUS["vtd"])


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    with start(tmp_path_factory.mktemp("sriov")) as one:
        one.boot(240)
        for name in ("one", "two", "parent"):
            one.run(f"define {name}.def")
        yield one


def make(box, count, device=PF, most=4):
    assert f"Device {device} has {count} of {most} virtual functions" in box.run(f"nodedev-vfs {device} {count}")


def test_refused(box):
    """The reasons are named, and nothing is changed."""
    assert f"Device {PF} has 0 of 4 virtual functions" in box.run(f"nodedev-vfs {PF}")
    assert "it cannot have so many virtual functions" in box.run(f"nodedev-vfs {PF} 5")
    assert "it cannot have virtual functions" in box.run("nodedev-vfs pci_0000_00_00_0 1")
    assert "it is not a PCI device" in box.run("nodedev-vfs computer 1")
    assert "Could not find matching device" in box.run("nodedev-vfs pci_0000_09_00_0 1")
    assert "out of range" in box.run(f"nodedev-vfs {PF} many")
    assert "hostdev 01:00.1: there is no such device" in box.run("start one")
    assert f"Device {PF} has 0 of 4 virtual functions" in box.run(f"nodedev-vfs {PF}")


def test_made_and_removed(box):
    """They are listed, each in a group of its own, until they are removed; the disk works before, meanwhile and after."""
    make(box, 2)
    names = box.run("nodedev-list").split()
    at = names.index(PF)
    assert names[at:at + 3] == [PF, *VFS] and "pci_0000_01_00_3" not in names
    xml = box.run(f"nodedev-dumpxml {PF}")
    assert re.search(r"<capability type='virt_functions' maxCount='4'>\s*"
                     r"<address domain='0x0000' bus='0x01' slot='0x00' function='0x1'/>\s*"
                     r"<address domain='0x0000' bus='0x01' slot='0x00' function='0x2'/>\s*</capability>", xml), xml
    groups = [re.search(r"iommuGroup number='(\d+)'", xml).group(1)]
    for name in VFS:
        xml = box.run(f"nodedev-dumpxml {name}")
        assert re.search(r"<capability type='phys_function'>\s*<address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>\s*"
                         r"</capability>", xml), xml
        assert "<class>0x010802</class>" in xml and "<driver>" not in xml and "<vendor id='0x1b36'/>" in xml
        groups.append(re.search(r"iommuGroup number='(\d+)'", xml).group(1))
    assert len({*groups}) == 3  # the port has ACS
    assert "it has virtual functions: they must be removed first (0)" in box.run(f"nodedev-vfs {PF} 3")
    assert f"Device {VFS[0]} reset" in box.run(f"nodedev-reset {VFS[0]}")
    make(box, 0)
    assert not {*VFS} & {*box.run("nodedev-list").split()}
    make(box, 4)
    assert f"Device {PF} has 4 of 4 virtual functions" in box.run(f"nodedev-vfs {PF}")
    make(box, 0)
    assert "does not answer" not in box.run("dmesg")


def look(box, name):
    """Linux's own driver reads the namespace through the virtual function."""
    box.linux_up(name, 300)
    digits = box.linux("dd if=/dev/nvme0n1 bs=4096 skip=1000 count=1 2>/dev/null | head -n 2")
    assert [int(word) for word in digits.split()] == [1000 * 256 * 7, 1000 * 256 * 7 + 7]
    box.linux("dd if=/dev/nvme0n1 of=/dev/null bs=64k count=128 2>/dev/null")
    assert "MSI" in box.linux("grep nvme0q /proc/interrupts")


def test_guests(box):
    """Two guests have one each, at once; they keep their function from being removed, and give it back."""
    make(box, 2)
    for name in ("one", "two"):
        box.run(f"start {name}")
    for name in ("one", "two"):
        with box.in_console(name):
            look(box, name)
    assert re.search(r"guest '(one|two)' has 01:00\.[12]", box.run(f"nodedev-vfs {PF} 0"))
    assert "<name>sampo-guest</name>" in box.run(f"nodedev-dumpxml {VFS[0]}")
    assert "it is in use" in box.run(f"nodedev-reset {VFS[1]}")
    box.run("destroy one")
    box.wait_state("one", "shut off", 60)
    with box.in_console("two"):
        look(box, "two")
    assert "guest 'two' has 01:00.2" in box.run(f"nodedev-vfs {PF} 0")
    box.run("destroy two")
    box.wait_state("two", "shut off", 60)
    make(box, 0)
    assert "there is no such device" in box.run("start one")


def test_parent(box):
    """dom0's driver has the physical function: no guest gets it."""
    assert "hostdev 01:00.0: dom0 uses it (nvme)" in box.run("start parent")


def test_ari(box):
    """From the eighth on they have numbers that only ARI reaches: QEMU's port forwards by it."""
    make(box, 9, "pci_0000_02_00_0", 9)
    assert "<class>0x010802</class>" in box.run("nodedev-dumpxml pci_0000_02_01_1")
    make(box, 0, "pci_0000_02_00_0", 9)


def test_at_start(tmp_path):
    """A word of dom0's command line makes them before guests start; what is wrong with it is named."""
    with start(tmp_path, "dom0 vfs=01:00.0/2 vfs=09:00.0/1 vfs=nonsense", ("one",)) as box:
        box.boot(240)
        assert "dom0: vfs=09:00.0/1: there is no such device" in box.before
        assert "dom0: vfs=nonsense: not a function and a number" in box.before
        assert "not known on its command line" not in box.before
        assert f"Device {PF} has 2 of 4 virtual functions" in box.run(f"nodedev-vfs {PF}")
        with box.in_console("one"):
            look(box, "one")
