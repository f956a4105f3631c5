# SPDX-License-Identifier: BSD-2-Clause
"""Pools: volume groups that the host's lvm2 and dom0 both read and write."""

import random
import re

import pytest

import lvm
import machine as m
import write_log


def drives(*images, kind="ahci"):
    """QEMU's options for disks, in the order of the images."""
    words = []
    for n, image in enumerate(images):
        words += ["-drive", f"if=none,id=d{n},format=raw,file={image}"]
        words += ["-device", f"ide-hd,drive=d{n},bus=ide.{(0, 1, 3, 4)[n]}" if kind == "ahci" else f"nvme,drive=d{n},serial=s{n}"]
    return words


def xml(name, source, target="vda"):
    text = m.linux_xml(name, partition="guest1")
    disk = re.search(r"<disk.*?</disk>", text, re.S).group(0)
    return text.replace(disk, f"<disk {source}<target dev='{target}' bus='virtio'/></disk>")


def sizes(output):
    """vol-info --bytes of a volume: its size."""
    return int(re.search(r"Capacity: +(\d+) bytes", output).group(1))


@pytest.fixture
def images(tmp_path):
    return [lvm.blank(tmp_path / f"pv{n}.img", 64) for n in range(2)]


def test_read(boot, iso, images):
    """What lvm2 has made is shown as lvm2 shows it, and a guest's bytes are where lvm2 says."""
    with lvm.host(*images) as host:
        host.group("data", ("web", "-L16M"), ("wide", "-i2", "-L8M"), ("big-one", "-l20"), ("ro", "-L4M", "-pr"))
        volumes = host.report("lvs", "lv_name,lv_size,lv_uuid", "data")
        extents = host.report("lvs", "lv_name,seg_start_pe,seg_size,seg_pe_ranges", "--segments", "data")
        group = host.report("vgs", "vg_size,vg_free", "data")[0]
        device = {d: n for n, d in enumerate(host.devices)}
    runs = sorted((e for e in extents if e["lv_name"] == "big-one"), key=lambda e: int(e["seg_start_pe"]))
    assert len(runs) == 2
    # The second crosses from one device to the other.
    places = [0, int(runs[0]["seg_size"]) - 4096, (80 << 20) - 65536]
    guests = {"linux1.xml": xml("linux1", "type='volume'><source pool='data' volume='big-one'/>"),
              "linux2.xml": xml("linux2", "type='block'><source dev='/dev/mapper/data-big--one'/>"),
              "linux3.xml": xml("linux3", "type='block'><source dev='sda'/>"), **m.LINUX_FILES}
    box = boot(iso=iso(guests), memory=768, nic=None, args=drives(*images)).boot()
    box.wait_state("linux1", "running")
    assert "data/big-one is in use by linux1" in box.run("start linux2")
    assert "sda is in use by pool data" in box.run("start linux3")
    assert re.search(r"^ data +active +yes$", box.run("pool-list"), re.M)
    info = box.run("pool-info data --bytes")
    assert int(re.search(r"Capacity: +(\d+)", info).group(1)) == int(group["vg_size"])
    assert int(re.search(r"Available: +(\d+)", info).group(1)) == int(group["vg_free"])
    assert "sda sdb" in info and "Read-only:" in info
    listed = re.findall(r"^ (\S+) +(/dev/data/\S+)$", box.run("vol-list data"), re.M)
    assert sorted(listed) == sorted((v["lv_name"], f"/dev/data/{v['lv_name']}") for v in volumes)
    for volume in volumes:
        assert sizes(box.run(f"vol-info {volume['lv_name']} --pool data --bytes")) == int(volume["lv_size"])
        assert box.run(f"vol-key /dev/data/{volume['lv_name']}").strip() == volume["lv_uuid"]
    assert "it is striped over 2 devices" in box.run("vol-info wide --pool data")
    assert re.search(r"Access: +ro", box.run("vol-info ro --pool data"))
    assert box.run("vol-pool /dev/data/web").strip() == "data"
    assert "<volume type='block'>" in box.run("vol-dumpxml web --pool data")
    assert "<source pool='data' volume='big-one'/>" in box.run("dumpxml linux1")
    assert re.search(r"volume +disk +vda +big-one", box.run("domblklist linux1 --details"))
    size = 80 << 20
    with box.in_console("linux1"):
        box.linux_up("linux1")
        assert int(box.linux("cat /sys/block/vda/size")) == size // 512
        for place in places:
            box.linux(f"yes at{place} | dd of=/dev/vda bs=64k count=1 iflag=fullblock oflag=direct,seek_bytes conv=notrunc "
                      f"seek={place} 2>/dev/null")
        for place in places:
            assert box.linux(f"dd if=/dev/vda bs=64k count=1 iflag=direct,skip_bytes skip={place} 2>/dev/null | sort | "
                             "uniq -c | wc -l").strip() in ("1", "2")
    box.run("destroy linux1")
    assert "sda is in use" not in box.run("start linux3")  # the group's devices are free again
    box.stop()

    found = b""
    for run in runs:
        name, first, last = re.fullmatch(r"(\S+):(\d+)-(\d+)", run["seg_pe_ranges"]).groups()
        data = images[device[name]].read_bytes()
        found += data[(1 << 20) + int(first) * (4 << 20):(1 << 20) + (int(last) + 1) * (4 << 20)]
    assert len(found) == size
    for place in places:
        expected = (f"at{place}\n".encode() * 65536)[:65536]
        assert found[place:place + 65536] == expected
        found = found[:place] + bytes(65536) + found[place + 65536:]
    assert not any(found)


