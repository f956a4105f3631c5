# SPDX-License-Identifier: BSD-2-Clause
"""qcow2 images in volumes: what qemu-img makes is a guest's disk here, and qemu-img finds in order what dom0 and guests make of it."""

import hashlib
import re
import subprocess

import lvm
import machine as m
from test_pools import drives

MIB = 1 << 20


def xml(name, *volumes):
    """A guest whose disks vda, vdb... are images in volumes of the pool data."""
    text = m.linux_xml(name, partition="guest1")
    disk = re.search(r"<disk.*?</disk>", text, re.S).group(0)
    disks = "".join(f"<disk type='volume'><driver name='qemu' type='qcow2'/><source pool='data' volume='{volume}'/>"
                    f"<target dev='vd{chr(ord('a') + n)}' bus='virtio'/></disk>" for n, volume in enumerate(volumes))
    return text.replace(disk, disks)


def qemu(tool, *words):
    run = subprocess.run([tool, *map(str, words)], check=False, capture_output=True, text=True)
    assert run.returncode == 0, f"{tool} {' '.join(map(str, words))}: {run.stdout}{run.stderr}"
    return run.stdout


def put_in(image, host, volume, path):
    (offset, _, size), = lvm.places(host, volume)
    content = path.read_bytes()
    assert len(content) <= size
    with open(image, "r+b") as disk:
        disk.seek(offset)
        disk.write(content)


def test_guest(boot, iso, tmp_path):
    image = lvm.blank(tmp_path / "pv.img", 200)
    theirs = tmp_path / "theirs.qcow2"
    raw = tmp_path / "theirs.raw"
    content = b"".join(hashlib.sha256(bytes([n])).digest() * 32768 for n in range(4)) + bytes(4 * MIB)
    raw.write_bytes(content)
    qemu("qemu-img", "convert", "-c", "-O", "qcow2", raw, theirs)
    qemu("qemu-io", "-c", "write -P 5 6M 1M", theirs)
    content = content[:6 * MIB] + b"\x05" * MIB + content[7 * MIB:]
    with lvm.host(image) as host:
        host.group("data", ("theirs", "-L8M"))
        host.lvm("vgchange", "--addtag", "sampo", "data")
        host.lvm("lvchange", "--addtag", "sampo.format=qcow2", "data/theirs")
        put_in(image, host, "theirs", theirs)
    guests = {"linux1.xml": xml("linux1", "mine", "ours"), "linux2.xml": xml("linux2", "theirs"), **m.LINUX_FILES}
    box = boot(iso=iso(guests), memory=768, nic=None, args=drives(image)).boot()
    box.wait_state("linux2", "running")
    assert "a guest writes to it" in box.run("vol-clone theirs mine --pool data")
    box.run("destroy linux2")
    box.wait_state("linux2", "shut off")
    assert "Vol mine cloned from theirs" in box.run("vol-clone theirs mine --pool data")
    assert "Vol ours created" in box.run("vol-create-as data ours 1G --format qcow2")
    info = box.run("vol-info mine --pool data --bytes")
    assert re.search(rf"Capacity: +{8 * MIB} bytes", info) and "/dev/data/theirs (qcow2)" in info
    described = box.run("vol-dumpxml mine --pool data")
    assert "<format type='qcow2'/>" in described and "<path>/dev/data/theirs</path>" in described
    assert "data/mine has it as its backing file" in box.run("vol-delete theirs --pool data")
    assert "data/mine has it as its backing file" in box.run("start linux2")
    # Not by what an image says of itself.
    assert "Backing file of volume 'mine' successfully changed" in box.run("vol-backing mine --clear --pool data")
    box.run("start linux1")
    box.wait_run("dmesg", "it names data/theirs as its backing file: vol-backing says that this is meant")
    box.wait_state("linux1", "shut off")
    assert "is no volume that can be" in box.run("vol-backing mine mine --pool data")
    assert "is no volume that can be" in box.run("vol-backing mine nothing --pool data")
    assert "successfully changed" in box.run("vol-backing mine theirs --pool data")
    assert "data/theirs" in box.run("vol-backing mine --pool data")
    assert "started" in box.run("start linux1")
    with box.in_console("linux1"):
        box.linux_up("linux1")
        assert int(box.linux("cat /sys/block/vda/size")) == 8 * MIB // 512
        assert int(box.linux("cat /sys/block/vdb/size")) == 1 << 21
        assert hashlib.md5(content).hexdigest() in box.linux("md5sum /dev/vda")
        box.linux("yes clone | dd of=/dev/vda bs=5000 seek=1000 count=100 iflag=fullblock conv=notrunc 2>/dev/null")
        box.linux("yes more | dd of=/dev/vdb bs=4k seek=100 count=10 iflag=fullblock oflag=direct 2>/dev/null")
        box.linux("sync")
    # More than the volume has: it grows, until the pool is full, and again when there is room.
    assert "Vol filler created" in box.run("vol-create-as data filler 176M")
    with box.in_console("linux1"):
        box.send("(dd if=/dev/vda of=/dev/vdb bs=1M seek=900 oflag=direct; echo $? >/status) 2>/dev/null &\r")
    box.wait_state("linux1", "paused")
    assert "linux1: no room for a write to vdb: the pool has 0 MiB left; paused" in box.run("dmesg")
    assert "I/O error" in box.run("domstate linux1 --reason")
    assert re.search(r"ours .* 8.00 MiB", box.run("vol-list data --details"))
    box.run("resume linux1")
    box.wait_state("linux1", "paused")
    box.run("vol-delete filler --pool data")
    box.run("resume linux1")
    with box.in_console("linux1"):
        box.linux("until [ -e /status ]; do sleep 1; done; sync; grep -x 0 /status", timeout=120)
    box.run("destroy linux1")
    box.wait_state("linux1", "shut off")
    assert "Vol again cloned from mine" in box.run("vol-clone mine again --pool data")
    box.send("poweroff --force\r")
    box.expect_end(60)
    box.stop()

    with lvm.host(image) as host:
        host.lvm("vgck", "data")
        files = {name: lvm.take_out(image, host, name, tmp_path / name) for name in ("theirs", "mine", "ours", "again")}
    clone = (b"clone\n" * 100000)[:500000]
    content = content[:5000000] + clone + content[5500000:]
    info = qemu("qemu-img", "info", "-f", "qcow2", files["again"])
    assert "backing file: /dev/data/mine" in info and "backing file format: qcow2" in info
    # Their names on this host.
    qemu("qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", files["theirs"], files["mine"])
    qemu("qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", files["mine"], files["again"])
    for file in files.values():
        qemu("qemu-img", "check", "-f", "qcow2", file)
    qemu("qemu-img", "convert", "-f", "qcow2", "-O", "raw", files["again"], tmp_path / "again.raw")
    assert (tmp_path / "again.raw").read_bytes() == content
    qemu("qemu-img", "convert", "-f", "qcow2", "-O", "raw", files["ours"], tmp_path / "ours.raw")
    with open(tmp_path / "ours.raw", "rb") as file:
        file.seek(409600)
        assert file.read(40960) == (b"more\n" * 8192)[:40960]
        file.seek(900 * MIB)
        assert file.read(8 * MIB) == content
    assert 64 * MIB < files["ours"].stat().st_size < 300 * MIB


