# SPDX-License-Identifier: BSD-2-Clause
"""
Debian's generic kernel with devices of the machine, alone and together, behind both IOMMUs: what stock programs see of them
and do with them, and a guest that reboots, crashes or is destroyed while they work. Nothing of the machine is lost.
"""

import re

import pytest

import given
import machine as m

PROGRAMS = [m.BUILD / "tests/fio", m.BUILD / "tests/lspci"]
FIO = ("/fio --name=verify --filename=/dev/nvme0n1 --direct=1 --ioengine=io_uring --verify=crc32c --verify_fatal=1 --randseed=7 "
       "--offset=8m --eta=never")
LOAD = ("{{ while :; do wget -q -O /dev/null {url}/down; done & }}; {{ " + FIO + " --rw=randrw --bs=16k --size=40m --iodepth=16 "
        "--time_based --runtime=600 >/dev/null 2>&1 & }}")

# What differs from the bare machine and why, in the words of lspci.
DIFFERS = [
    r"^.*\b(?:IOMMU group|Physical Slot|Expansion ROM|Interrupt:|Kernel driver).*\n",  # of the machine around the function
    r"^\t\tLnk(?:Cap|Ctl|Sta)2?:.*\n(?:\t\t\t.*\n)*",                                  # the guest sees no link
    r" at [0-9a-f]{4,}(?= \()|(?<=ports) at [0-9a-f]+",                                 # where BARs are
    r"(?:Root Complex Integrated )?Endpoint",
    r",? ?(?:Latency L0s.*L1 <\S+|AttnBtn-|AttnInd-|PwrInd-|SlotPowerLimit 0W|TPHComp- ExtTPHComp-)",
    r"\b(?:FLReset|NoSoftRst|SERR|BusMaster)[+-]",    # dom0's reset; firmware's and the drivers' bits
    r"(?<=MSI-X: Enable\+ )Count=\d+",                # 64 at most
    r"\s+$",
]


def seen(text):
    """Of lspci's text the functions that are given, by vendor and device, without what differs."""
    functions = {}
    for part in re.split(r"\n(?=\S)", m.clean(text)):
        name = re.search(r"\b(?:1b36:0010|8086:10d3|1234:11e8)\b", part)
        if not name:
            continue
        body = part.partition("\n")[2] + "\n"
        for pattern in DIFFERS:
            body = re.sub(pattern, "", body, flags=re.M)
        functions[name.group(0)] = [" ".join(line.split()) for line in body.splitlines() if line.strip()]
    return functions


def figures(box):
    """What the machine has in use."""
    text = box.run("nodeinfo")
    return {name: int(re.search(rf"{name}: +(\d+)", text).group(1)) for name in ("Memory free", "Domains", "Handles")}


def wait_figures(box, before):
    """All is back."""
    for name, value in before.items():
        box.wait_run("nodeinfo", rf"{name}: +{value}\b", 30)


@pytest.fixture(scope="module")
def web():
    server = m.WebServer(dict(given.PAGES))
    yield server
    server.close()


@pytest.fixture(scope="module", params=given.PLACES)
def box(request, tmp_path_factory):
    place = tmp_path_factory.mktemp("given")
    unit = request.param
    every = list(given.PLACES[unit])
    guests = {"all": every, **{f"only-{name}": [name] for name in every}}
    with given.machine(place, unit, guests, given.archives(place, given.edu_program(place), *PROGRAMS)) as one:
        one.boot(240)
        one.unit, one.every, one.place = unit, every, place
        for name in every:
            one.run(f"define only-{name}.def")
        one.wait_state("all", "running", 60)
        one.run("destroy all")
        one.wait_state("all", "shut off", 60)
        one.usage = figures(one)
        yield one


def start(box, name):
    box.run(f"start {name}")
    box.wait_state(name, "running", 60)


def end(box, name):
    """The guest goes, and all comes back; nothing was blocked."""
    box.run(f"destroy {name}")
    box.wait_state(name, "shut off", 60)
    wait_figures(box, box.usage)
    assert not re.search(r"iommu: .*blocked|does not answer|cut off", box.run("dmesg"))


@pytest.mark.parametrize("which", ["nvme", "card", "edu"])
def test_alone(box, web, which):
    """One device at a time."""
    if which not in box.every:
        pytest.skip("it has no reset there")
    name = f"only-{which}"
    start(box, name)
    with box.in_console(name):
        box.linux_up(name, 300)
        given.use(box, web, [which])
    end(box, name)