def check_host(host, name):
    """lvm2 finds nothing to complain of."""
    host.lvm("vgck", name)
    for image in host.images:
        host.pvck(image)


@pytest.mark.quick
def test_write(boot, iso, images):
    """What dom0 makes and changes, lvm2 reads; and dom0 reads what lvm2 makes of it then."""
    guests = {"linux1.xml": xml("linux1", "type='volume'><source pool='data' volume='web'/>"), **m.LINUX_FILES}
    image = iso(guests)
    for path in images:
        with open(path, "r+b") as file:
            file.seek(1 << 20)
            file.write(b"\xaa" * (40 << 20))
    box = boot(iso=image, memory=768, nic=None, args=drives(*images)).boot()
    assert "Pool data built" in box.run("pool-build data sda sdb")
    assert "there is a pool of this name" in box.run("pool-build data sda sdb")
    assert "sda is in use by pool data" in box.run("pool-build other sda --overwrite")
    assert "Vol web created" in box.run("vol-create-as data web 10M")
    assert "Vol db-1 created" in box.run("vol-create-as data db-1 76MiB")
    assert "Vol gone created" in box.run("vol-create-as data gone 1")
    assert "there is a volume of this name" in box.run("vol-create-as data web 10M")
    assert "the pool has 28 MiB left" in box.run("vol-create-as data more 1G")
    assert "LVM2 keeps this name" in box.run("vol-create-as data x_mlog 4M")
    assert "there is a volume of this name" in box.run("vol-rename gone web --pool data")
    assert "Vol gone renamed" in box.run("vol-rename gone away --pool data")
    assert "Vol away deleted" in box.run("vol-delete away --pool data")
    assert "changed to 24M" in box.run("vol-resize /dev/data/web 24M")
    assert "--shrink" in box.run("vol-resize /dev/data/db-1 70M")
    assert "changed to 61M" in box.run("vol-resize /dev/data/db-1 61M --shrink")
    box.run("start linux1")
    assert "in use by linux1" in box.run("vol-delete web --pool data")
    assert "in use by linux1" in box.run("vol-resize web 8M --pool data --shrink")
    assert "in use by linux1" in box.run("vol-rename web www --pool data")
    with box.in_console("linux1"):
        box.linux_up("linux1")
        assert int(box.linux("cat /sys/block/vda/size")) == (24 << 20) // 512
        # The first 64 KiB are zeros, what was on the disk comes behind.
        assert box.linux("dd if=/dev/vda bs=64k count=1 2>/dev/null | tr -d '\\0' | wc -c").strip() == "0"
        assert box.linux("dd if=/dev/vda bs=64k skip=1 count=1 2>/dev/null | tr -d '\\0' | wc -c").strip() == "65536"
    assert "Vol late created" in box.run("vol-create-as data late 4M")  # while a volume is in use
    listed = dict(re.findall(r"^ (\S+) +/dev/data/\S+ +block +(\S+) MiB", box.run("vol-list data --details"), re.M))
    assert listed == {"web": "24.00", "db-1": "64.00", "late": "4.00"}
    box.run("destroy linux1")
    box.stop()

    with lvm.host(*images) as host:
        check_host(host, "data")
        assert {v["lv_name"]: int(v["lv_size"]) >> 20 for v in host.report("lvs", "lv_name,lv_size", "data")} == {
            "web": 24, "db-1": 64, "late": 4}
        group = host.report("vgs", "vg_tags,vg_seqno,pv_count,lv_count,vg_extent_size", "data")[0]
        assert (group["vg_tags"], group["pv_count"], group["lv_count"]) == ("sampo", "2", "3")
        assert int(group["vg_extent_size"]) == 4 << 20 and int(group["vg_seqno"]) == 9
        for pv in host.report("pvs", "pv_name,pe_start,pv_mda_count,pv_mda_size"):
            assert (int(pv["pe_start"]), int(pv["pv_mda_size"])) == (1 << 20, 1020 << 10)
        host.lvm("lvremove", "-y", "data/late")
        host.lvm("lvextend", "-L80M", "data/db-1")
    box = boot(iso=image, memory=768, nic=None, args=drives(*images)).boot()
    listed = box.wait_run("vol-list data --details", "db-1")
    assert "late" not in listed and re.search(r"db-1 .* 80.00 MiB", listed)
    assert "Vol again created" in box.run("vol-create-as data again 4M")
    box.stop()
    with lvm.host(*images) as host:
        check_host(host, "data")
        assert "again" in host.lvm("lvs", "data")


