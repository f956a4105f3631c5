# SPDX-License-Identifier: BSD-2-Clause
"""Volumes over libvirt's protocol: what goes up comes down, and clients that break off, read nothing or say too much."""

import contextlib
import hashlib
import random
import re
import struct
import time

import pytest

import machine as m
from test_rpc import Client, Sampo, packet, text
from test_small import free_tcp_port

UPLOAD, DOWNLOAD = 208, 209
STREAM, CONTINUE, ERROR = 3, 2, 1
MIB = 1 << 20
NEIGHBOUR = b"n" * (4 * MIB)  # the extent size of a pool
GUEST = """<domain type='kvm'><name>user</name><memory unit='MiB'>16</memory><os><type>hvm</type><kernel>crash.elf</kernel>
<cmdline>halt</cmdline></os><devices><disk type='block' device='disk'><source dev='/dev/data/used'/><target dev='vda' bus='virtio'/></disk>
<serial type='pty'/></devices></domain>"""


@pytest.fixture(scope="module")
def sampo(tmp_path_factory):
    place = tmp_path_factory.mktemp("copies")
    port = free_tcp_port()
    modules = [(m.BUILD / "dom0.bin", "dom0 libvirt-tcp=16509 ip=10.0.2.15/24,gw=10.0.2.2"),
               (m.BUILD / "guests/crash.elf", "crash.elf")]
    with open(place / "pool.img", "wb") as pool:
        pool.truncate(128 * MIB)
    with m.Machine(place, kernel=m.BUILD / "sampo.elf32", modules=modules, memory=320, image=place / "pool.img", cpus=1,
                   netdev=f"user,id=net,hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:16509") as one:
        one.boot()
        one.run("pool-build data sda")
        one.wait_run("pool-list", "data +active")
        for name, size in (("web", "8M"), ("used", "4M"), ("neighbour", "4M")):
            one.run(f"vol-create-as data {name} {size}")
            one.wait_run("vol-list data", name)
        found = Sampo(one, port, place)
        found.virsh(f"vol-upload neighbour {found.file('neighbour', NEIGHBOUR.decode())} --pool data")
        yield found


def upload(sampo, content, words="", status=0, volume="web"):
    (sampo.place / "up").write_bytes(content)
    return sampo.virsh(f"vol-upload {volume} {sampo.place}/up --pool data {words}", status)


def download(sampo, words="", volume="web"):
    sampo.virsh(f"vol-download {volume} {sampo.place}/down --pool data {words}")
    return (sampo.place / "down").read_bytes()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def others_are_whole(sampo):
    assert download(sampo, volume="neighbour") == NEIGHBOUR


def test_both_ways(sampo):
    """A volume's bytes, all of them and parts at any offset."""
    whole = bytearray(random.Random(1).randbytes(8 * MIB))
    start = time.monotonic()
    upload(sampo, bytes(whole))
    middle = time.monotonic()
    assert sha256(download(sampo)) == sha256(whole)
    print(f"8 MiB up in {middle - start:.1f} s, down in {time.monotonic() - middle:.1f} s")
    for offset, size in ((0, 1), (511, 3), (4095, 70001), (8 * MIB - 5, 5), (1 * MIB, 262144), (8 * MIB, 0)):
        piece = random.Random(offset).randbytes(size)
        upload(sampo, piece, f"--offset {offset}")
        whole[offset:offset + size] = piece
        assert download(sampo, f"--offset {offset} --length {size}" if size else f"--offset {offset}") == piece
    upload(sampo, b"abc", "--offset 70000 --length 3")
    whole[70000:70003] = b"abc"
    assert sha256(download(sampo)) == sha256(whole)
    assert download(sampo, f"--offset {8 * MIB - 100} --length 4096") == whole[-100:]
    others_are_whole(sampo)


def test_refused(sampo):
    """Bounds, guests that use a volume, connections for reading."""
    assert "longer than the part" in upload(sampo, b"x" * 4097, "--offset 1024 --length 4096", status=1)
    assert "longer than the part" in upload(sampo, b"x" * (4 * MIB + 1), volume="used", status=1)
    assert "behind the end" in upload(sampo, b"x", f"--offset {8 * MIB + 1}", status=1)
    assert "a sparse upload" in upload(sampo, b"x", "--sparse", status=1)
    assert "no storage vol with matching" in upload(sampo, b"x", volume="nothing", status=1)
    sampo.virsh(f"create {sampo.file('user.xml', GUEST)}")
    for command in ("upload", "download"):
        said = sampo.virsh(f"vol-{command} used {sampo.place}/up --pool data", status=1)
        assert re.search("not valid: .*in use by user", said), said
    sampo.virsh("destroy user")
    upload(sampo, b"free", volume="used")
    assert download(sampo, "--length 4", volume="used") == b"free"
    with sampo.client(opened=False) as client:
        client.call(1, struct.pack(">II", 0, 1))
        for procedure in (UPLOAD, DOWNLOAD):
            assert client.call(procedure, volume_argument("web"))[0] == 29
    others_are_whole(sampo)