def test_together(box, web):
    """All of them, by programs that users have: lspci, fio, unbind and bind, a suspend to idle, a reset."""
    start(box, "all")
    with box.in_console("all"):
        box.linux_up("all", 300)
        box.lspci = box.linux("/lspci -nvv")
        given.use(box, web, box.every)
        text = box.linux(f"{FIO} --rw=randwrite --bs=4k --size=4m --iodepth=8 && {FIO} --rw=write --bs=64k --size=32m --iodepth=32", 300)
        assert text.count("err= 0") == 2, text
        for name, driver in (("nvme", "nvme"), ("card", "e1000e")):
            where = given.function(box, name)
            for what in ("unbind", "bind"):
                box.linux(f"echo {where} >/sys/bus/pci/drivers/{driver}/{what}; sleep 1")
        given.use(box, web, box.every)
        # The drivers put their functions to D3hot and wake them: a rehearsal, of five seconds, of a suspend.
        box.linux("ip link set eth0 down; echo devices >/sys/power/pm_test; echo freeze >/sys/power/state", 120)
        given.use(box, web, box.every)
        for name in ("nvme", "card"):
            given.reset(box, name)
        given.use(box, web, box.every)
    end(box, "all")


def test_power_state(box):
    """A function goes to D3hot and back by the register."""
    start(box, "only-card")
    with box.in_console("only-card"):
        box.linux_up("only-card", 300)
        where = given.function(box, "card")
        box.linux(f"echo {where} >/sys/bus/pci/drivers/e1000e/unbind")
        at = f"/sys/bus/pci/devices/{where}/config"
        for state in (3, 0):  # the register is at 0xcc
            box.linux(f"printf '\\{state:03o}' | dd of={at} bs=1 seek=204 conv=notrunc 2>/dev/null")
            assert f"{8 + state:02x}" in box.linux(f"dd if={at} bs=1 skip=204 count=1 2>/dev/null | hexdump -e '1/1 \"%02x\\n\"'")
        box.linux(f"echo {where} >/sys/bus/pci/drivers/e1000e/bind")
    end(box, "only-card")


def test_lspci(box, tmp_path):
    """A guest sees its functions as the bare machine does, but for what DIFFERS lists."""
    initrd = tmp_path / "initrd.gz"
    initrd.write_bytes((given.GENERIC / "initrd.gz").read_bytes() + (box.place / "lspci-initrd/initrd.gz").read_bytes())
    bare = m.Machine(tmp_path, kernel=given.FILES["vmlinuz"], memory=192, nic=None, iommu=m.IOMMUS[box.unit],
                     cmdline="console=ttyS0 cryptomgr.notests quiet panic=-1 hostname=bare ip=none",
                     args=["-initrd", str(initrd), *given.devices(tmp_path, box.unit)])
    with bare:
        bare.where = "bare"
        bare.expect("guest bare: up", 300)
        bare.linux_up("bare")
        assert seen(box.lspci) == seen(bare.linux("/lspci -nvv"))


def load(box, web):
    """Disk and card are at work from now on."""
    box.linux("ip link set eth0 up; udhcpc -q -n -i eth0 -s /etc/udhcpc.sh >/dev/null 2>&1; true", 120)
    box.linux(LOAD.format(url=web.url))
    box.linux("sleep 3; pidof fio && jobs | grep -c Running | grep 2")


def test_in_flight(box, web):
    """The guest is reset, reboots, crashes and is destroyed while its devices work; each time they come back."""
    start(box, "all")
    for how in ("reset", "reboot", "crash", "destroy"):
        with box.in_console("all"):
            box.linux_up("all", 300)
            given.use(box, web, box.every)
            load(box, web)
            if how in ("reboot", "crash"):
                box.send("reboot -f\r" if how == "reboot" else "echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger\r")
                box.expect("guest all: up", 300)
                continue
        box.run(f"{how} all")
        if how == "reset":
            with box.in_console("all"):
                box.expect("guest all: up", 300)
    box.wait_state("all", "shut off", 60)
    wait_figures(box, box.usage)
    start(box, "all")
    with box.in_console("all"):
        box.linux_up("all", 300)
        given.use(box, web, box.every)
    end(box, "all")
