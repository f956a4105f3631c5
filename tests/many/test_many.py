# SPDX-License-Identifier: BSD-2-Clause
"""
64 guests with a qcow2 image of 100 GiB each, all of whose caches of tables are full, in the 64 MiB that dom0 has
(`make many-tests`; minutes). SAMPO_MANY is another number of guests.
"""

import os
import re

import lvm
import machine as m

GUESTS = int(os.environ.get("SAMPO_MANY", "64"))
PLACES = 80  # of an image that are written: each has an L2 table of its own, and dom0 caches 64 parts of tables


def used(box):
    """KiB of dom0's memory that are in use, and how many it has."""
    has, use = re.search(r"dom0 memory: +(\d+) KiB, (\d+) KiB in use", box.run("nodeinfo")).groups()
    return int(use), int(has)


def test_many(boot, tmp_path):
    image = lvm.blank(tmp_path / "pv.img", 200 + GUESTS * 72)
    modules = [(m.BUILD / "dom0.bin", "dom0"), (m.BUILD / "guests/disk.elf", "disk.elf")]
    for n in range(GUESTS):
        file = tmp_path / f"g{n}.def"
        disk = (f"<disk type='volume'><driver name='qemu' type='qcow2'/><source pool='data' volume='v{n}'/>"
                "<target dev='vda' bus='virtio'/></disk>")
        file.write_text(m.domain_xml(f"g{n}", "disk.elf", memory=8, cmdline=f"places={PLACES}", extra=disk))
        modules.append((file, file.name))
    box = boot(kernel=m.BUILD / "sampo.elf32", modules=modules, memory=512 + GUESTS * 16, nic=None,
               args=["-drive", f"if=none,id=d0,format=raw,file={image}", "-device", "nvme,drive=d0,serial=s0"]).boot()
    assert "Pool data built" in box.wait_run("pool-build data nvme0n1", "built")
    before, has = used(box)
    assert has == 64 << 10
    for n in range(GUESTS):
        assert f"Vol v{n} created" in box.run(f"vol-create-as data v{n} 100G --format qcow2")
        assert "defined" in box.run(f"define g{n}.def")
    defined, _ = used(box)
    for n in range(GUESTS):
        assert "started" in box.run(f"start g{n}")
        said = box.wait_run(f"console g{n} --log", r"DONE \d+ passed, 0 failed", 120)
        assert "PASS disk: reads" in said
    now, _ = used(box)
    assert len(re.findall(r" running$", box.run("list"), re.M)) == GUESTS
    print(f"dom0's memory in KiB: {before} before, {defined} with {GUESTS} guests defined, {now} with {GUESTS} guests and images in use, "
          f"of {has}: {(now - defined) / GUESTS:.0f} for each guest that runs")
    assert now < has * 9 // 10
