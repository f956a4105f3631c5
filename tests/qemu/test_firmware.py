# SPDX-License-Identifier: BSD-2-Clause
"""Guests without a kernel: firmware as Debian ships it boots them from their own disks."""

import pathlib
import re
import shutil
import struct
import subprocess

import pytest

import machine as m

SEABIOS = pathlib.Path("/usr/share/seabios/bios-256k.bin")
GRUB = pathlib.Path("/usr/lib/grub/i386-pc")
SECTOR = 512
FIRST = 2048  # the sector where the partition begins
MENU = """
serial --unit=0
terminal_input serial
terminal_output serial
echo GRUB speaks
set root=(hd0,msdos1)
linux /vmlinuz console=ttyS0 cryptomgr.notests quiet panic=-1 hostname={name}
initrd /initrd.gz
boot
"""


def grub_disk(place, name):
    """A disk with GRUB in front of a partition of 64 MiB with the demo's Linux."""
    files = place / "files"
    files.mkdir()
    for file, source in m.LINUX_FILES.items():
        shutil.copy(source, files / file)
    partition, image = place / "partition", place / f"{name}.img"
    subprocess.run(["mke2fs", "-q", "-t", "ext2", "-d", files, partition, "64M"], check=True)
    (place / "grub.cfg").write_text(MENU.format(name=name))
    subprocess.run(["grub-mkimage", "-O", "i386-pc", "-p", "(hd0,msdos1)/", "-c", place / "grub.cfg", "-o", place / "core",
                    "biosdisk", "part_msdos", "ext2", "linux", "serial", "terminal", "normal", "echo"], check=True)
    core, boot = (place / "core").read_bytes(), bytearray((GRUB / "boot.img").read_bytes())
    assert len(core) < (FIRST - 1) * SECTOR
    sectors = partition.stat().st_size // SECTOR
    boot[446:510] = bytes(64)  # GRUB has code for floppies there
    boot[446:462] = struct.pack("<B3sB3sII", 0x80, b"\0\2\0", 0x83, b"\xff\xff\xff", FIRST, sectors)
    boot[510:512] = b"\x55\xaa"
    with open(image, "wb") as disk:
        disk.write(boot + core)
        disk.seek(FIRST * SECTOR)
        disk.write(partition.read_bytes())
    return image


def description(name, disk=None, os="", extra="", memory=192):
    """A guest without a kernel."""
    text = m.domain_xml(name, "", memory=memory, extra=extra)
    text = text.replace("    <kernel></kernel>", "    <bios useserial='yes'/>\n" + os)
    if disk:
        text = text.replace("<devices>", f"<devices>\n    <disk type='block' device='disk'><source dev='{disk}'/>"
                            "<target dev='vda' bus='virtio'/></disk>")
    return text


def sector_disk(place):
    """A disk that begins with bootsector.S."""
    image = place / "sector.img"
    source = pathlib.Path(__file__).with_name("bootsector.S")
    subprocess.run(["gcc", "-m32", "-c", source, "-o", place / "sector.o"], check=True)
    subprocess.run(["ld", "-m", "elf_i386", "-Ttext", "0x7c00", "--oformat", "binary", "-o", image, place / "sector.o"], check=True)
    with open(image, "ab") as disk:
        disk.truncate(1 << 20)
    return image


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    """A machine with guests without a kernel, and three disks: with GRUB, with our boot sector, empty."""
    place = tmp_path_factory.mktemp("firmware")
    empty = place / "empty.img"
    empty.write_bytes(bytes(1 << 20))
    guests = {
        "grub": description("grub", "/dev/sda"),
        "sector": description("sector", "/dev/sdb", memory=32),
        "empty": description("empty", "/dev/sdc", memory=32).replace("useserial='yes'", "useserial='yes' rebootTimeout='-1'"),
        "none": description("none", memory=32, os="    <loader>none.def</loader>\n"),
        "missing": description("missing", memory=32, os="    <loader>/dev/vg/bios</loader>\n"),
    }
    modules = [(m.BUILD / "dom0.bin", "dom0"), (SEABIOS, SEABIOS.name)]
    for name, text in guests.items():
        file = place / f"{name}.def"
        file.write_text(text)
        modules.append((file, file.name))
    disks = []
    for n, image in enumerate((grub_disk(place, "grub"), sector_disk(place), empty)):
        disks += ["-drive", f"if=none,id=disk{n},file={image},format=raw", "-device", f"ide-hd,drive=disk{n},bus=ide.{n}"]
    with m.Machine(place, kernel=m.BUILD / "sampo.elf32", modules=modules, memory=1024, nic=None, args=disks) as one:
        one.boot()
        for name in guests:
            one.run(f"define {name}.def")
        yield one


def test_grub(box):
    """SeaBIOS starts GRUB from a disk, and GRUB Linux, which finds what firmware told of the machine."""
    assert "started" in box.run("start grub")
    with box.in_console("grub"):
        box.linux_up("grub", timeout=120)
        assert "Sampo Virtual Machine" in box.linux("dmesg | grep DMI:")
        assert re.search(r"RSDP 0x[0-9A-F]+ .*SAMPO", box.linux("dmesg | grep RSDP"))
        assert "reserved in ACPI" in box.linux("dmesg | grep MMCONFIG")
        assert box.linux("ls -d /sys/class/block/vda1").strip() == "/sys/class/block/vda1"
        assert box.linux("dmesg | grep -iE 'firmware bug|bios bug' || true").strip() == ""
    box.run("destroy grub")


@pytest.mark.quick
def test_boot_sector(box):
    """INT 10h, 13h and 16h in a boot sector of ours; a reset that is no start of the machine."""
    assert "started" in box.run("start sector")
    with box.in_console("sector"):
        box.expect("SeaBIOS")
        box.expect(r"the first sector runs\r+\n")  # the serial screen begins a line with its own \r
        box.expect(r"the second sector was read\r+\n")
        box.expect(r"a key\?")
        box.send("r")
        box.expect("behind the re")  # firmware shows the last characters with its next tick, and the machine is off before
    box.wait_state("sector", "shut off", 30)
    assert box.run("console sector --log").count("the first sector runs") == 1


@pytest.mark.quick
def test_bad_days(box):
    """An empty disk is firmware's to say; a file that is no firmware, and one that is not there, are refused."""
    assert "started" in box.run("start empty")
    box.wait_run("console empty --log", r"No bootable device", 60)
    assert box.state("empty") == "running"
    box.run("destroy empty")
    assert re.search(r"'none.def' is none: it has \d+ bytes", box.run("start none"))
    assert "no volume of this path" in box.run("start missing")
