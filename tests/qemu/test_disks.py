# SPDX-License-Identifier: BSD-2-Clause
"""Guests' disks: by the path of a file, shared, growing, slowed down; disks and interfaces that come and go."""

import re

import pytest

import lvm
import machine as m


def drives(*images):
    words = []
    for n, image in enumerate(images):
        words += ["-drive", f"if=none,id=d{n},format=raw,file={image}", "-device", f"ide-hd,drive=d{n},bus=ide.{(0, 1)[n]}"]
    return words


def xml(name, *disks, **more):
    """A Linux guest with disks: each is what stands between <disk and the target."""
    text = m.linux_xml(name, partition="guest1", **more)
    made = "".join(f"<disk {disk}<target dev='vd{chr(97 + n)}' bus='virtio'/></disk>" for n, disk in enumerate(disks))
    return re.sub(r"<disk.*?</disk>", made, text, flags=re.S)


@pytest.fixture
def image(tmp_path):
    return lvm.blank(tmp_path / "pv.img", 128)


def sectors(box, disk):
    return int(box.linux(f"cat /sys/block/{disk}/size"))


@pytest.mark.quick
def test_files(boot, iso, image):
    """A description's path of a file is a volume; the path is a tag of LVM2, before and after a start of the machine."""
    path = "/srv/vm/web/web system.img"
    guests = {"linux1.xml": xml("linux1", f"type='file'><source file='{path}'/>",
                                "type='file'><source file='/var/lib/libvirt/images/db.qcow2'/>"), **m.LINUX_FILES}
    boot_image = iso(guests)
    box = boot(iso=boot_image, memory=768, nic=None, args=drives(image)).boot()
    assert "Pool data built" in box.run("pool-build data sda")
    assert f"no volume has the path {path}" in box.run("start linux1")
    assert "Vol web created" in box.run("vol-create-as data web 8M --file /srv/other.img")
    assert "another volume has this path" in box.run("vol-create-as data web2 8M --file /srv/other.img")
    assert "Vol db created" in box.run("vol-create-as data db 8M")
    assert "successfully changed" in box.run(f"vol-file web '{path}' --pool data")
    assert box.run("vol-file /dev/data/web").strip() == path
    box.run("start linux1")
    with box.in_console("linux1"):
        box.linux_up("linux1")
        box.linux("echo persists >/dev/vda && sync")
    assert re.search(rf"file +disk +vda +{path}", box.run("domblklist linux1 --details"))
    assert f"<source file='{path}'/>" in box.run("dumpxml linux1")
    assert "Used by:        linux1" in box.run("vol-info web --pool data")
    box.stop()
    with lvm.host(image) as host:
        tags = {v["lv_name"]: v["lv_tags"] for v in host.report("lvs", "lv_name,lv_tags", "data")}
        assert tags == {"web": "sampo.path=/srv/vm/web/web&20system.img", "db": ""}
        host.lvm("vgck", "data")
    box = boot(iso=boot_image, memory=768, nic=None, args=drives(image)).boot()
    box.wait_state("linux1", "running")
    with box.in_console("linux1"):
        box.linux_up("linux1")
        assert box.linux("head -n1 /dev/vda").strip() == "persists"


def test_limits_and_growth(boot, iso, image):
    """Limits hold: of two disks with one work, that with a tenth of the limit takes longer. A guest sees that a disk grows."""
    def disk(volume, rate):
        return (f"type='volume'><driver name='sampo' cache='none' discard='ignore'/><source pool='data' volume='{volume}'/>"
                f"<iotune><read_bytes_sec>{rate}</read_bytes_sec></iotune><serial>{volume}</serial>")

    guests = {"linux1.xml": xml("linux1", disk("fast", 4 << 20), disk("slow", 400 << 10)), **m.LINUX_FILES}
    box = boot(iso=iso(guests), memory=768, nic=None, args=drives(image)).boot()
    box.run("pool-build data sda")
    for name in ("fast", "slow", "behind"):
        box.run(f"vol-create-as data {name} 8M")
    box.run("start linux1")
    dump = box.run("dumpxml linux1")
    assert "<read_bytes_sec>409600</read_bytes_sec>" in dump and "cache='none' discard='ignore'" in dump
    with box.in_console("linux1"):
        box.linux_up("linux1")
        assert box.linux("cat /sys/block/vdb/serial").strip() == "slow"
        assert box.linux("cat /sys/block/vdb/queue/discard_max_bytes").strip() == "0"
        assert sectors(box, "vda") == (8 << 20) // 512

        def seconds(disk):
            """Guest's time, for 2 MiB beyond what the bucket held at first."""
            box.linux(f"dd if=/dev/{disk} of=/dev/null bs=64k count=8 iflag=direct 2>/dev/null")
            text = box.linux(f"a=$(cut -d' ' -f1 /proc/uptime); dd if=/dev/{disk} of=/dev/null bs=64k count=32 skip=8 iflag=direct "
                             "2>/dev/null; b=$(cut -d' ' -f1 /proc/uptime); echo $a $b")
            first, last = text.split()
            return float(last) - float(first)

        slow, fast = seconds("vdb"), seconds("vda")
        # A busy machine makes work slower, never faster: 2 MiB less a bucket and a request take 4.8 s and 0.4 s.
        assert slow >= 4.5 and fast >= 0.3 and slow > 2 * fast

    assert "Block device 'vda' is resized" in box.run("blockresize linux1 vda 16M")
    assert "successfully changed to 40M" in box.run("vol-resize fast 40M --pool data")
    assert "in use by linux1" in box.run("vol-resize fast 8M --pool data --shrink")
    assert "no such disk" in box.run("blockresize linux1 vdc 48M")
    with box.in_console("linux1"):
        assert sectors(box, "vda") == (40 << 20) // 512
        assert box.linux("dmesg | grep -c 'new size:'").strip() == "2"
        box.linux("echo at the end | dd of=/dev/vda bs=512 seek=81919 conv=sync 2>/dev/null && sync")
        assert box.linux("dd if=/dev/vda bs=512 skip=81919 2>/dev/null | head -n1").strip() == "at the end"


