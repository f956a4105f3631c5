# SPDX-License-Identifier: BSD-2-Clause
"""The wire: what Sampo sends, the cable out, and nobody who answers DHCP."""

import hashlib
import http.server
import random
import re
import socket
import struct
import threading

import pytest

import machine as m

ANY = b"\xff" * 6
GUEST_MAC = bytes.fromhex("525400000101")
DOM0_MAC = bytes.fromhex("565400123456")  # the card's, with the bit for locally administered ones changed


def is_dhcp_discover(source):
    return lambda f: f[6:12] == source and f[12:14] == b"\x08\x00" and f[23] == 17 and f[36:38] == b"\x00\x43"


def test_guest_frames_reach_the_wire(boot, iso):
    """A guest's DHCP request goes out with the guest's own address."""
    guests = {"linux1.xml": m.linux_xml("linux1", mac="52:54:00:00:01:01"), **m.LINUX_FILES}
    with m.Wire() as wire:
        box = boot(iso=iso(guests), memory=512, disk=None, netdev=wire.netdev).boot()
        frame = wire.receive(is_dhcp_discover(GUEST_MAC), 120)
        assert frame[:6] == ANY
        assert box.state("linux1") == "running"


def test_no_dhcp(boot, iso):
    """Nobody answers: dom0 asks, says so, and goes on; the guest comes up without an address."""
    guests = {"linux1.xml": m.linux_xml("linux1", mac="52:54:00:00:01:01"), **m.LINUX_FILES}
    with m.Wire() as wire:
        box = boot(iso=iso(guests), memory=512, disk=None, netdev=wire.netdev).boot()
        wire.receive(is_dhcp_discover(DOM0_MAC), 60)
        assert "Address:        none" in box.run("net")
        with box.in_console("linux1"):
            box.linux_up("linux1")
            assert "inet " not in box.linux("ip -4 addr show eth0")


def recorded(file):
    """The frames of a recording by QEMU's filter-dump."""
    data, at = file.read_bytes(), 24
    while at + 16 <= len(data):
        kept, size = struct.unpack_from("<II", data, at + 8)
        assert kept == size
        yield data[at + 16:at + 16 + kept]
        at += 16 + kept


def internet_sum(data):
    """RFC 1071; 0xffff where the checksum is in the data and right."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total >> 16) + (total & 0xffff)
    return total


def check_tcp(frame):
    """All sums of a frame; returns its bytes of data, None if it is not TCP over IPv4 or IPv6."""
    assert len(frame) <= 1514, "a frame is longer than the wire allows"
    if frame[12:14] == b"\x08\x00" and frame[23] == 6:
        header = (frame[14] & 15) * 4
        packet = frame[14:14 + struct.unpack_from(">H", frame, 16)[0]]
        assert internet_sum(packet[:header]) == 0xffff, "a wrong sum of an IP header"
        assert not struct.unpack_from(">H", packet, 6)[0] & 0x3fff, "a fragment"
        addresses = packet[12:20]
    elif frame[12:14] == b"\x86\xdd" and frame[20] == 6:
        header = 40
        packet = frame[14:54 + struct.unpack_from(">H", frame, 18)[0]]
        assert len(packet) == 40 + struct.unpack_from(">H", frame, 18)[0]
        addresses = packet[8:40]
    else:
        return None
    segment = packet[header:]
    assert internet_sum(addresses + struct.pack(">HH", 6, len(segment)) + segment) == 0xffff, "a wrong sum of TCP"
    return len(segment) - (segment[12] >> 4) * 4


class Web6(http.server.ThreadingHTTPServer):
    """The same pages over IPv6, which QEMU's user network has at fec0::2."""
    address_family = socket.AF_INET6


@pytest.fixture
def url(request, web):
    """The web server's address for a family."""
    if request.param == 4:
        yield web.url
        return
    try:
        server = Web6(("::1", 0), web.server.RequestHandlerClass)
    except OSError:
        pytest.skip("this host has no IPv6")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://[fec0::2]:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def counted(box, way):
    """Bytes and frames that a Linux guest has sent or received."""
    return [int(box.linux(f"cat /sys/class/net/eth0/statistics/{way}_{what}")) for what in ("bytes", "packets")]


# Linux asks for a router three times in twelve seconds, and then no more: it asks again each time that IPv6 comes up.
ADDRESS_BY_ROUTER = "n=0; until ip -6 addr show eth0 | grep 'fec0.*dynamic' | grep -v tentative; do sleep 1; n=$((n + 1)); " \
    "[ $((n % 20)) != 0 ] || for off in 1 0; do echo $off >/proc/sys/net/ipv6/conf/eth0/disable_ipv6; done; done"