def volume_argument(name, offset=0, length=0, flags=0):
    return text("data") + text(name) + text("") + struct.pack(">QQI", offset, length, flags)


def open_stream(client, procedure, name, serial, **part):
    assert client.call(procedure, volume_argument(name, **part), serial=serial) == b""


def data(payload, serial, procedure=UPLOAD, status=CONTINUE):
    return packet(procedure, payload, serial, kind=STREAM, status=status)


def is_free(sampo, name):
    deadline = time.monotonic() + 20 * m.PATIENCE
    while "in use" in upload(sampo, b"", volume=name, status=None):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_ends(sampo):
    """Streams that are aborted, finished twice, or broken off with their connection; each leaves the volume without a user."""
    upload(sampo, b"-" * MIB)
    with sampo.client() as client:
        open_stream(client, UPLOAD, "web", 5)
        assert "in use by vol-upload" in client.call(DOWNLOAD, volume_argument("web"), serial=6)[1]
        client.send(data(b"+" * 100000, 5))
        client.send(data(b"", 5, status=ERROR))
        words, payload = client.receive()
        assert words[2:] == [UPLOAD, STREAM, 5, 0] and not payload
        # What comes afterwards is nobody's, and each end is confirmed.
        client.send(data(b"*" * 1000, 5) + data(b"", 5, status=0))
        assert client.receive()[0][2:] == [UPLOAD, STREAM, 5, 0]
        open_stream(client, UPLOAD, "web", 7)
        client.send(data(b"", 7) + data(b"abc", 7) + data(b"", 7, status=0))
        assert client.receive()[0][2:] == [UPLOAD, STREAM, 7, 0]
        open_stream(client, DOWNLOAD, "web", 8, length=70000)
        got = b""
        while True:
            words, payload = client.receive()
            assert words[2:] == [DOWNLOAD, STREAM, 8, CONTINUE]
            if not payload:
                break
            got += payload
        assert len(got) == 70000 and got.startswith(b"abc")
        assert set(got[3:]) <= set(b"+-")
        # A download that is not finished by its client is over all the same.
        assert client.call(59, serial=9)[4:9] == b"sampo"
    is_free(sampo, "web")
    with sampo.client() as client:
        open_stream(client, UPLOAD, "web", 1)
        client.send(data(b"=" * 300000, 1)[:200000])
    with sampo.client() as client:
        open_stream(client, DOWNLOAD, "used", 1)
    is_free(sampo, "web")
    is_free(sampo, "used")
    assert set(download(sampo, f"--length {MIB}")) <= set(b"abc+-=")
    others_are_whole(sampo)


def test_no_reader(sampo):
    """A download that nobody reads holds back itself alone, and its connection ends after a minute."""
    content = random.Random(2).randbytes(8 * MIB)
    upload(sampo, content)
    with contextlib.ExitStack() as stack:
        lazy = stack.enter_context(sampo.client())
        open_stream(lazy, DOWNLOAD, "web", 1)
        time.sleep(2)
        others_are_whole(sampo)
        upload(sampo, b"other", volume="used")
        got = b""
        while len(got) < MIB:
            got += lazy.receive()[1]
        assert content.startswith(got)
    is_free(sampo, "web")


def test_many(sampo):
    """Streams side by side on one connection, up to the bounds."""
    with sampo.client() as client, sampo.client() as other:
        open_stream(client, UPLOAD, "web", 1)
        open_stream(client, DOWNLOAD, "neighbour", 2)
        assert "in use by vol-download" in other.call(UPLOAD, volume_argument("neighbour"))[1]
        got, sent = b"", random.Random(3).randbytes(2 * MIB)
        client.send(b"".join(data(sent[at:at + 262120], 1) for at in range(0, len(sent), 262120)) + data(b"", 1, status=0))
        ends = set()
        while len(ends) < 2:
            words, payload = client.receive()
            if words[2] == DOWNLOAD:
                got += payload
                ends |= {2} if not payload else set()
            else:
                assert words[2:] == [UPLOAD, STREAM, 1, 0]
                ends.add(1)
        assert got == NEIGHBOUR
        assert sha256(download(sampo, f"--length {len(sent)}")) == sha256(sent)