def test_wrong(boot, iso, tmp_path):
    """A guest whose image cannot be opened does not start, and can be started when it can."""
    image = lvm.blank(tmp_path / "pv.img", 64)
    box = boot(iso=iso({"linux1.xml": xml("linux1", "ours"), **m.LINUX_FILES}), memory=512, nic=None, args=drives(image)).boot()
    assert "Pool data built" in box.wait_run("pool-build data sda", "built")
    assert "Vol ours created" in box.run("vol-create-as data ours 4M")
    box.send("start linux1\r")
    box.expect("start: virtio-blk|start: the image on data/ours: it is no qcow2 image", 60)
    box.wait_state("linux1", "shut off")
    box.run("vol-delete ours --pool data")
    assert "Vol ours created" in box.run("vol-create-as data ours 8G --format qcow2 --file /srv/ours.qcow2")
    box.run("start linux1")
    box.wait_state("linux1", "running")
    info = box.run("vol-info ours --pool data")
    assert re.search(r"Used by: +linux1", info) and re.search(r"File: +/srv/ours.qcow2", info)
    assert "in use by linux1" in box.run("attach-disk linux1 /srv/ours.qcow2 vdb --subdriver qcow2")
    box.run("destroy linux1")
    box.wait_state("linux1", "shut off")
    assert "Vol ours deleted" in box.run("vol-delete ours --pool data")


def test_snapshots(boot, iso, tmp_path):
    """Snapshots of a guest that is off, which QEMU's tools see, too."""
    image = lvm.blank(tmp_path / "pv.img", 64)
    box = boot(iso=iso({"linux1.xml": xml("linux1", "ours"), **m.LINUX_FILES}), memory=512, nic=None, args=drives(image)).boot()
    assert "Pool data built" in box.wait_run("pool-build data sda", "built")
    assert "Vol ours created" in box.run("vol-create-as data ours 8G --format qcow2")
    assert "Domain snapshot one created" in box.run("snapshot-create-as linux1 one")
    assert "there is a snapshot of this name" in box.run("snapshot-create-as linux1 one")
    assert "Domain snapshot two created" in box.run("snapshot-create-as linux1 two")
    listed = box.run("snapshot-list linux1")
    assert re.search(r"Name +Creation Time +State", listed)
    assert re.search(r" one +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 +shutoff", listed)
    assert "Domain snapshot one reverted" in box.run("snapshot-revert linux1 one")
    assert "Domain snapshot one deleted" in box.run("snapshot-delete linux1 one")
    assert "there is no snapshot of this name" in box.run("snapshot-revert linux1 one")
    box.run("start linux1")
    box.wait_state("linux1", "running")
    assert "is active" in box.run("snapshot-create-as linux1 three")
    box.run("destroy linux1")
    box.wait_state("linux1", "shut off")
    box.send("poweroff --force\r")
    box.expect_end(60)
    box.stop()
    with lvm.host(image) as host:
        ours = lvm.take_out(image, host, "ours", tmp_path / "ours.qcow2")
    qemu("qemu-img", "check", ours)
    assert re.search(r"\d+ +two ", qemu("qemu-img", "snapshot", "-l", ours))


