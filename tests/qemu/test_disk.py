# SPDX-License-Identifier: BSD-2-Clause
"""What a guest wrote is there after the machine was powered off and booted again."""

import pytest

import machine as m


# The demo's disk is one of AHCI.
@pytest.mark.parametrize("kind", ["ahci", pytest.param("nvme", marks=pytest.mark.quick)])
def test_persistence(boot, iso, disk, kind):
    guests = {"linux1.xml": m.linux_xml("linux1", partition="guest1"), **m.LINUX_FILES}
    image, image_of_iso = disk(), iso(guests)
    box = boot(iso=image_of_iso, image=image, disk=kind, nic=None, memory=512).boot()
    with box.in_console("linux1"):
        box.linux_up("linux1")
        box.linux("echo kept >/mnt/file")
    box.send("poweroff\r")
    assert box.expect_end(120) == 0
    box.stop()

    box = boot(iso=image_of_iso, image=image, disk=kind, nic=None, memory=512).boot()
    with box.in_console("linux1"):
        box.linux_up("linux1")
        assert box.linux("cat /mnt/file").strip() == "kept"
        # A clean end: nothing had to be recovered from the journal.
        assert box.linux("dmesg | grep -i 'recovery complete' || true").strip() == ""


def test_disk_errors(boot, iso, disk, tmp_path):
    """A disk that returns errors: the guest gets them, dom0 goes on."""
    guests = {"linux1.xml": m.linux_xml("linux1", partition="guest1"), **m.LINUX_FILES}
    image = disk()
    rules = tmp_path / "errors.conf"
    # Sectors of the partition's middle can't be read.
    rules.write_text("".join(
        f'[inject-error]\nevent = "read_aio"\nerrno = "5"\nsector = "{sector}"\n\n' for sector in (81920,)))
    box = boot(iso=iso(guests), memory=512, nic=None, args=[
        "-drive", f"if=none,id=disk,format=raw,file=blkdebug:{rules}:{image},werror=report,rerror=report",
        "-device", "ide-hd,drive=disk,bus=ide.0"]).boot()
    with box.in_console("linux1"):
        box.linux_up("linux1")
        # 81920 - 2048 sectors into the partition.
        box.linux("dd if=/dev/vda of=/dev/null bs=512 skip=79872 count=8 iflag=direct", status=1)
        box.linux("ls /mnt")
    assert box.state("linux1") == "running"
