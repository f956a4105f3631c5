# SPDX-License-Identifier: BSD-2-Clause
"""A pool's disk goes while guests use its volumes: they get errors as error_policy says, and everything else goes on."""

import re

import pytest

import lvm
import machine as m

WEB = ("web.def", m.domain_xml("web", "webserver.elf", memory=16))


def disk(pool, volume, letter, kind="raw", policy=""):
    return (f"<disk type='volume'><driver name='qemu' type='{kind}'{policy}/><source pool='{pool}' volume='{volume}'/>"
            f"<target dev='vd{letter}' bus='virtio'/></disk>")


def guest(name, *disks):
    text = m.linux_xml(name, partition="none", memory=128, words="ip=none")
    return re.sub(r"<disk.*?</disk>", "".join(disks), text, flags=re.S)


@pytest.fixture
def box(boot, tmp_path):
    """Pools: `safe` stays; `data` is on an AHCI controller at slot 8, with the store; `fast` is on NVMe at slot 9."""
    images = [lvm.blank(tmp_path / f"{name}.img", 64) for name in ("safe", "data", "fast")]
    texts = [WEB, ("linux1.def", guest("linux1", disk("data", "web", "a"), disk("fast", "image", "b", "qcow2"), disk("safe", "ok", "c"))),
             ("linux2.def", guest("linux2", disk("data", "other", "a", policy=" error_policy='stop' rerror_policy='stop'")))]
    modules = [(m.BUILD / "dom0.bin", "dom0"), (m.BUILD / "guests/webserver.elf", "webserver.elf"),
               *[(file, name) for name, file in m.LINUX_FILES.items()]]
    for name, text in texts:
        (tmp_path / name).write_text(text)
        modules.append((tmp_path / name, name))
    words = ["-device", "ich9-ahci,id=extra,addr=8"]
    for n, image in enumerate(images):
        words += ["-drive", f"if=none,id=d{n},format=raw,file={image}"]
    words += ["-device", "ide-hd,drive=d0,bus=ide.0", "-device", "ide-hd,drive=d1,bus=extra.0",
              "-device", "nvme,drive=d2,serial=s2,addr=9"]
    box = boot(kernel=m.BUILD / "sampo.elf32", modules=modules, memory=640, nic=None, args=words).boot()
    for device in ("sda", "sdb", "nvme0n1"):
        box.wait_run("disks", rf"(?m)^ *{device} ")
    # In the order of slots: the machine's own controller is the last.
    for pool, device in (("data", "sda"), ("safe", "sdb"), ("fast", "nvme0n1")):
        assert f"Pool {pool} built" in box.run(f"pool-build {pool} {device}")
    for command in ("vol-create-as data web 8M", "vol-create-as data other 8M", "vol-create-as safe ok 8M",
                    "vol-create-as fast image 1G --format qcow2"):
        assert "created" in box.run(command)
    assert "Store built" in box.run("keep-build data")
    assert "kept" not in box.run("define linux1.def") + box.run("define linux2.def")
    for one in ("linux1", "linux2"):
        assert "started" in box.run(f"start {one}")
    with box.in_console("linux1"):
        box.linux_up("linux1")
        box.linux("for d in a b c; do dd if=/dev/zero of=/dev/vd$d bs=64k count=16 oflag=direct 2>/dev/null || exit 1; done; sync")
    with box.in_console("linux2"):
        box.linux_up("linux2")
    return box


def fails(letter, what="if=/dev/vd%s of=/dev/null iflag=direct"):
    """A command that goes on until the disk fails, and then ends well."""
    return f"while dd {what % letter} bs=4k skip=5 seek=7 count=20 2>/dev/null; do :; done"


def look_around(box):
    """What the loss must not touch."""
    with box.in_console("linux1"):
        box.linux("dd if=/dev/urandom of=/run/a bs=64k count=8 2>/dev/null; dd if=/run/a of=/dev/vdc bs=64k oflag=direct 2>/dev/null")
        box.linux("sync; dd if=/dev/vdc bs=64k count=8 iflag=direct 2>/dev/null | cmp - /run/a")
    assert "created" in box.run("vol-create-as safe more 4M")
    assert "the store in the pool data cannot be used: an I/O error" in box.run("define web.def")
    assert "Domain 'web' created" in box.run("create web.def")
    box.wait_state("web", "running")


def guests_see(box):
    """Errors in the one, a pause in the other."""
    with box.in_console("linux1"):
        for letter in "ab":
            box.linux(fails(letter), timeout=150)
            box.linux(fails(letter, "if=/dev/zero of=/dev/vd%s oflag=direct,sync"), timeout=150)
    with box.in_console("linux2"):
        box.send("dd if=/dev/vda of=/dev/null iflag=direct bs=4k skip=9 count=100\r")
    box.wait_state("linux2", "paused", 150)
    assert "I/O error" in box.run("domstate linux2 --reason")


def ends(box):
    for name in ("linux1", "linux2", "web"):
        assert "destroyed" in box.run(f"destroy {name}")
        box.wait_state(name, "shut off" if name != "web" else None)  # one that was created goes when it ends


def test_every_request_fails(box):
    """The disks answer each request with an error."""
    for drive in ("d1", "d2"):
        box.monitor(f"drive_del {drive}")
    guests_see(box)
    look_around(box)
    ends(box)


def test_no_answer(box):
    """The controllers are gone from the bus: their registers answer no more."""
    for slot in (8, 9):
        box.monitor(f"o /w 0xcf8 {0x80000004 | slot << 11:#x}")
        box.monitor("o /h 0xcfc 0")
    guests_see(box)
    look_around(box)
    assert re.search(r"^ data +inaccessible ", box.run("pool-list --details"), re.M)
    info = box.run("pool-info data")
    assert re.search(r"Devices: +sda \(missing\)", info) and "its device sda is missing" in info
    info = box.run("vol-info image --pool fast")
    assert "Cannot be used: its device nvme0n1 is missing" in info
    ends(box)
    assert "its device sda is missing" in box.run("start linux2")
    assert "its device sda is missing" in box.run("vol-create-as data new 4M")
    assert re.search(r"^ safe +running ", box.run("pool-list --details"), re.M)
