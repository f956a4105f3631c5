# SPDX-License-Identifier: BSD-2-Clause
"""PCI functions of the machine that guests get, behind both IOMMUs: stock Linux drives them with its own drivers."""

import re

import pytest

import given
import machine as m
from given import hostdev

# Of each unit: bus and slot of the disk, and whether there are devices behind ports. QEMU 7.2's AMD-Vi takes the number that a
# bus has at power on for its requests, which is 0 for all.
UNITS = {"vtd": (1, 0, True), "amdvi": (0, 5, False)}
DISK_BYTES = 8 << 20
MARK = b"the machine's own disk"
WORDS = {"msix": "", "pin": "pci=nomsi"}


def description(name, words, *elements, memory=192):
    return m.domain_xml(name, "vmlinuz", memory=memory, initrd="initrd.gz", extra="\n".join(elements),
                        cmdline=f"console=ttyS0 cryptomgr.notests quiet panic=-1 hostname={name} {words}".strip(),
                        head="  <on_reboot>restart</on_reboot>")


def devices(place, ports=True):
    """An NVMe disk, and a network card behind PCIe ports of their own, a second card with two functions."""
    image = place / "nvme.img"
    image.write_bytes(MARK + bytes(DISK_BYTES - len(MARK)))
    drive = ["-drive", f"file={image},if=none,format=raw,id=nv"]
    if not ports:
        return [*drive, "-device", "nvme,serial=given,drive=nv,bus=pcie.0,addr=5"]
    port = "pcie-root-port,id=rp{0},chassis={0},slot={0}"
    return ["-device", port.format(1), "-device", port.format(2), "-device", port.format(3),
            *drive, "-device", "nvme,serial=given,drive=nv,bus=rp1",
            "-netdev", "user,id=n2", "-device", "virtio-net-pci,netdev=n2,bus=rp2,disable-legacy=on,iommu_platform=on,"
                                                "mac=52:54:00:77:00:02",
            "-device", "virtio-rng-pci,bus=rp3,addr=0.0,multifunction=on,disable-legacy=on,iommu_platform=on",
            "-device", "virtio-rng-pci,bus=rp3,addr=0.1,disable-legacy=on,iommu_platform=on"]


@pytest.fixture(scope="module", params=UNITS)
def box(request, tmp_path_factory):
    place = tmp_path_factory.mktemp("hostdev")
    bus, slot, ports = UNITS[request.param]
    nvme, card = hostdev(bus, slot), hostdev(2, kind="interface type='hostdev'") if ports else ""
    texts = {"linux.xml": description("linux", "", nvme, card), "pin.def": description("pin", "pci=nomsi", nvme, card),
             "other.def": description("other", "", nvme), "half.def": description("half", "", hostdev(3)),
             "both.def": description("both", "", hostdev(3), hostdev(3, function=1)),
             "absent.def": description("absent", "", hostdev(9)), "bridge.def": description("bridge", "", hostdev(0, 2))}
    modules = [(m.BUILD / "dom0.bin", "dom0"), *((file, name) for name, file in m.LINUX_FILES.items())]
    for name, text in texts.items():
        (place / name).write_text(text)
        modules.append((place / name, name))
    with m.Machine(place, kernel=m.BUILD / "sampo.elf32", modules=modules, memory=1024, nic=None, iommu=m.IOMMUS[request.param],
                   args=devices(place, ports)) as one:
        one.boot(240)
        one.disk, one.ports = (bus, slot), ports
        for name in texts:
            if name.endswith(".def"):
                one.run(f"define {name}")
        yield one


def interrupts(box, name):
    """How many interrupts Linux had from the lines of /proc/interrupts with that name."""
    lines = box.linux(f"grep {name} /proc/interrupts").splitlines()
    return sum(int(line.split()[1]) for line in lines)


def node(box):
    """The disk's name in nodedev-list."""
    bus, slot = box.disk
    return f"pci_0000_{bus:02x}_{slot:02x}_0"


def use(box, name, pattern):
    """The guest's disk and network card do what they are for."""
    box.linux_up(name, 300)
    assert MARK.decode() in box.linux(f"head -c {len(MARK)} /dev/nvme0n1; echo")
    before = interrupts(box, "nvme0q")
    box.linux("dd if=/dev/urandom of=/tmp/data bs=64k count=32 2>/dev/null; dd if=/tmp/data of=/dev/nvme0n1 bs=64k seek=16 "
              "oflag=direct 2>/dev/null && sync")
    box.linux("echo 3 >/proc/sys/vm/drop_caches")
    wrote = box.linux("md5sum </tmp/data").split()[0]
    assert wrote == box.linux("dd if=/dev/nvme0n1 bs=64k skip=16 count=32 2>/dev/null | md5sum").split()[0]
    assert interrupts(box, "nvme0q") > before + 10
    assert re.search(pattern, box.linux("grep nvme0q /proc/interrupts"))
    assert "nobody cared" not in box.linux("dmesg")
    if not box.ports:
        return
    card = box.linux("grep -l 52:54:00:77:00:02 /sys/class/net/*/address").strip().split("/")[4]
    box.linux(f"ip link set {card} up; udhcpc -q -n -i {card} >/dev/null 2>&1")
    assert "0% packet loss" in box.linux("ping -c 3 -A 10.0.2.2")


