# SPDX-License-Identifier: BSD-2-Clause
"""Debian's stock clients beside virsh: virt-install, virt-clone, programs on libvirt's library; `make client-tests` runs more."""

import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import threading
import time
import xml.etree.ElementTree as xml
import zlib

import libvirt
import pytest

import machine as m
from test_rpc import Sampo, follow
from test_small import free_tcp_port

# How often two clients change one guest; and whether clients of many packages are there.
ROUNDS = int(os.environ.get("CLIENT_ROUNDS", "60"))
ALL = bool(os.environ.get("CLIENTS"))
more = pytest.mark.skipif(not ALL, reason="make client-tests installs this client and runs the test")

BUSY = m.domain_xml("busy", "typed.elf", memory=16, cmdline="bytes=6")


@pytest.fixture(scope="module")
def sampo(tmp_path_factory):
    place = tmp_path_factory.mktemp("clients")
    port = free_tcp_port()
    modules = [(m.BUILD / "dom0.bin", "dom0 libvirt-tcp=16509 ip=10.0.2.15/24,gw=10.0.2.2"),
               *((m.BUILD / f"guests/{name}.elf", f"{name}.elf") for name in ("hello", "typed"))]
    for name in ("pool", "spare"):
        with open(place / f"{name}.img", "wb") as pool:
            pool.truncate(256 << 20)
    with m.Machine(place, kernel=m.BUILD / "sampo.elf32", modules=modules, memory=512, image=place / "pool.img", cpus=1,
                   netdev=f"user,id=net,hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:16509",
                   args=["-drive", f"if=none,id=spare,format=raw,file={place / 'spare.img'}",
                         "-device", "ide-hd,drive=spare,bus=ide.1"]) as one:
        one.boot()
        one.run("pool-build data sda")
        one.wait_run("pool-list", "data +active")
        libvirt.registerErrorHandler(lambda *_: None, None)
        yield Sampo(one, port, place)


def client(sampo, command, status=0, timeout=120):
    """What a program prints, errors too. Its home is the test's."""
    # virt-install and virt-manager choose devices by the scheme.
    words = [word.format(uri=sampo.uri.replace("sampo+", "qemu+"), dir=sampo.place) for word in command.split()]
    run = subprocess.run(words, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=sampo.place,
                         timeout=timeout * m.PATIENCE, env={**os.environ, "HOME": str(sampo.place)})
    assert status is None or run.returncode == status, f"{command}: {run.stdout}"
    return run.stdout


def description(sampo, guest, options="--inactive"):
    return xml.fromstring(sampo.virsh(f"dumpxml {guest} {options}"))


def identity(root):
    return root.findtext("uuid"), *(mac.get("address") for mac in root.iter("mac"))


INSTALL = ("virt-install --connect {uri} --osinfo linux2022 --name installed --memory 32 --disk pool=data,size=0.02 "
           "--boot kernel=typed.elf,initrd=hello.elf,kernel_args=bytes=6 --graphics none --import --noautoconsole")


def test_virt_install(sampo):
    """A guest with a new volume that runs, and stays; what virt-install notes about the system in it is kept."""
    assert "Domain creation completed" in client(sampo, INSTALL)
    follow(sampo, """list -> installed +running
dominfo installed -> Persistent: +yes
vol-info installed --pool data -> Capacity: +24.00 MiB
domblklist installed -> vda +/dev/data/installed
dumpxml installed -> <libosinfo:os id="http://libosinfo.org/linux/2022"/>
destroy installed -> destroyed
dumpxml installed -> <libosinfo:os id="http://libosinfo.org/linux/2022"/>""")