def test_formats(boot, iso, tmp_path):
    """Clusters that zstd has compressed; a VMDK and a VDI as sources of clones; a disk whose changes go, also after a cut."""
    image = lvm.blank(tmp_path / "pv.img", 120)
    raw = tmp_path / "raw"
    content = b"".join(hashlib.sha256(bytes([n])).digest() * 32768 for n in range(6)) + bytes(MIB)
    raw.write_bytes(content)
    md5 = hashlib.md5(content).hexdigest()
    for name, kind, options in (("z", "qcow2", "compression_type=zstd"), ("appliance", "vmdk", "subformat=streamOptimized"),
                                ("theirs", "vdi", "static=off")):
        qemu("qemu-img", "convert", *(["-c"] if name == "z" else []), "-O", kind, "-o", options, raw, tmp_path / name)
    broken = bytearray((tmp_path / "theirs").read_bytes())
    broken[512 + 12:512 + 16] = b"\xff\xff\xff\x00"
    (tmp_path / "broken").write_bytes(broken)
    with lvm.host(image) as host:
        host.group("data", *((name, "-L8M") for name in ("z", "appliance", "theirs", "broken")))
        host.lvm("vgchange", "--addtag", "sampo", "data")
        host.lvm("lvchange", "--addtag", "sampo.format=qcow2", "data/z")
        host.lvm("lvchange", "--addtag", "sampo.format=vmdk", "data/appliance")
        for name in ("z", "appliance", "theirs", "broken"):
            put_in(image, host, name, tmp_path / name)
    text = xml("linux1", "z", "mine", "flat").replace("<target dev='vda'", "<transient/><target dev='vda'")
    text = re.sub(r"type='qcow2'(/><source pool='data' volume='flat')", r"type='raw'\1", text)
    files = {"linux1.xml": text, **m.LINUX_FILES}
    box = boot(iso=iso(files), memory=512, nic=None, args=drives(image)).boot()
    assert "dom0 knows vmdk, vpc and vdi" not in box.run("vol-list data")
    assert "cloned from appliance" in box.wait_run("vol-clone appliance mine --pool data", "cloned|Failed")
    assert "cloned from theirs" in box.wait_run("vol-clone theirs flat --pool data --source-format vdi --format raw", "cloned|Failed")
    refused = box.wait_run("vol-clone broken none --pool data --source-format vdi", "cloned|Failed")
    assert "a part of its disk lies beyond its end (at byte" in refused
    listed = box.run("vol-list data")
    assert "mine" in listed and "flat" in listed and "none" not in listed
    assert re.search(rf"Capacity: +{len(content)} bytes", box.run("vol-info mine --pool data --bytes"))
    box.run("start linux1")
    box.wait_state("linux1", "running")
    assert "sampo-transient-1" in box.run("vol-list data")
    with box.in_console("linux1"):
        box.linux_up("linux1")
        for disk in ("vda", "vdb"):
            assert md5 in box.linux(f"md5sum /dev/{disk}")
        assert md5 in box.linux(f"head -c {len(content)} /dev/vdc | md5sum")
        box.linux("yes lost | dd of=/dev/vda bs=64k seek=5 count=20 iflag=fullblock conv=notrunc 2>/dev/null; sync")
        assert md5 not in box.linux("md5sum /dev/vda")
    box.stop()
    box = boot(iso=iso(files), memory=512, nic=None, args=drives(image)).boot()
    box.wait_run("dmesg", "data/sampo-transient-1: deleted")
    box.wait_state("linux1", "running")
    assert "sampo-transient-1" in box.run("vol-list data")
    box.run("destroy linux1")
    box.wait_state("linux1", "shut off")
    box.wait_run("vol-list data", r"\A(?![\s\S]*sampo-transient)")
    box.stop()
    with lvm.host(image) as host:
        host.lvm("vgck", "data")
        base = lvm.take_out(image, host, "z", tmp_path / "base")
    qemu("qemu-img", "convert", "-f", "qcow2", "-O", "raw", base, tmp_path / "base.raw")
    assert (tmp_path / "base.raw").read_bytes() == content
