# SPDX-License-Identifier: BSD-2-Clause
"""libvirt's remote protocol: a stock virsh beside dom0's shell, and clients that stall, flood and lie."""

import contextlib
import re
import socket
import struct
import subprocess
import time
import zlib

import pexpect
import pytest

import machine as m
from test_small import free_tcp_port
from virsh import recordings

REMOTE = 0x20008086
KEEPALIVE = 0x6B656570
ALPHA = bytes.fromhex("a1a1a1a1000040008000000000000001")

TYPED = m.domain_xml("typed", "typed.elf", memory=16, cmdline="bytes=6")
FLOOD = m.domain_xml("flood", "flood.elf", memory=16, cmdline="console")


def packet(procedure, payload=b"", serial=1, kind=0, status=0, program=REMOTE):
    return struct.pack(">IIIiiIi", 28 + len(payload), program, 1, procedure, kind, serial, status) + payload


def text(value):
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(">I", len(data)) + data + bytes(-len(data) % 4)


def domain(name, uuid):
    return text(name) + uuid + struct.pack(">i", -1)


class Client:
    """A client of the test's own, byte by byte."""

    def __init__(self, port, opened=True):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        if opened:
            self.call(1, struct.pack(">II", 0, 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def bytes(self, n):
        data = b""
        while len(data) < n:
            piece = self.socket.recv(n - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def receive(self):
        """The next message: its header's words and its payload."""
        length, *words = struct.unpack(">IIIiiIi", self.bytes(28))
        return words, self.bytes(length - 28)

    def call(self, procedure, payload=b"", serial=1):
        """Returns the result, or (code, text) of an error."""
        self.send(packet(procedure, payload, serial))
        words, answer = self.receive()
        assert words[:5] == [REMOTE, 1, procedure, 1, serial]
        if not words[5]:
            return answer
        code, _, there, size = struct.unpack_from(">iiII", answer)
        assert there == 1
        return code, answer[16:16 + size].decode()

    def is_dropped(self):
        with contextlib.suppress(ConnectionError):
            self.socket.settimeout(30 * m.PATIENCE)
            while self.socket.recv(65536):
                pass
        return True


class Sampo:
    """A machine and the virsh that manages it."""

    def __init__(self, box, port, place):
        self.box, self.port, self.place = box, port, place
        self.uri = f"sampo+tcp://127.0.0.1:{port}/system"

    def virsh(self, command, status=0, options=""):
        """What virsh prints, errors too; None: any status will do."""
        words = ["virsh", "-c", self.uri, *options.split(), *command.split()]
        run = subprocess.run(words, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             timeout=60 * m.PATIENCE)
        assert status is None or run.returncode == status, f"{command}: {run.stdout}"
        return run.stdout

    def spawn(self, command, options=""):
        return pexpect.spawn("virsh", ["-c", self.uri, *options.split(), *command.split()], encoding="utf-8",
                             timeout=30 * m.PATIENCE)

    def file(self, name, content):
        (self.place / name).write_text(content)
        return self.place / name

    def client(self, opened=True):
        return Client(self.port, opened)

    def states(self):
        """Of each guest, as virsh tells."""
        return {line.split()[1]: line.split(None, 2)[2].strip() for line in self.virsh("list --all").splitlines()[2:] if line}


@pytest.fixture(scope="module")
def sampo(tmp_path_factory):
    place = tmp_path_factory.mktemp("rpc")
    port = free_tcp_port()
    modules = [(m.BUILD / "dom0.bin", "dom0 libvirt-tcp=16509 ip=10.0.2.15/24,gw=10.0.2.2"),
               *((m.BUILD / f"guests/{name}.elf", f"{name}.elf") for name in ("crash", "typed", "flood")),
               (recordings.HERE / "alpha.xml", "alpha.xml")]
    disk = m.make_disk(place / "disk.img", "one", size=4)
    (place / "pool.img").write_bytes(b"")
    with open(place / "pool.img", "r+b") as pool:
        pool.truncate(64 << 20)
    with m.Machine(place, kernel=m.BUILD / "sampo.elf32", modules=modules, memory=320, image=disk, cpus=1,
                   netdev=f"user,id=net,hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:16509",
                   args=["-drive", f"if=none,id=pool,format=raw,file={place / 'pool.img'}",
                         "-device", "ide-hd,drive=pool,bus=ide.1"]) as one:
        one.boot()
        one.run("pool-build data sdb")
        one.wait_run("pool-list", "data +active")
        one.run("vol-create-as data web 4M")
        one.wait_run("vol-list data", "web")
        yield Sampo(one, port, place)


# Commands of which virsh prints what the shell prints, but for the end of a line and figures that count on.
SAME = """list
list --all
list --all --title
list --all --name
list --uuid
domid alpha
domname 1
domuuid alpha
domstate alpha
domstate alpha --reason
dumpxml alpha
dumpxml alpha --inactive
vcpuinfo alpha
vcpucount alpha
vcpucount alpha --maximum
vcpupin alpha
schedinfo alpha
domblklist alpha
domblklist alpha --details
domblkstat alpha vda
domblkstat alpha vda --human
domblkinfo alpha vda
domiflist alpha
domifstat alpha testnet0
domifaddr alpha
dommemstat alpha
domstats alpha
cpu-stats alpha --total
hostname
pool-list
pool-list --all
pool-dumpxml data
vol-list data
vol-info web --pool data
vol-path web --pool data
vol-key web --pool data
vol-pool /dev/data/web
vol-dumpxml web --pool data
net-list
net-list --all
nodedev-list
nodedev-list --cap pci
nodedev-list --tree
nodedev-dumpxml computer
nodedev-dumpxml pci_0000_00_02_0
schedinfo alpha --set vcpu_quota=1
setmem alpha 8M
setmaxmem alpha 8M
resume alpha
start alpha
start nobody
dominfo nobody
setvcpus alpha 1
pool-info nobody
domifstat alpha nothing""".splitlines()


def plain(output):
    """Lines without what differs: counters, blanks at the ends, empty lines at the end, the time of a CPU that never ran."""
    lines = [re.sub(r"\d+\.\d+(s| sec)|(?<=[= ])\d{5,}\b|(drop|rd_\w+|rx[._]\w+|wait)[= ]\d+", "N", line).rstrip()
             for line in output.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return [line for line in lines if not re.match(r"(alpha|libvirt): |CPU time: ", line)]


def test_beside_the_shell(sampo):
    """Each command in both: the shell and the protocol have their facts from the same place."""
    wrong = []
    for command in SAME:
        theirs = plain(sampo.virsh(command, status=None))
        ours = plain(sampo.box.run(command).replace("\r", ""))
        if theirs != ours:
            wrong.append("\n".join([f"virsh # {command}", *(f"virsh: {line}" for line in theirs), *(f"shell: {line}" for line in ours)]))
    assert not wrong, "\n\n".join(wrong)


# What virsh does and says, line by line: a command, and its output.
LIFE = """version --daemon -> Running hypervisor: Sampo \\d+\\.\\d+\\.\\d+\\nRunning against daemon: \\d
uri -> sampo\\+tcp://127.0.0.1
nodeinfo -> CPU model: +x86_64\\nCPU\\(s\\): +1\\n
capabilities -> <os_type>hvm</os_type>
domcapabilities -> <vcpu max='64'/>
maxvcpus -> 64
sysinfo -> <entry name='manufacturer'>Sampo</entry>
freecell -> Total: \\d+ KiB
nodecpumap -> CPU map: +y
nodememstats -> free +: +\\d+ KiB
list --all --title --managed-save -> alpha +running +The first
dominfo alpha -> (?s)State: +running.*Max memory: +16384 KiB.*Persistent: +yes\\nAutostart: +enable\\nManaged save: +no
desc alpha --title -> The first
domcontrol alpha -> ok
domblkerror alpha -> No errors found
domjobinfo alpha -> Job type: +None
snapshot-list alpha -> Name +Creation Time +State
snapshot-list alpha --tree -> ^\\s*$
snapshot-current alpha --name -> ! error: domain 'alpha' has no current snapshot
snapshot-info alpha s0 -> ! error: Domain snapshot not found: no domain snapshot with matching name 's0'
snapshot-revert alpha s0 -> ! error: Domain snapshot not found
snapshot-delete alpha s0 -> ! error: Domain snapshot not found
domjobabort alpha -> ! error: Requested operation is not valid: no job is active on the domain
managedsave-remove alpha -> has no manage save image
nodecpustats -> idle: +\\d+
nodecpustats --percent -> usage: +\\d+\\.\\d%
cpu-compare {dir}/cpu.xml -> CPU described in .* is identical to host CPU
cpu-compare {dir}/model.xml -> ! error: Operation not supported: models and features of CPUs
cpu-baseline {dir}/cpu.xml -> <arch>x86_64</arch>
net-dhcp-leases default -> Expiry Time +MAC address
domdisplay alpha -> ! error:
vncdisplay alpha -> ! error: Failed to get VNC port
ttyconsole alpha -> ! ^\\s*$
send-key alpha KEY_A -> ! error: Requested operation is not valid: the domain has no keyboard
dump alpha /d -> ! error: Operation not supported: a dump of a domain's memory
save-image-dumpxml /x -> ! error: Operation not supported: saving a domain
iface-list -> eth0 +active +52:54:00:12:34:56
nwfilter-list -> UUID +Name
secret-list -> UUID +Usage
net-info default -> (?s)Active: +yes\\nPersistent: +yes\\nAutostart: +yes\\nBridge: +br0
net-dumpxml default -> <forward mode='bridge'/>
pool-info data -> (?s)State: +running\\nPersistent: +yes
pool-list --all --details -> data +running +yes +yes
vol-list data --details -> web +/dev/data/web +block +4.00 MiB
vol-info /dev/data/web -> Capacity: +4.00 MiB
pool-start data -> ! error: Requested operation is not valid: storage pool 'data' is already active
pool-autostart data -> Pool data marked as autostarted
pool-autostart data --disable -> ! error: Operation not supported: a pool that does not start by itself
pool-define-as new dir --target /x -> ! error: unsupported configuration: a pool of type 'dir'
pool-build data -> ! error: Requested operation is not valid: storage pool 'data' is already active
pool-destroy data -> ! error: Operation not supported: stopping a pool
pool-undefine data -> ! error: Operation not supported: forgetting a pool
pool-refresh data -> Pool data refreshed
vol-create-as data more 4M -> Vol more created
vol-create-as data more 4M -> ! error: Failed to create vol more
vol-create-as data image 4M --format vmdk -> ! error: unsupported configuration: unknown volume format type vmdk
vol-create-as data image 1G --format qcow2 -> Vol image created
vol-dumpxml image --pool data -> <format type='qcow2'/>
vol-info image --pool data -> Capacity: +1.00 GiB\\nAllocation: +4.00 MiB
vol-clone image clone --pool data -> Vol clone cloned from image
vol-delete image --pool data -> ! error: .*data/clone has it as its backing file
vol-delete clone --pool data -> Vol clone deleted
vol-delete image --pool data -> Vol image deleted
vol-create-as data over 8M --format qcow2 --backing-vol web -> Vol over created
vol-delete web --pool data -> ! error: .*data/over has it as its backing file
vol-delete over --pool data -> Vol over deleted
vol-create-as data over 8M --format qcow2 --backing-vol nothing -> ! error: failed to get vol 'nothing'
vol-create data {dir}/volume.xml -> Vol described created from
vol-delete described --pool data -> Vol described deleted
vol-resize more 8M --pool data -> Size of volume 'more' successfully changed to 8M
vol-info more --pool data -> Capacity: +8.00 MiB
vol-resize more 4M --pool data --delta -> Size of volume 'more' successfully changed by 4M
vol-info more --pool data -> Capacity: +12.00 MiB
vol-resize more 4M --pool data --delta --shrink -> Size of volume 'more' successfully changed by 4M
vol-info more --pool data -> Capacity: +8.00 MiB
vol-wipe more --pool data -> ! error: Operation not supported: wiping a volume
vol-delete more --pool data -> Vol more deleted
vol-info /dev/data/more -> ! error: Storage volume not found
vol-upload web {dir}/typed.xml --pool data -> ^$
vol-upload web {dir}/typed.xml --pool data --sparse -> ! error: Operation not supported: a sparse upload
vol-download web {dir}/down --pool data --length 100 -> ^$
suspend alpha -> Domain 'alpha' suspended
suspend alpha -> ! error: Requested operation is not valid: domain is paused
list -> alpha +paused
resume alpha -> Domain 'alpha' resumed
reset alpha -> Domain 'alpha' was reset
inject-nmi alpha -> ^$
vcpupin alpha 0 0 -> ^$
schedinfo alpha --set cpu_shares=512 -> cpu_shares +: 512
reboot alpha --mode agent -> ! error: Operation not supported: a mode without the ACPI power button
save alpha /x -> ! error: Operation not supported: saving a domain
managedsave alpha -> ! error: Operation not supported: saving a domain
restore /x -> ! error: Operation not supported: restoring a domain
migrate alpha {uri} -> ! error: Operation not supported: migration
snapshot-create alpha {dir}/snapshot.xml -> ! error: Operation not supported: snapshots of a domain
screenshot alpha -> ! error: Requested operation is not valid: the domain has no screen
cpu-stats alpha -> ! error: Operation not supported: times by physical CPU
destroy alpha -> Domain 'alpha' destroyed
destroy alpha -> ! error: Requested operation is not valid: domain is not running
console alpha -> ! error: The domain is not running
vcpuinfo alpha -> CPU: +N/A
setmem alpha 8M --config -> ^$
dominfo alpha -> (?s)State: +shut off.*Max memory: +8192 KiB
setmaxmem alpha 16M -> ^$
setvcpus alpha 1 --config -> ^$
setvcpus alpha 65 --config -> ! error: invalid argument: requested cpu amount exceeds maximum
vcpucount alpha -> current +config +1
start alpha --paused -> Domain 'alpha' started
domstate alpha --reason -> paused \\(user\\)
resume alpha -> Domain 'alpha' resumed
start alpha -> ! error: Domain is already active
shutdown alpha -> Domain 'alpha' is being shutdown
define {dir}/typed.xml -> Domain 'typed' defined from
define {dir}/broken.xml -> ! error: unsupported configuration: XML:2: <teapot>: this element is not supported
define {dir}/more.xml -> Domain 'typed' defined from
dominfo typed -> Max memory: +24576 KiB
autostart typed -> Domain 'typed' marked as autostarted
list --autostart --all --name -> typed
autostart typed --disable -> Domain 'typed' unmarked
domrename typed alpha -> ! error: Requested operation is not valid: domain with name 'alpha' already exists
domrename typed Domain-0 -> ! error: invalid argument: this is no name of a domain
domrename alpha other -> ! error: Requested operation is not valid: cannot rename active domain
domrename typed other -> Domain successfully renamed
dominfo typed -> ! error: failed to get domain 'typed'
dumpxml other -> <name>other</name>
domrename other typed -> Domain successfully renamed
undefine typed -> Domain 'typed' has been undefined
create {dir}/typed.xml -> Domain 'typed' created from
list --transient --name -> ^typed\\n
destroy typed -> Domain 'typed' destroyed
start typed -> ! error: failed to get domain 'typed'"""


def follow(sampo, lines):
    for line in lines.splitlines():
        command, _, pattern = line.partition(" -> ")
        output = sampo.virsh(command.format(dir=sampo.place, uri=sampo.uri), status=1 if pattern[0] == "!" else 0)
        assert re.search(pattern.removeprefix("! "), output), f"{command}: {output}"


def test_life(sampo):
    """Commands of virsh and what comes of them, success and failure."""
    sampo.file("typed.xml", TYPED)
    sampo.file("more.xml", TYPED.replace(">16<", ">24<"))
    sampo.file("broken.xml", "<domain type='kvm'>\n  <teapot/>\n</domain>\n")
    sampo.file("volume.xml", VOLUME)
    sampo.file("snapshot.xml", "<domainsnapshot/>\n")
    sampo.file("cpu.xml", "<cpu><arch>x86_64</arch></cpu>\n")
    sampo.file("model.xml", "<cpu><arch>x86_64</arch><model>Penryn</model></cpu>\n")
    follow(sampo, LIFE)


# Of a guest that runs, and of its description.
ATTACH = """attach-disk alpha /dev/data/web vdb --serial one -> Disk attached successfully
domblklist alpha -> vdb +/dev/data/web
domblklist alpha --inactive -> (?s)^((?!vdb).)*$
attach-disk alpha /dev/data/web vdb -> ! has a disk of this target already
attach-disk alpha /dev/data/none vdc -> ! there is no /dev/data/none
attach-disk alpha /dev/data/image vdc --subdriver qcow2 -> Disk attached successfully
attach-disk alpha /dev/data/web vdd --subdriver qcow2 -> ! the image on data/web|in use by alpha
attach-device alpha {dir}/nic.xml -> Device attached successfully
attach-device alpha {dir}/nic.xml -> ! a guest has this MAC address already
attach-device alpha {dir}/sound.xml -> ! error: unsupported configuration: XML:1: <sound>
attach-device alpha {dir}/rng.xml -> ! error: Operation not supported: a device that is no disk
attach-interface alpha bridge br0 -> Interface attached successfully
domiflist alpha -> 52:54:00:aa:bb:cc
domif-setlink alpha 52:54:00:aa:bb:cc down -> Device updated successfully
domif-getlink alpha 52:54:00:aa:bb:cc -> 52:54:00:aa:bb:cc down
update-device alpha {dir}/nic.xml -> Device updated successfully
domif-getlink alpha 52:54:00:aa:bb:cc -> 52:54:00:aa:bb:cc up
update-device alpha {dir}/vlan.xml -> ! error: Operation not supported: a change of the VLAN
detach-disk alpha vdq -> ! error: No disk found whose source path or target is vdq
attach-disk alpha /dev/data/more vdg --config -> Disk attached successfully
attach-disk alpha /dev/data/more vdg --config -> ! has a disk of this target already
dumpxml alpha --inactive -> (?s)<source file='/dev/data/more'/>\\s+<target dev='vdg'
domblklist alpha -> (?s)^((?!vdg).)*$
domblklist alpha --inactive -> vdg +/dev/data/more
detach-disk alpha vdg --config -> Disk detached successfully
attach-disk alpha /dev/data/more vdg --persistent -> Disk attached successfully
domblklist alpha -> vdg
domblklist alpha --inactive -> vdg
attach-device typed {dir}/nic.xml -> ! error: Requested operation is not valid: domain is not running
attach-device typed {dir}/nic.xml --current -> ! the guest has this device already|has the same MAC address already
attach-disk typed /dev/data/more vda --config -> Disk attached successfully
update-device typed {dir}/disk.xml --config -> Device updated successfully
dumpxml typed -> <serial>changed</serial>
detach-device typed {dir}/disk.xml --config -> Device detached successfully
detach-device typed {dir}/disk.xml --config -> ! error: operation failed: the domain has no such device
edit typed -> Domain 'typed' XML configuration edited
dominfo typed -> Max memory: +32768 KiB
undefine typed -> Domain 'typed' has been undefined"""

NIC = """<?xml version='1.0'?>
<interface type='bridge'><mac address='52:54:00:aa:bb:cc'/><source bridge='br0'/></interface>
"""
VOLUME = """<volume><name>described</name><capacity unit='M'>4</capacity><target><format type='qcow2'/></target>
<backingStore><path>/dev/data/web</path><format type='raw'/></backingStore></volume>
"""


def test_attach(sampo, monkeypatch):
    """Devices come to a guest, change and go; a description is edited."""
    monkeypatch.setenv("VISUAL", "sed -i s/16384/32768/")
    for name, content in {"typed": TYPED, "nic": NIC, "sound": "<sound/>", "rng": "<rng model='virtio'><backend model='random'/></rng>",
                          "vlan": NIC.replace("</interface>", "<vlan><tag id='5'/></vlan></interface>"),
                          "disk": "<disk type='block'><source dev='/dev/data/more'/><target dev='vda'/><serial>changed</serial></disk>"
                          }.items():
        sampo.file(f"{name}.xml", content)
    sampo.virsh(f"define {sampo.place}/typed.xml")
    for volume in ("more 4M", "image 16M --format qcow2"):
        sampo.virsh(f"vol-create-as data {volume}")
    if sampo.states()["alpha"] != "running":
        sampo.virsh("start alpha")
    follow(sampo, ATTACH)
    # The guest has no driver for this: a device that it was asked for goes when it is reset.
    leaving = [sampo.spawn(f"detach-{device}") for device in
               ("disk alpha vdb", "disk alpha vdc", f"device alpha {sampo.place}/nic.xml", "disk alpha vdg --persistent")]
    time.sleep(1)
    sampo.virsh("reset alpha")
    for client in leaving:
        client.expect("detached successfully")
        client.expect(pexpect.EOF)
    assert not re.search("vd[bcg]|aa:bb:cc", sampo.virsh("dumpxml alpha") + sampo.virsh("dumpxml alpha --inactive"))
    for volume in ("more", "image"):
        sampo.virsh(f"vol-delete {volume} --pool data")


def test_next_description(sampo):
    """A running guest's new description: its interface is that of the run in one list, and that of the next start in the other."""
    old, new = "52:54:00:00:00:01", "52:54:00:00:00:77"
    sampo.virsh("start alpha", status=None)
    sampo.file("next.xml", (recordings.HERE / "alpha.xml").read_text().replace(old, new))
    try:
        sampo.virsh(f"define {sampo.place}/next.xml")
        for command, mac in (("domiflist alpha", old), ("domiflist alpha --inactive", new),
                             ("dumpxml alpha", old), ("dumpxml alpha --inactive", new)):
            theirs, ours = plain(sampo.virsh(command)), plain(sampo.box.run(command).replace("\r", ""))
            assert theirs == ours
            assert mac in "\n".join(ours)
        assert "rx_packets" in sampo.virsh(f"domifstat alpha {old.upper()}")
        sampo.file("other.xml", TYPED.replace("</devices>", f"<interface type='bridge'><mac address='{new}'/>"
                                              "<source bridge='br0'/></interface></devices>"))
        assert "has the same MAC address already" in sampo.virsh(f"define {sampo.place}/other.xml", status=1)
    finally:
        sampo.virsh(f"define {recordings.HERE}/alpha.xml")
        sampo.virsh("destroy alpha", status=None)


def test_read_only(sampo):
    """A connection for reading changes nothing, whatever its client asks for."""
    assert "alpha" in sampo.virsh("list --all", options="-r")
    assert "read only access" in sampo.virsh("destroy alpha", status=1, options="-r")
    with sampo.client(opened=False) as client:
        client.call(1, struct.pack(">II", 0, 1))
        for procedure in (9, 10, 11, 12, 33, 35, 201, 204):
            assert client.call(procedure, domain("alpha", ALPHA))[0] == 29


def test_events(sampo):
    """virsh event hears of a guest's life, and answers that the server is alive."""
    sampo.file("typed.xml", TYPED)
    listener = sampo.spawn("event --event lifecycle --loop", options="-k 1 -K 2")
    wait_for_callback(sampo)
    for command in (f"define {sampo.place}/typed.xml", "start typed", "suspend typed", "resume typed", "destroy typed",
                    "undefine typed"):
        sampo.virsh(command)
    for news in ("Defined Added", "Started Booted", "Suspended Paused", "Resumed Unpaused", "Stopped Destroyed", "Undefined Removed"):
        listener.expect(f"event 'lifecycle' for domain '?typed'?: {news}")
    time.sleep(3)  # longer than virsh waits for answers to its pings
    assert listener.isalive()
    listener.sendcontrol("c")
    listener.expect("events received: 6")
    assert "events received" in sampo.virsh("event --all --timeout 1", status=None)


def wait_for_callback(sampo):
    """virsh says nothing when it has registered; it has once the log shows that nobody is about to open."""
    sampo.virsh("list")
    time.sleep(1)


def test_console(sampo):
    """What the guest writes comes to virsh console, what is typed goes to the guest; Ctrl-] leaves; the guest's end ends it."""
    sampo.file("typed.xml", TYPED)
    sampo.virsh(f"create {sampo.place}/typed.xml")
    first = sampo.spawn("console typed")
    first.expect("reads 6 bytes")
    first.send("hel")
    other = sampo.spawn("console typed")
    other.expect("Active console session exists for this domain")
    other.expect(pexpect.EOF)
    first.send(m.LEAVE)
    first.expect(pexpect.EOF)
    second = sampo.spawn("console typed")
    second.expect("reads 6 bytes")
    third = sampo.spawn("console typed --force")
    second.expect(pexpect.EOF)
    third.expect("reads 6 bytes")
    third.send("lo\r")
    third.expect(f"crc {zlib.crc32(b'hello' + bytes([13])):08x}, overrun: no")
    third.expect(pexpect.EOF)
    assert "typed" not in sampo.states()


def answers(sampo):
    """A bystander is served, within a moment."""
    start = time.monotonic()
    assert "alpha" in sampo.states()
    assert time.monotonic() - start < 10 * m.PATIENCE


def test_console_not_read(sampo):
    """A client opens the console of a guest that floods it, and reads nothing: others are served, the guest goes on."""
    sampo.file("flood.xml", FLOOD)
    sampo.virsh(f"create {sampo.place}/flood.xml")
    uuid = bytes.fromhex(sampo.virsh("domuuid flood").strip().replace("-", ""))
    with sampo.client() as lazy:
        lazy.send(packet(201, domain("flood", uuid) + struct.pack(">II", 0, 0)))
        time.sleep(3)
        answers(sampo)
        used = [float(re.search(r"CPU time: +([\d.]+)", sampo.virsh("dominfo flood")).group(1)) for _ in range(2)]
        assert used[1] >= used[0] > 0
        # A stream of output that was not read still is one of whole messages.
        for _ in range(20):
            words, _ = lazy.receive()
            assert words[2] == 201
    sampo.virsh("destroy flood")


def test_garbage(sampo):
    """Bytes that are no message end that connection alone; messages in pieces and too long ones are taken."""
    for garbage in (b"GET / HTTP/1.1\r\nHost: sampo\r\n\r\n", b"\0" * 64, b"\xff" * 4096, packet(1, kind=9), packet(1)[:4] * 50,
                    struct.pack(">I", 27) + b"x" * 60, struct.pack(">I", 1 << 31) + b"x" * 60):
        with sampo.client() as client:
            client.send(garbage)
            assert client.is_dropped()
    with sampo.client() as client:
        for byte in packet(59):
            client.send(bytes([byte]))
        assert client.receive()[1][4:9] == b"sampo"
        assert client.call(11, text(b"<!-- " + b"x" * (10 << 20)) + b"\0" * 4)[0] == 39  # 10 MiB
        assert client.call(14, b"\xff" * 40)[0] == 39
        assert client.call(23, text(b"al\0pha"))[0] == 39
        assert client.call(23, struct.pack(">I", 0x7fffffff))[0] == 39
        assert client.call(9999) == (39, "unknown procedure: 9999")
        client.send(packet(1, program=0x20008087))
        assert client.receive()[0][:6] == [0x20008087, 1, 1, 1, 1, 1]
        client.send(packet(1, program=KEEPALIVE, kind=2, serial=0))
        assert client.receive()[0][:4] == [KEEPALIVE, 1, 2, 2]
        client.send(packet(201, kind=3, status=0, serial=77))  # the end of a stream that nobody has opened
        assert client.receive()[0] == [REMOTE, 1, 201, 3, 77, 0]
        assert client.call(59)[4:9] == b"sampo"
    answers(sampo)


def test_flood(sampo):
    """Clients that ask and do not read, that never open, and a hundred of them: the others are served."""
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            client = stack.enter_context(sampo.client())
            client.socket.settimeout(0.5)
            end = time.monotonic() + 2
            with contextlib.suppress(TimeoutError):
                while time.monotonic() < end:
                    client.send(packet(7) * 50)
        answers(sampo)
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(sampo.client(opened=False))
            time.sleep(0.03)  # QEMU has room for one connection that begins: the host would try again after a second
        answers(sampo)
    deadline = time.monotonic() + 40 * m.PATIENCE
    with sampo.client(opened=False) as silent:
        assert silent.is_dropped()
        assert time.monotonic() < deadline
    answers(sampo)


def test_many(sampo):
    """Clients until there is no more room, and room again when they have gone."""
    with contextlib.ExitStack() as stack:
        count = 0
        with contextlib.suppress(EOFError, ConnectionError):
            while stack.enter_context(sampo.client()).call(59)[4:9] == b"sampo":
                count += 1
        assert 50 <= count <= 64, count
    answers(sampo)
    assert "may do everything" in sampo.box.run("dmesg").replace("\r", "").replace("\n", " ")


def test_off(boot):
    """Without its word on the command line nobody listens."""
    port = free_tcp_port()
    box = boot(kernel=m.BUILD / "sampo.elf32", modules=[(m.BUILD / "dom0.bin", "dom0 ip=10.0.2.15/24,gw=10.0.2.2")], memory=128,
               netdev=f"user,id=net,hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:16509").boot()
    box.wait_run("net", "Cable: +connected", 30)
    with pytest.raises((EOFError, ConnectionError)):
        Client(port).call(59)


def test_docs():
    """docs/libvirt.md has a line for each procedure of the table, with its number."""
    table = (m.TOP / "guests/dom0/rpc/procedures.h").read_text()
    docs = (m.TOP / "docs/libvirt.md").read_text()
    lines = re.findall(r"X\((\d+), (\w+),", table)
    assert len(lines) > 100
    assert not [name for number, name in lines if f"| {number} | {name} |" not in docs]