def test_foreign(boot, iso, tmp_path, disk):
    """Groups that dom0 does not write or cannot use, and devices that it does not take."""
    one, two, three, lost = (lvm.blank(tmp_path / f"{name}.img", 64) for name in ("one", "two", "three", "lost"))
    with lvm.host(one, two, three, lost) as host:
        host.group("foreign", ("a", "-L8M"), images=[one, two])
        host.mirror("foreign", "mirror", one, two)
        host.group("partial", ("here", "-L8M", host.of[three]), ("spread", "-l20"), images=[three, lost])
    image = iso({})
    parted = disk()
    box = boot(iso=image, memory=512, nic=None, args=drives(one, two, three, parted)).boot()
    box.wait_run("pool-list --all", "foreign")
    assert "until the operator says so" in box.run("vol-create-as foreign b 4M")
    assert "until the operator says so" in box.run("vol-delete a --pool foreign")
    assert "its type is raid1" in box.run("vol-info mirror --pool foreign")
    assert "Cannot be used" in box.run("vol-info spread --pool partial")
    assert "Cannot be used" not in box.run("vol-info here --pool partial")
    assert "missing" in box.run("pool-adopt partial --write")
    assert "--overwrite" in box.run("pool-build new sdd")
    assert "--overwrite" in box.run("pool-build new sdd1")  # it has a file system
    assert "physical volume" in box.run("pool-build new sdc")
    assert "--write" in box.run("pool-adopt foreign")
    assert "Pool foreign adopted" in box.run("pool-adopt foreign --write")
    assert "Vol b created" in box.run("vol-create-as foreign b 4M")
    assert "Pool new built" in box.run("pool-build new sdd --overwrite")
    assert "sdd1" not in box.run("disks")
    assert "Vol v created" in box.run("vol-create-as new v 4M")
    box.stop()
    with lvm.host(one, two, parted) as host:
        check_host(host, "foreign")
        check_host(host, "new")
        assert {v["lv_name"]: v["segtype"] for v in host.report("lvs", "lv_name,segtype", "foreign")} == {
            "a": "linear", "b": "linear", "mirror": "raid1"}
        assert host.report("vgs", "vg_tags", "foreign")[0]["vg_tags"] == "sampo"