def test_hotplug(boot, iso, image):
    """Disks and interfaces come to a running Linux guest and go again, many times."""
    mac = "52:54:00:12:34:56"
    guests = {"linux1.xml": xml("linux1", "type='volume'><source pool='data' volume='web'/>"),
              "linux2.xml": xml("linux2", "type='volume'><source pool='data' volume='both'/><shareable/>",
                                mac="52:54:00:00:00:02", memory=160), **m.LINUX_FILES}
    box = boot(iso=iso(guests), memory=1024, nic=None, args=drives(image)).boot()
    box.run("pool-build data sda")
    for name in ("web", "more", "both"):
        box.run(f"vol-create-as data {name} 8M")
    box.run("vol-create-as data image 1G --format qcow2")
    box.run("start linux2")
    assert "domain is not running" in box.run("attach-disk linux1 /dev/data/more vdb")
    box.run("start linux1")
    box.wait_state("linux2", "running")
    with box.in_console("linux2"):
        box.linux_up("linux2")
        box.linux("ip addr add 10.9.0.2/24 dev eth0 && ip link set eth0 up")
    with box.in_console("linux1"):
        box.linux_up("linux1")
    assert "Disk attached successfully" in box.run("attach-disk linux1 /dev/data/more vdb --config")
    assert "has a disk of this target" in box.run("attach-disk linux1 /dev/data/web vdb --config")
    assert "vdb" not in box.run("dumpxml linux1") and "vdb" in box.run("dumpxml linux1 --inactive")
    assert "Disk detached successfully" in box.run("detach-disk linux1 vdb --config")
    assert "vdb" not in box.run("dumpxml linux1 --inactive")
    assert "has a disk of this target" in box.run("attach-disk linux1 /dev/data/more vda")
    assert "in use by linux1" in box.run("attach-disk linux1 /dev/data/web vdb")
    assert "there is no /dev/data/none" in box.run("attach-disk linux1 /dev/data/none vdb")
    for n in range(20):
        assert "Disk attached successfully" in box.run("attach-disk linux1 /dev/data/more vdb --live")
        if n in (0, 10, 19):  # in the other rounds the disk goes as soon as the guest finds it
            assert re.search(r"vdb +/dev/data/more", box.run("domblklist linux1"))
            assert "<source dev='/dev/data/more'/>" in box.run("dumpxml linux1")
            with box.in_console("linux1"):
                box.linux("i=0; while [ ! -b /dev/vdb ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done; [ -b /dev/vdb ]")
                if n:
                    assert box.linux("head -n1 /dev/vdb").strip() == "written before"
                box.linux("echo written before >/dev/vdb && sync")
        assert "Disk detached successfully" in box.run("detach-disk linux1 vdb")
        assert "vdb" not in box.run("domblklist linux1")
    with box.in_console("linux1"):
        assert "vdb" not in box.linux("ls /sys/block")
    # A disk of two guests that both say so.
    assert "in use by guests that share it" in box.run("attach-disk linux1 /dev/data/both vdb")
    assert "Disk attached successfully" in box.run("attach-disk linux1 /dev/data/both vdb --mode shareable")
    assert "<shareable/>" in box.run("dumpxml linux1")
    with box.in_console("linux1"):
        box.linux("i=0; while [ ! -b /dev/vdb ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done; [ -b /dev/vdb ]")
        box.linux("echo from linux1 | dd of=/dev/vdb bs=512 conv=sync oflag=direct 2>/dev/null")
    with box.in_console("linux2"):
        assert box.linux("dd if=/dev/vda bs=512 count=1 iflag=direct 2>/dev/null | head -n1").strip() == "from linux1"
    assert "Disk detached successfully" in box.run("detach-disk linux1 vdb")
    # An image, which becomes open first.
    for n in range(2):
        assert "Disk attached successfully" in box.run("attach-disk linux1 /dev/data/image vdb --subdriver qcow2")
        with box.in_console("linux1"):
            box.linux("i=0; while [ ! -b /dev/vdb ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done; [ -b /dev/vdb ]")
            assert sectors(box, "vdb") == (1 << 30) // 512
            if n:
                assert box.linux("dd if=/dev/vdb bs=1M skip=900 count=1 2>/dev/null | head -n1").strip() == "into the image"
            box.linux("echo into the image | dd of=/dev/vdb bs=1M seek=900 conv=sync oflag=direct 2>/dev/null")
        assert "Disk detached successfully" in box.run("detach-disk linux1 vdb")
    assert "no qcow2 image" in box.run("attach-disk linux1 /dev/data/more vdb --subdriver qcow2")
    assert "vdb" not in box.run("domblklist linux1")
    for n in range(2):
        assert "Interface attached successfully" in box.run(f"attach-interface linux1 bridge br0 --mac {mac}")
        assert mac in box.run("domiflist linux1")
        assert "has this MAC address already" in box.run(f"attach-interface linux1 bridge br0 --mac {mac}")
        with box.in_console("linux1"):
            box.linux("i=0; while [ ! -e /sys/class/net/eth0 ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done")
            assert box.linux("cat /sys/class/net/eth0/address").strip() == mac
            box.linux("ip addr add 10.9.0.1/24 dev eth0 && ip link set eth0 up")
            assert "3 packets received" in box.linux("ping -c 3 -W 20 10.9.0.2", timeout=90)
        assert "Interface detached successfully" in box.run("detach-interface linux1 bridge")
        assert mac not in box.run("domiflist linux1")
    # What came goes with the guest.
    box.run("attach-disk linux1 /dev/data/more vdb")
    box.run("destroy linux1")
    box.wait_state("linux1", "shut off")
    assert "vdb" not in box.run("domblklist linux1")
    assert "Used by" not in box.run("vol-info more --pool data")