def test_virt_clone(sampo):
    """A clone has another UUID, other MAC addresses and an image of its own on top of the volume."""
    assert "created successfully" in client(sampo, "virt-clone --connect {uri} --original installed --name cloned --auto-clone")
    one, other = description(sampo, "installed"), description(sampo, "cloned")
    assert len(identity(one)) == 2 and not set(identity(one)) & set(identity(other))
    assert other.find("devices/disk/source").get("dev") == "/dev/data/cloned"
    assert "<format type='qcow2'/>" in sampo.virsh("vol-dumpxml cloned --pool data")
    follow(sampo, """undefine cloned --remove-all-storage -> Volume 'vda'\\(/dev/data/cloned\\) removed
undefine installed --remove-all-storage -> Volume 'vda'\\(/dev/data/installed\\) removed
vol-list data -> (?s)^((?!cloned|installed).)*$""")


def test_refresh(sampo):
    """A pool is there for all clients while it is refreshed: a call that needs it waits."""
    wrong = []

    def look():
        try:
            conn = libvirt.open(sampo.uri)
            for _ in range(20):
                pool = conn.storagePoolLookupByName("data")
                pool.refresh(0)
                pool.listAllVolumes()
            conn.close()
        except libvirt.libvirtError as error:
            wrong.append(str(error))

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120 * m.PATIENCE)
    assert not wrong