def test_guest(box):
    """Linux has an NVMe disk and a network card of the machine: data, interrupts; its PCI functions are PCIe's."""
    with box.in_console("linux"):
        use(box, "linux", "MSI")
        slot = box.linux("basename $(readlink -f /sys/class/nvme/nvme0/device)").strip()
        assert box.linux(f"stat -c %s /sys/bus/pci/devices/{slot}/config").strip() == "4096"
        assert not box.linux("dmesg | grep -iE 'nvme.*(timeout|abort|reset)|BAR.*(fail|can.t)' || true").strip()
    xml = box.run(f"nodedev-dumpxml {node(box)}")
    assert "<name>sampo-guest</name>" in xml
    assert re.search(rf"<iommuGroup number='\d+'>\n +<address domain='0x0000' bus='0x{box.disk[0]:02x}' slot='0x{box.disk[1]:02x}' function='0x0'/>\n"
                     r" +</iommuGroup>", xml), xml
    assert "it is in use" in box.run(f"nodedev-reset {node(box)}")
    assert ": guest 'linux' has it" in box.run("start other")
    assert "<hostdev mode='subsystem' type='pci' managed='yes'>" in box.run("dumpxml linux")
    assert ("<interface type='hostdev' managed='yes'>" in box.run("dumpxml linux")) == box.ports


def test_reset(box):
    """A reset of the guest resets its devices; they work again."""
    box.run("reset linux")
    with box.in_console("linux"):
        use(box, "linux", "MSI")


def test_again(box):
    """The guest ends, its devices go back, and another guest gets them: with interrupts by pin."""
    box.run("destroy linux")
    box.wait_state("linux", "shut off", 60)
    assert "sampo-guest" not in box.run(f"nodedev-dumpxml {node(box)}")
    assert f"Device {node(box)} reset" in box.run(f"nodedev-reset {node(box)}")
    box.run("start pin")
    with box.in_console("pin"):
        use(box, "pin", "IO-APIC.*fasteoi")
    box.run("destroy pin")
    box.wait_state("pin", "shut off", 60)


def test_refused(box):
    """A device that cannot be given is refused by its name."""
    if not box.ports:
        pytest.skip("the machine has no ports")
    assert "hostdev 03:00.0: it goes together with 03:00.1" in box.run("start half")
    assert "hostdev 09:00.0: there is no such device" in box.run("start absent")
    assert "hostdev 00:02.0: it is a bridge" in box.run("start bridge")
    group = re.search(r"<iommuGroup.*?</iommuGroup>", box.run("nodedev-dumpxml pci_0000_03_00_0"), re.S).group(0)
    assert "slot='0x00' function='0x0'" in group and "slot='0x00' function='0x1'" in group
    box.run("start both")
    box.wait_state("both", "running", 60)
    box.run("destroy both")
    box.wait_state("both", "shut off", 60)


def test_generic(tmp_path):
    """Debian's generic kernel with an NVMe disk, an e1000e and edu, which it resets (tests/hostdev has the long version)."""
    which = list(given.PLACES["vtd"])
    web = m.WebServer(dict(given.PAGES))
    with given.machine(tmp_path, "vtd", {"all": which}, given.archives(tmp_path, given.edu_program(tmp_path))) as box:
        box.boot(240)
        with box.in_console("all"):
            box.linux_up("all", 300)
            given.use(box, web, which)
            for name in ("nvme", "card"):
                given.reset(box, name)
            given.use(box, web, which)
        assert not re.search(r"iommu: .*blocked|does not answer|cut off", box.run("dmesg"))
    web.close()


def test_without(boot, tmp_path):
    """Without an IOMMU a device is not given, and dom0 uses it."""
    (tmp_path / "linux.xml").write_text(description("linux", "", hostdev(1)))
    box = boot(kernel=m.BUILD / "sampo.elf32", memory=512, nic=None, args=devices(tmp_path),
               modules=[(m.BUILD / "dom0.bin", "dom0"), (tmp_path / "linux.xml", "linux.xml"),
                        *((file, name) for name, file in m.LINUX_FILES.items())])
    box.boot(240)
    assert "hostdev: this machine has no IOMMU in use, so a device cannot be given to a guest" in box.run("start linux")
    assert "<name>nvme</name>" in box.run("nodedev-dumpxml pci_0000_01_00_0")
    assert "iommuGroup" not in box.run("nodedev-dumpxml pci_0000_01_00_0")