@pytest.mark.parametrize("nic, url", [("e1000e", 4), ("e1000", 4), ("e1000e", 6), ("e1000", 6)], indirect=["url"])
def test_long_segments(boot, iso, web, url, tmp_path, nic):
    """TCP both ways: a guest sends and receives long frames; on the wire all sums are right and no frame is too long."""
    guests = {"linux1.xml": m.linux_xml("linux1", mac="52:54:00:00:01:01"), **m.LINUX_FILES}
    wire = tmp_path / "wire.pcap"
    box = boot(iso=iso(guests), memory=512, disk=None, nic=nic,
               args=["-object", f"filter-dump,id=dump,netdev=net,file={wire}"]).boot()
    web.pages["/random"] = random.Random(1).randbytes(3 << 20)
    with box.in_console("linux1"):
        box.linux_up("linux1")
        if "[" in url:
            box.linux(ADDRESS_BY_ROUTER)
        before = counted(box, "rx")
        box.linux(f"wget -q -O /tmp/random {url}/random", 90)
        received, frames = (after - then for after, then in zip(counted(box, "rx"), before))
        assert received / frames > 3000, "frames were not merged"
        assert box.linux("md5sum /tmp/random").split()[0] == hashlib.md5(web.pages["/random"]).hexdigest()
        box.linux("base64 /tmp/random | head -c 2000000 > /tmp/text")
        before = counted(box, "tx")
        box.linux(f"wget -q -O - --post-file=/tmp/text {url}/text", 90)
        sent, frames = (after - then for after, then in zip(counted(box, "tx"), before))
        assert sent / frames > 3000, "no segment was long"
        assert box.linux("md5sum /tmp/text").split()[0] == hashlib.md5(web.pages["/text"]).hexdigest()
        assert box.linux("grep Tcp: /proc/net/snmp").split()[-1] == "0", "wrong checksums"
    box.stop()
    from_guest = [check_tcp(frame) for frame in recorded(wire) if frame[6:12] == GUEST_MAC]
    assert sum(filter(None, from_guest)) >= 2000000


def test_cable(boot, iso, web):
    """The cable out and in again."""
    guests = {"linux1.xml": m.linux_xml("linux1", mac="52:54:00:00:01:01"), **m.LINUX_FILES}
    box = boot(iso=iso(guests), memory=512, disk=None).boot()
    with box.in_console("linux1"):
        box.linux_up("linux1")
        box.linux(f"wget -q -O - {web.url}/hello")
    mine = re.search(r"Address: +(10\.0\.2\.\d+)", box.wait_run("net", r"Address: +10\.0\.2\.\d+")).group(1)
    with box.in_console("linux1"):  # the longest ping that there is: 45 fragments, to and fro
        assert "2 packets received" in box.linux(f"ping -c 2 -s 65507 {mine}")
    box.monitor("set_link net off")
    box.wait_run("net", r"Cable: +out")
    with box.in_console("linux1"):
        # any status: bare as well, this busybox crashes when its time is up
        assert "hello" not in box.linux(f"wget -q -T 3 -O - {web.url}/hello", status=None)
    box.monitor("set_link net on")
    box.wait_run("net", r"Cable: +connected")
    with box.in_console("linux1"):
        assert box.linux(f"wget -q -O - {web.url}/hello") == "hello from outside\n"


SECOND_CARD = ["-netdev", "user,id=net2", "-device", "e1000e,netdev=net2,mac=52:54:00:12:34:57"]


def test_second_card_has_the_cable(boot):
    """Two network cards, of which the first has no cable: dom0 shows both and uses the second."""
    box = boot(kernel=m.BUILD / "sampo.elf32", modules=[(m.BUILD / "dom0.bin", "dom0")], memory=256, args=SECOND_CARD + ["-S"])
    box.monitor("set_link net off")
    box.monitor("cont")
    box.boot()
    said = box.wait_run("net", r"Address: +10\.0\.2\.\d+")
    assert re.search(r"eth0 +52:54:00:12:34:56, cable out, not used", said)
    assert re.search(r"eth1 +52:54:00:12:34:57, cable connected, active", said)


def test_bond(boot, iso, web):
    """uplink= with two cards: where the cable of one is pulled, a guest goes on through the other."""
    guests = {"linux1.xml": m.linux_xml("linux1", mac="52:54:00:00:01:01"), **m.LINUX_FILES}
    box = boot(iso=iso(guests, dom0_cmdline="uplink=eth0,eth1"), memory=512, disk=None, args=SECOND_CARD).boot()
    with box.in_console("linux1"):
        box.linux_up("linux1")
        box.linux(f"wget -q -O - {web.url}/hello")
    for gone, back, name in (("net", "net2", "eth1"), ("net2", "net", "eth0")):
        box.monitor(f"set_link {back} on")
        box.monitor(f"set_link {gone} off")
        box.wait_run("net", rf"{name} [^\n]*, cable connected, active")
        with box.in_console("linux1"):
            assert box.linux(f"wget -q -O - {web.url}/hello") == "hello from outside\n"


def arp_request(asker_mac, asker, wanted):
    return (ANY + asker_mac + b"\x08\x06" + b"\x00\x01\x08\x00\x06\x04\x00\x01" + asker_mac + asker + b"\0" * 6 +
            wanted).ljust(60, b"\0")


def test_static_address(boot):
    """An address from dom0's command line: dom0 answers for it on the wire, and asks no DHCP server."""
    mine, its = bytes([192, 168, 7, 1]), bytes([192, 168, 7, 2])
    me = bytes.fromhex("020000000001")
    with m.Wire() as wire:
        modules = [(m.BUILD / "dom0.bin", "dom0 ip=192.168.7.2/24,gw=192.168.7.1")]
        box = boot(kernel=m.BUILD / "sampo.elf32", modules=modules, memory=256, netdev=wire.netdev).boot()
        box.wait_run("net", r"Address: +192\.168\.7\.2")
        wire.send(arp_request(me, mine, its))
        frame = wire.receive(lambda f: f[12:14] == b"\x08\x06" and f[20:22] == b"\x00\x02")
        assert frame[:6] == me and frame[22:28] == DOM0_MAC and frame[28:32] == its
        assert "192.168.7.1" in box.run("net")