def test_two_changes(sampo):
    """Two clients that make and delete volumes of a pool at once: one waits for the other."""
    wrong = []

    def make(name):
        try:
            conn = libvirt.open(sampo.uri)
            pool = conn.storagePoolLookupByName("data")
            for _ in range(5):
                pool.createXML(f"<volume><name>{name}</name><capacity unit='M'>4</capacity></volume>").delete()
            conn.close()
        except libvirt.libvirtError as error:
            wrong.append(str(error))

    threads = [threading.Thread(target=make, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120 * m.PATIENCE)
    assert not wrong


POOLS = """pool-define-as new logical --source-dev /dev/sdb --target /dev/new -> Pool new defined
pool-list --all -> new +inactive +yes
pool-info new -> (?s)State: +inactive\\nPersistent: +yes\\nAutostart: +yes
pool-dumpxml new -> <device path='/dev/sdb'/>
vol-list new -> ! storage pool 'new' is not active
pool-start new -> ! error: operation failed: storage pool 'new' has not been built
pool-build new -> Pool new built
pool-start new -> Pool new started
pool-start new -> ! storage pool 'new' is already active
pool-autostart new -> Pool new marked as autostarted
pool-list -> new +active +yes
vol-create-as new one 4M -> Vol one created
vol-delete one --pool new -> Vol one deleted
pool-define-as new logical --source-dev /dev/sdb -> Pool new defined
pool-build new -> ! storage pool 'new' is already active
pool-define-as other logical -> ! a pool needs the path of a device
pool-define-as other logical --source-dev /dev/none -> Pool other defined
pool-build other -> ! there is no device /dev/none
pool-undefine other -> Pool other has been undefined
pool-info other -> ! error: failed to get pool 'other'
pool-create-as other logical --source-dev /dev/sdb --build -> ! /dev/sdb|sdb
pool-undefine other -> Pool other has been undefined
pool-undefine new -> ! error: Operation not supported: forgetting a pool"""


def test_pools(sampo):
    """A pool is defined, built and started, as libvirt's tools do it one after the other."""
    follow(sampo, POOLS)


DESCRIBE = """desc busy -> No description for domain: busy
desc busy --new-desc Some<&>words -> description updated successfully
desc busy -> ^Some<&>words\\n
desc busy --title --new-desc A-title -> title updated successfully
list --all --title -> busy +shut off +A-title
dumpxml busy -> (?s)<title>A-title</title>\\s+<description>Some&lt;&amp;&gt;words</description>
desc busy --live --new-desc none -> ! error: Requested operation is not valid: domain is not running
metadata busy urn:none --key x --set <a/> -> ! error: Operation not supported: a change of one element"""


def test_describe(sampo):
    """Title and description in words, which virsh desc shows and changes, and the news of it."""
    sampo.file("busy.xml", BUSY)
    sampo.virsh(f"define {sampo.place}/busy.xml")
    listener = sampo.spawn("event --event metadata-change --loop")
    time.sleep(1)
    follow(sampo, DESCRIBE)
    for kind in ("description", "title"):
        listener.expect(f"event 'metadata-change' for domain '?busy'?: type {kind}, uri")
    listener.terminate(force=True)
    sampo.virsh("undefine busy")


def test_device_news(sampo):
    """virsh event hears of a device that comes and one that goes, by the name that the description has."""
    sampo.file("busy.xml", BUSY)
    sampo.virsh(f"create {sampo.place}/busy.xml")
    sampo.virsh("vol-create-as data more 4M")
    listeners = [sampo.spawn(f"event --event device-{what} --loop") for what in ("added", "removed")]
    time.sleep(3)
    sampo.virsh("attach-disk busy /dev/data/more vdb")
    listeners[0].expect("event 'device-added' for domain '?busy'?: virtio-vdb")
    assert description(sampo, "busy", "").find("devices/disk/alias").get("name") == "virtio-vdb"
    leaving = sampo.spawn("detach-disk busy vdb")
    time.sleep(1)
    sampo.virsh("reset busy")  # the guest has no driver for this
    listeners[1].expect("event 'device-removed' for domain '?busy'?: virtio-vdb")
    leaving.expect("detached successfully")
    for listener in listeners:
        listener.terminate(force=True)
    sampo.virsh("destroy busy")
    sampo.virsh("vol-delete more --pool data")


# What a client may hear whose change comes too late, or while the other's is on its way to the store.
EXPECTED = {libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID}
SAID = ("is used already", "another change of the store is at work")


def change_at_random(sampo, seed, rounds, wrong):
    """Defines, starts, ends and undefines one guest; another client does so meanwhile."""
    chance = random.Random(seed)
    conn = libvirt.open(sampo.uri)
    actions = [lambda: conn.defineXML(BUSY), lambda: conn.lookupByName("busy").create(), lambda: conn.createXML(BUSY),
               lambda: conn.lookupByName("busy").destroy(), lambda: conn.lookupByName("busy").undefine(),
               lambda: conn.lookupByName("busy").suspend(), lambda: conn.lookupByName("busy").resume(),
               lambda: conn.lookupByName("busy").XMLDesc(chance.choice([0, 2])), lambda: conn.getAllDomainStats()]
    try:
        for _ in range(rounds):
            try:
                chance.choice(actions)()
            except libvirt.libvirtError as error:
                if error.get_error_code() not in EXPECTED and not str(error).endswith(SAID):
                    wrong.append(f"{error.get_error_code()}: {error}")
                if wrong:
                    break
    finally:
        conn.close()


def test_two_clients(sampo):
    """
    Two clients change one guest at random, CLIENT_ROUNDS times each. Then the machine has the memory that it had, and the
    guest starts.
    """
    sampo.file("busy.xml", BUSY)
    free = sampo.virsh("freecell")
    wrong = []
    threads = [threading.Thread(target=change_at_random, args=(sampo, seed, ROUNDS, wrong)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60 + ROUNDS * m.PATIENCE)
        assert not thread.is_alive()
    assert not wrong
    for command in ("destroy busy", "undefine busy"):
        sampo.virsh(command, status=None)
    assert not sampo.states()
    # The start that a guest has to wait for (docs/guests.md) may be one of these.
    deadline = time.monotonic() + 60 * m.PATIENCE
    while sampo.virsh("freecell") != free and time.monotonic() < deadline:
        time.sleep(1)
    assert sampo.virsh("freecell") == free
    assert "created" in sampo.virsh(f"create {sampo.place}/busy.xml")
    sampo.virsh("destroy busy")


@more
@pytest.mark.skipif(not shutil.which("virt-top"), reason="Debian 12 has no virt-top")
def test_virt_top(sampo):
    """virt-top's script: the guest's name and its memory."""
    sampo.file("busy.xml", BUSY)
    sampo.virsh(f"create {sampo.place}/busy.xml")
    try:
        client(sampo, "virt-top -c {uri} --script --csv {dir}/top.csv -n 2 -d 1")
    finally:
        sampo.virsh("destroy busy")
    lines = (sampo.place / "top.csv").read_text().splitlines()
    assert re.match(r"sampo,[\d:]+,x86_64,1,1,1,.*,busy,.*,16384,", lines[-1]), lines


@more
def test_exporter(sampo):
    """Prometheus's exporter for libvirt."""
    sampo.file("busy.xml", BUSY)
    sampo.virsh(f"create {sampo.place}/busy.xml")
    port = free_tcp_port()
    with subprocess.Popen(["prometheus-libvirt-exporter", f"--web.listen-address=127.0.0.1:{port}",
                           f"--libvirt.uri={sampo.uri}"]) as exporter:
        try:
            page = client(sampo, f"curl -s --retry 9 --retry-connrefused http://127.0.0.1:{port}/metrics")
        finally:
            exporter.terminate()
            sampo.virsh("destroy busy")
    assert "\nlibvirt_up 1\n" in page
    assert re.search(r'libvirt_domain_info_maximum_memory_bytes\{domain="busy",uuid="[-\da-f]+"\} 1\.6777216e\+07\n', page)


@more
def test_go(sampo):
    """A program on go-libvirt, the library of Terraform's provider."""
    program = sampo.place / "golibvirt"
    subprocess.run(["go", "build", "-o", str(program), str(m.TOP / "tests/clients/golibvirt.go")], check=True,
                   env={**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(sampo.place / "go")})
    said = client(sampo, f"{program} 127.0.0.1:{sampo.port}").splitlines()
    assert said[-1] == "disconnected" and "content right: true" in said and "guest is not there: true" in said, said


def read_xwd(path):
    """Width, height and rows of RGB of a screen of 24 bits in X's format, as Xvfb keeps it."""
    data = path.read_bytes()
    header = struct.unpack(">25I", data[:100])
    width, height, line, start = header[4], header[5], header[12], header[0] + 12 * header[19]
    order = (2, 1, 0) if header[7] == 0 else (1, 2, 3)
    rows = []
    for y in range(height):
        row = data[start + y * line:start + y * line + 4 * width]
        rows.append(bytes(byte for pixel in zip(*(row[at::4] for at in order)) for byte in pixel))
    return width, height, rows


def write_png(path, width, height, rows):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))) + chunk(b"IEND", b""))


