# SPDX-License-Identifier: BSD-2-Clause
"""
The virtio devices with Linux and with guests that attack them: hostile queues, ends in the middle of work, long TCP
segments between guests, VLANs, a stolen address, the virtio console.
"""

import hashlib
import re
import time

import pytest

import machine as m

RNG = "    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
VIRTIO_CONSOLE = "    <console type='pty'><target type='virtio'/></console>"
MAC = "52:54:00:99:00:0{}"


def linux(number, extra="", **options):
    """Guest linuxN on partition guestN; `extra` goes into its interface."""
    text = m.linux_xml(f"linux{number}", memory=128, partition=f"guest{number}", mac=MAC.format(number), **options)
    return text.replace("<model type='virtio'/></interface>", f"<model type='virtio'/>{extra}</interface>")


def add_device(text, device):
    return text.replace("  </devices>", f"{device}\n  </devices>")


def start(boot, iso, disk, guests, files=None, kind="nvme"):
    """A machine with these guests (name -> description), all running."""
    content = {f"{name}.xml": text for name, text in guests.items()}
    image = disk("guest1", "guest2", "guest3", size=32)
    box = boot(iso=iso({**content, **(files or m.LINUX_FILES)}), image=image, disk=kind, memory=1024).boot()
    for name in guests:
        box.wait_state(name, "running", 60)
    return box


def address(box):
    return re.search(r"inet ([0-9.]+)", box.linux("ip -4 addr show eth0")).group(1)


def counters(box):
    """Bytes and frames that a Linux guest has sent."""
    return [int(box.linux(f"cat /sys/class/net/eth0/statistics/tx_{what}")) for what in ("bytes", "packets")]


HOSTILE = {**m.LINUX_FILES, "queues.elf": m.BUILD / "guests/queues.elf"}


def hostile(words=None):
    text = m.domain_xml("hostile", "queues.elf", memory=32, disks=["guest2"], macs=[MAC.format(2)], cmdline=words,
                        extra=RNG)
    return add_device(text, VIRTIO_CONSOLE)


@pytest.mark.parametrize("kind", ["ahci", "nvme"])
def test_hostile_queues(boot, iso, disk, kind):
    """Each attack ends in a stopped device or a failed request; the neighbour's disk and network go on."""
    box = start(boot, iso, disk, {"linux1": linux(1), "hostile": hostile(f"seed={len(kind)}")}, HOSTILE, kind)
    with box.in_console("linux1"):
        box.linux_up("linux1")
        box.linux("dd if=/dev/urandom of=/mnt/file bs=64k count=16 && md5sum /mnt/file > /mnt/sum && sync")
        box.linux("echo 3 > /proc/sys/vm/drop_caches && md5sum -c /mnt/sum")
    output = box.wait_run("console hostile --log", r"DONE \d+ passed, \d+ failed", 150)
    failed = [line for line in output.splitlines() if "FAIL" in line]
    assert not failed
    for device in ("net", "blk", "console", "rng"):
        assert f"PASS {device} works after a wandering BAR" in output
    assert "stopped until its driver resets it" in box.run("dmesg")
    with box.in_console("linux1"):
        box.linux("echo 3 > /proc/sys/vm/drop_caches && md5sum -c /mnt/sum && ping -c 2 10.0.2.2")
    box.run("destroy hostile")
    box.wait_state("hostile", "shut off", 20)


def test_ends_in_the_middle(boot, iso, disk):
    """A guest is destroyed, reset and started while its disk works and its neighbour attacks its own."""
    box = start(boot, iso, disk, {"linux1": linux(1), "hostile": hostile("rounds=50")}, HOSTILE)
    facts = None
    for n in range(5):
        box.wait_run("console linux1 --log", rf"(?s)(guest linux1: up.*){{{n + 1}}}", 90)
        with box.in_console("linux1"):
            box.linux_up("linux1")
            box.linux("test ! -e /mnt/kept || md5sum -c /mnt/kept")
            box.linux("echo kept > /mnt/text; md5sum /mnt/text > /mnt/kept; sync")
            if n == 4:
                assert "EXT4-fs error" not in box.linux("dmesg")
                break
            box.linux("(while :; do dd if=/dev/zero of=/mnt/load bs=64k count=64 conv=fsync; done 2> /dev/null) & :")
            box.linux("(while :; do dd if=/dev/vda of=/dev/null bs=64k iflag=direct; done 2> /dev/null) & sleep 1")
        box.run("reset linux1" if n % 2 else "destroy linux1")
        if n % 2 == 0:
            box.wait_state("linux1", "shut off", 20)
            now = re.findall(r"(?:Handles|Memory free):.*", box.run("nodeinfo"))
            assert facts in (None, now)
            facts = now
            box.run("start linux1")
        box.run("reset hostile")