def test_blocks_of_4096(boot, iso, tmp_path):
    """On disks with blocks of 4096 bytes a header shares its block with the ring's first text."""
    image = lvm.blank(tmp_path / "pv.img", 64)
    box = boot(iso=iso({}), memory=512, nic=None, args=[
        "-drive", f"if=none,id=d0,format=raw,file={image}", "-device", "nvme,id=n,serial=s",
        "-device", "nvme-ns,drive=d0,bus=n,logical_block_size=4096,physical_block_size=4096"]).boot()
    assert "Pool data built" in box.wait_run("pool-build data nvme0n1", "built")
    for n in range(4):
        assert f"Vol v{n} created" in box.run(f"vol-create-as data v{n} 4M")
    box.run("pool-refresh data")
    assert "/dev/data/v3" in box.wait_run("vol-list data", "v0")
    box.stop()
    with lvm.host(image, block=4096) as host:
        check_host(host, "data")
        assert len(host.report("lvs", "lv_name", "data")) == 4


def test_guests_own_group(boot, iso, tmp_path):
    """A guest whose disk has a group of the guest's own gets the disk, and then nobody gets the group's volumes."""
    image = lvm.blank(tmp_path / "pv.img", 64)
    with lvm.host(image) as host:
        host.group("inside", ("root", "-L8M"))
    guests = {"linux1.xml": xml("linux1", "type='block'><source dev='sda'/>"),
              "linux2.xml": xml("linux2", "type='volume'><source pool='inside' volume='root'/>"), **m.LINUX_FILES}
    box = boot(iso=iso(guests), memory=768, nic=None, args=drives(image)).boot()
    box.wait_state("linux1", "running")
    assert "sda is in use by linux1" in box.run("start linux2")
    box.run("destroy linux1")
    assert "started" in box.run("start linux2")
    assert "sda is in use by pool inside" in box.run("start linux1")


def test_power_cut(boot, iso, tmp_path):
    """Wherever the power is cut while dom0 changes a group, lvm2 finds the old one or the new one."""
    image, log = lvm.blank(tmp_path / "pv.img", 24), lvm.blank(tmp_path / "log", 0)
    with lvm.host(image) as host:
        host.group("data", ("a", "-L8M"))
        host.lvm("vgchange", "--addtag", "sampo", "data")
    base = image.read_bytes()
    box = boot(iso=iso({}), memory=512, nic=None, args=[
        "-blockdev", f"driver=file,node-name=image,filename={image}", "-blockdev", f"driver=file,node-name=log,filename={log}",
        "-blockdev", "driver=blklogwrites,node-name=d0,file=image,log=log,log-sector-size=512",
        "-device", "ide-hd,drive=d0,bus=ide.0"]).boot()
    box.wait_run("vol-list data", "/dev/data/a")
    assert "Vol b created" in box.run("vol-create-as data b 4M")
    assert "changed to 12M" in box.run("vol-resize a 12M --pool data")
    assert "Vol b deleted" in box.run("vol-delete b --pool data")
    box.send("poweroff --force\r")
    box.expect_end(60)
    box.stop()

    states = [{"a": 8}, {"a": 8, "b": 4}, {"a": 12, "b": 4}, {"a": 12}]
    written = list(write_log.entries(log))
    assert sum(bool(flags & write_log.FLUSH) for flags, _, _ in written) >= 9
    some = random.Random(1)
    seen, last = set(), 0
    for end in range(len(written) + 1):
        for kind in ("all", "some"):
            image.write_bytes(write_log.cut(base, written, end, lambda n, all=kind == "all": all or some.random() < 0.5))
            with lvm.host(image) as host:
                host.lvm("vgck", "data")
                now = {v["lv_name"]: int(v["lv_size"]) >> 20 for v in host.report("lvs", "lv_name,lv_size", "data")}
            assert now in states, f"entry {end} of {len(written)}, {kind}: {now}"
            seen.add(states.index(now))
            # What is old does not come back.
            assert kind == "some" or states.index(now) >= last
            last = max(last, states.index(now)) if kind == "all" else last
    assert seen == {0, 1, 2, 3}
    assert last == 3