@more
def test_virt_manager(sampo):
    """virt-manager shows the guest; the picture of its window is in build/tests."""
    sampo.file("busy.xml", BUSY)
    sampo.virsh(f"create {sampo.place}/busy.xml")
    screen = ":93"
    environment = {**os.environ, "HOME": str(sampo.place), "DISPLAY": screen, "NO_AT_BRIDGE": "1", "GSETTINGS_BACKEND": "memory"}
    log = sampo.place / "virt-manager.log"
    with subprocess.Popen(["Xvfb", screen, "-screen", "0", "900x600x24", "-fbdir", str(sampo.place)]) as display:
        time.sleep(3)
        with open(log, "w", encoding="utf-8") as output, subprocess.Popen(
                ["dbus-run-session", "--", "virt-manager", "--connect", sampo.uri.replace("sampo+", "qemu+"), "--no-fork",
                 "--debug"], env=environment, stdout=output, stderr=output) as manager:
            deadline = time.monotonic() + 120 * m.PATIENCE
            while "changed to state=Active" not in log.read_text() and time.monotonic() < deadline:
                time.sleep(1)
            time.sleep(15)  # it draws, and counts the guest's CPU time twice
            width, height, rows = read_xwd(sampo.place / "Xvfb_screen0")
            manager.terminate()
        display.terminate()
    sampo.virsh("destroy busy")
    write_png(pathlib.Path(m.BUILD / "tests/virt-manager.png"), width, height, rows)
    said = log.read_text()
    assert "domain=busy status=Running added" in said and "changed to state=Active" in said
    assert "pool=data status=Active added" in said and "network=default status=Active added" in said
    assert len({row for row in rows}) > 20  # more than one colour