def test_tcp_between_guests(boot, iso, disk, web):
    """Long segments pass whole between guests and are cut for the wire; not a byte is lost or changed."""
    box = start(boot, iso, disk, {"linux1": linux(1), "linux2": linux(2)})
    with box.in_console("linux1"):
        box.linux_up("linux1")
        here = address(box)
        box.linux("dd if=/dev/urandom of=/tmp/more bs=64k count=128 && httpd -p 8000 -h /tmp")
        expected = box.linux("md5sum /tmp/more").split()[0]
        # out over the wire
        box.linux("dd if=/tmp/more bs=64k count=8 | base64 > /tmp/part")
        box.linux(f"wget -q -O - --post-file=/tmp/part {web.url}/part", 90)
        assert box.linux("md5sum /tmp/part").split()[0] == hashlib.md5(web.pages["/part"]).hexdigest()
        before = counters(box)
    with box.in_console("linux2"):
        box.linux_up("linux2")
        box.linux(f"wget -q -O /tmp/more http://{here}:8000/more", timeout=90)
        assert box.linux("md5sum /tmp/more").split()[0] == expected
        assert box.linux("grep Tcp: /proc/net/snmp").split()[-1] == "0", "wrong checksums"
    with box.in_console("linux1"):
        sent, frames = (after - then for after, then in zip(counters(box), before))
        assert sent / frames > 3000, "no segment was long"
        assert box.linux("grep Tcp: /proc/net/snmp").split()[-1] == "0", "wrong checksums"


def test_vlans(boot, iso, disk):
    """Guests of one VLAN reach each other and nobody else."""
    tag = "<vlan><tag id='{}'/></vlan>"
    box = start(boot, iso, disk, {"linux1": linux(1, tag.format(5)), "linux2": linux(2, tag.format(5)),
                                  "linux3": linux(3, tag.format(6))})
    for n in (1, 2, 3):
        with box.in_console(f"linux{n}"):
            box.linux_up(f"linux{n}")
            box.linux(f"ip addr add 192.168.7.{n}/24 dev eth0")
    with box.in_console("linux1"):
        box.linux("ping -c 2 192.168.7.2")
        assert "100% packet loss" in box.linux("ping -c 2 -W 1 192.168.7.3", status=None)
        # a tag of its own does not help
        box.linux("ip link add link eth0 name hop type vlan id 6 2>/dev/null && ip link set hop up && "
                  "ip addr add 192.168.8.1/24 dev hop", status=None)
        assert "100% packet loss" in box.linux("ping -c 2 -W 1 -I eth0 192.168.7.3", status=None)


def test_stolen_address(boot, iso, disk):
    """Who sends from a neighbour's address is not heard, and the neighbour keeps its frames."""
    box = start(boot, iso, disk, {"linux1": linux(1), "linux2": linux(2)})
    with box.in_console("linux2"):
        box.linux_up("linux2")
        box.linux(f"ip link set eth0 down && ip link set eth0 address {MAC.format(1)} && ip link set eth0 up")
        assert "100% packet loss" in box.linux("ping -c 2 -W 1 10.0.2.2", status=None)
    with box.in_console("linux1"):
        box.linux_up("linux1")
        box.linux("ping -c 3 10.0.2.2")
    assert re.search(r"tx_drop [1-9]", box.run(f"domifstat linux2 {MAC.format(2)}"))


def test_virtio_console(boot, iso, disk):
    """Both ways through hvc0."""
    text = add_device(linux(1), VIRTIO_CONSOLE)
    box = start(boot, iso, disk, {"linux1": text})
    with box.in_console("linux1"):
        box.linux_up("linux1")
        box.linux("echo to the operator > /dev/hvc0")
        box.linux("(head -n 1 /dev/hvc0 > /tmp/typed) & sleep 0")
    assert "to the operator" in box.run("console linux1 --devname virtio --log")
    box.send("console linux1 --devname virtio\r")
    box.expect(r"Escape character is[^\n]*\n", 20)
    box.send("from the operator\r")
    time.sleep(1)
    box.leave()
    with box.in_console("linux1"):
        box.linux("while [ ! -s /tmp/typed ]; do sleep 1; done")
        assert "from the operator" in box.linux("cat /tmp/typed")
