# SPDX-License-Identifier: BSD-2-Clause
"""Disks that fail: guests get the error that their disk gives, and everything else goes on."""

import json
import re
import subprocess

import pytest

import machine as m

DEVICE = {"ahci": "ide-hd,drive=disk,bus=ide.0", "nvme": "nvme,drive=disk,serial=sampo"}
SECTOR = 512
FIRST = 2048          # sector where the first partition begins
BAD = 40 * 2048       # a sector of the disk, in the first partition's middle


def failing(image, *rules):
    """QEMU's options for a disk `image` that fails as the rules say: (kind of access, sector or None for all)."""
    errors = [{"event": "none", "iotype": kind, "errno": 5, "once": False, **({} if at is None else {"sector": at})}
              for kind, at in rules]
    return ["-blockdev", f"driver=file,filename={image},node-name=file",
            "-blockdev", json.dumps({"driver": "blkdebug", "node-name": "debug", "image": "file",
                                     "inject-error": errors}),
            "-blockdev", "driver=raw,file=debug,node-name=disk"]


def two_guests():
    return {f"linux{n}.xml": m.linux_xml(f"linux{n}", partition=f"guest{n}", memory=128, words="ip=none")
            for n in (1, 2)} | m.LINUX_FILES


@pytest.mark.parametrize("kind, unit", [("ahci", "vtd"), ("nvme", "amdvi")])
def test_bad_sectors(boot, iso, disk, kind, unit):
    """Sectors that can be neither read nor written: only their requests fail, whatever is in flight beside them."""
    image = disk()
    box = boot(iso=iso(two_guests()), memory=768, nic=None,
               args=failing(image, ("read", BAD), ("write", BAD)) + ["-device", DEVICE[kind]], iommu=m.IOMMUS[unit]).boot()
    at = BAD - FIRST
    with box.in_console("linux2"):
        box.linux_up("linux2")
        box.linux("dd if=/dev/urandom of=/mnt/a bs=64k count=64 2>/dev/null; sync; md5sum </mnt/a >/run/sum")
        # Reads around it all the time, past the page cache.
        box.linux("{ while true; do dd if=/dev/vda of=/dev/null bs=16k count=500 iflag=direct 2>/run/dd || "
                  "touch /run/failed; echo >>/run/rounds; done & }")
    with box.in_console("linux1"):
        box.linux_up("linux1")
        # By pages, as the guest reads them.
        for n in range(3):
            box.linux(f"dd if=/dev/vda of=/dev/null bs=4k skip={at // 8 + n - 1} count=1 iflag=direct",
                      status=1 if n == 1 else 0)
        box.linux(f"dd if=/dev/zero of=/dev/vda bs=4k seek={at // 8} count=1 conv=notrunc,fsync", status=1)
        # Many at once, with the bad one among them.
        box.linux("echo 3 >/proc/sys/vm/drop_caches")
        box.linux("for i in 4 3 2 1 0 -1 -2 -3; do "
                  f"{{ dd if=/dev/vda of=/dev/null bs=4k skip=$(({at // 8} - i)) count=1 iflag=direct 2>/dev/null || "
                  "echo $i >>/run/bad & }; done; wait; cat /run/bad; test $(cat /run/bad) = 0")
        box.linux("touch /mnt/works && sync")
    with box.in_console("linux2"):
        box.linux("test -s /run/rounds")
        box.linux("test ! -e /run/failed")
        box.linux("echo 3 >/proc/sys/vm/drop_caches; md5sum </mnt/a | cmp - /run/sum")
    assert re.search(r"read at sector 8[12]\d\d\d", box.run("dmesg")), "dom0 does not name the sector"


@pytest.mark.parametrize("kind, unit", [("ahci", "amdvi"), ("nvme", "vtd")])
def test_flush_fails(boot, iso, disk, kind, unit):
    """A flush that fails is the guest's error; reading goes on."""
    image = disk()
    box = boot(iso=iso(two_guests()), memory=768, nic=None,
               args=failing(image, ("flush", None)) + ["-device", DEVICE[kind]], iommu=m.IOMMUS[unit]).boot()
    with box.in_console("linux1"):
        box.linux_up("linux1")
        box.linux("dd if=/dev/zero of=/dev/vda bs=4k seek=5000 count=1 conv=notrunc,fsync", status=1)
        box.linux("dd if=/dev/vda of=/dev/null bs=4k skip=5000 count=1 iflag=direct")
    assert box.state("linux1") == "running"