def put(image, host, volume, data):
    """The bytes into a volume that lies in one piece."""
    first = host.report("lvs", "seg_pe_ranges", "--segments", f"data/{volume}")[0]["seg_pe_ranges"].split(":")[1].split("-")[0]
    with open(image, "r+b") as file:
        file.seek((1 << 20) + int(first) * (4 << 20))
        file.write(data)


def test_kernel(boot, iso, image):
    """Kernel and initrd come from volumes, also after a reset of the guest; one that cannot be read is named."""
    kernel, initrd = (m.LINUX_FILES[name].read_bytes() for name in ("vmlinuz", "initrd.gz"))
    with lvm.host(image) as host:
        host.group("data", ("kernel", f"-L{(len(kernel) >> 20) + 4}M"), ("initrd", f"-L{(len(initrd) >> 20) + 4}M"))
        host.lvm("lvchange", "--addtag", "sampo.path=/srv/boot/initrd-of-mine", "--addtag", f"sampo.bytes={len(initrd)}", "data/initrd")
        host.lvm("vgchange", "--addtag", "sampo", "data")
        put(image, host, "kernel", kernel)
        put(image, host, "initrd", initrd)
    text = m.linux_xml("linux1").replace(">vmlinuz<", ">/dev/data/kernel<").replace(">initrd.gz<", ">/srv/boot/initrd-of-mine<")
    bad = m.linux_xml("linux2").replace(">vmlinuz<", ">/srv/boot/initrd-of-mine<")
    box = boot(iso=iso({"linux1.xml": text, "linux2.xml": bad, "initrd.gz": m.LINUX_FILES["initrd.gz"]}), memory=768, nic=None,
               args=drives(image)).boot()
    box.wait_state("linux1", "running")
    with box.in_console("linux1"):
        box.linux_up("linux1")
    assert "Used by" not in box.run("vol-info kernel --pool data")
    box.run("reset linux1")
    box.wait_state("linux1", "running")
    with box.in_console("linux1"):
        box.linux_up("linux1")
    box.run("destroy linux1")
    box.wait_run("dmesg", "linux2: start: the kernel is no bzImage")
    assert "gzip" in box.run("dmesg")
    # Destroyed while it is being read, and started again.
    for _ in range(3):
        box.run("start linux1; destroy linux1")
    box.wait_state("linux1", "shut off")
    box.run("vol-rename kernel other --pool data")
    assert "no volume of this path" in box.run("start linux1")