@pytest.mark.parametrize("kind", ["ahci", "nvme"])
def test_nothing_readable(boot, iso, disk, kind):
    """No sector can be read: no partitions, an error for the guest that wants one; the other one runs."""
    guests = {"linux1.xml": m.linux_xml("linux1", partition="guest1", words="ip=none"),
              "linux2.xml": m.linux_xml("linux2", words="ip=none"), **m.LINUX_FILES}
    box = boot(iso=iso(guests), memory=512, nic=None,
               args=failing(disk(), ("read", None)) + ["-device", DEVICE[kind]]).boot()
    box.wait_state("linux2", "running", 120)
    assert box.state("linux1") == "shut off"
    assert "cannot read the partition table" in box.log_text()
    assert re.search(r"error: .*linux1.*guest1", box.log_text())


def test_no_disk(boot, iso):
    """The same without any disk."""
    guests = {"linux1.xml": m.linux_xml("linux1", partition="guest1", words="ip=none"),
              "linux2.xml": m.linux_xml("linux2", words="ip=none"), **m.LINUX_FILES}
    box = boot(iso=iso(guests), memory=512, nic=None, disk=None).boot()
    box.wait_state("linux2", "running", 120)
    assert box.state("linux1") == "shut off"
    assert re.search(r"error: .*linux1.*guest1", box.log_text())


@pytest.mark.parametrize("sector, said", [(1, "primary GPT"), (2, "checksum")])
def test_backup_gpt(boot, iso, disk, sector, said):
    """A damaged primary partition table: the backup is used, and dom0 says so."""
    image = disk()
    with open(image, "r+b") as file:
        file.seek(sector * SECTOR + 60)
        file.write(b"\xff\xfe\xfd")
    guests = {"linux1.xml": m.linux_xml("linux1", partition="guest1", words="ip=none"), **m.LINUX_FILES}
    box = boot(iso=iso(guests), memory=512, nic=None, image=image).boot()
    with box.in_console("linux1"):
        box.linux_up("linux1")
        box.linux("mountpoint /mnt || grep ' /mnt ' /proc/mounts")
    assert said in box.log_text()
    assert "the backup GPT is used" in box.log_text()


@pytest.mark.parametrize("kind", ["ahci", "nvme"])
def test_odd_buffers(boot, iso, disk, kind):
    """A file system of 1 KiB blocks: scatter lists that no device takes as they are."""
    image = disk()
    guests = {"linux1.xml": m.linux_xml("linux1", partition="guest1", words="ip=none"), **m.LINUX_FILES}
    start = FIRST * SECTOR
    subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", "-E", f"offset={start}", str(image),
                    str(60 * 1024)], check=True)
    box = boot(iso=iso(guests), memory=512, nic=None, image=image, disk=kind).boot()
    with box.in_console("linux1"):
        box.linux_up("linux1")
        box.linux("grep ' /mnt ' /proc/mounts")
        box.linux("cd /mnt; for i in $(seq 40); do dd if=/dev/urandom of=f$i bs=1k count=$((i * 7)) 2>/dev/null; done; "
                  "cat f* >all; md5sum f* all >/run/sums; sync; echo 3 >/proc/sys/vm/drop_caches; md5sum -c -s /run/sums")
        box.linux("rm f1* && sync && cd / && umount /mnt")
        box.linux("dd if=/dev/vda bs=1k count=2000 iflag=direct 2>/dev/null | md5sum >/run/a; "
                  "dd if=/dev/vda bs=512 count=4000 iflag=direct 2>/dev/null | md5sum | cmp - /run/a")
    assert box.state("linux1") == "running"
    box.send("poweroff\r")
    assert box.expect_end(120) == 0
    box.stop()
    with open(image, "rb") as file:
        file.seek(start)
        part = image.with_suffix(".part")
        part.write_bytes(file.read(60 << 20))
    subprocess.run(["/sbin/e2fsck", "-fn", str(part)], check=True)
