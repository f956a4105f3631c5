# SPDX-License-Identifier: BSD-2-Clause
"""The demo as `make run` shows it: one boot, and everything that a user tries in it."""

import re

import pytest

import machine as m

pytestmark = pytest.mark.quick

LINUX = ("linux1", "linux2")


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    """The demo's ISO in a machine that all tests of this file share; its own copy of the disk."""
    place = tmp_path_factory.mktemp("demo")
    image = m.make_disk(place / "disk.img", "guest1", "guest2", size=64)
    with m.Machine(place, iso=m.BUILD / "sampo.iso", memory=2048, image=image) as one:
        one.boot(90)
        yield one


@pytest.fixture(autouse=True)
def in_shell(box):
    """Each test begins and ends in dom0's shell."""
    yield
    if box.where is not None and box.child is not None and box.child.isalive():
        box.leave()


def address(box, guest):
    """The address that a Linux guest has."""
    with box.in_console(guest):
        box.linux_up(guest)
        return re.search(r"inet (10\.0\.2\.\d+)/24", box.linux("ip addr show eth0")).group(1)


def test_list(box):
    for guest in (*LINUX, "tiny"):
        assert box.state(guest) == "running"


def test_dom0_has_a_lease(box):
    box.wait_run("net", r"Address: +10\.0\.2\.\d+")


@pytest.mark.parametrize("guest", LINUX)
def test_linux_comes_up(box, guest):
    with box.in_console(guest):
        box.linux_up(guest)
        assert box.linux("hostname").strip() == guest


def test_leave_and_come_back(box):
    """Ctrl-] leaves a console; what was typed there is still there."""
    with box.in_console("linux1"):
        box.linux_up("linux1")
        box.linux("here=again")
    assert "linux2" in box.run("list")
    with box.in_console("linux1"):
        box.linux_up("linux1")
        assert box.linux('echo "$here"').strip() == "again"


def test_addresses_differ(box):
    assert address(box, "linux1") != address(box, "linux2")


@pytest.mark.parametrize("guest", LINUX)
def test_wget(box, web, guest):
    with box.in_console(guest):
        box.linux_up(guest)
        assert box.linux(f"wget -q -O - {web.url}/hello") == "hello from outside\n"
        assert box.linux(f"wget -q -O - {web.url}/big | md5sum | cut -c 1-32", 120).strip() == \
            __import__("hashlib").md5(web.pages["/big"]).hexdigest()


def test_upload(box, web):
    with box.in_console("linux1"):
        box.linux_up("linux1")
        box.linux(f"wget -q -O - --post-data=fromtheguest {web.url}/up")
    assert web.pages["/up"] == b"fromtheguest"


def test_ping_the_other_guest(box):
    other = address(box, "linux2")
    with box.in_console("linux1"):
        box.linux_up("linux1")
        assert ", 0% packet loss" in box.linux(f"ping -c 3 {other}")


def test_the_tiny_guest_serves(box):
    """Our web server unikernel answers a Linux guest."""
    text = box.wait_run("console tiny --log", r"http://10\.0\.2\.\d+/")
    url = re.search(r"http://[0-9.]+/", text).group(0)
    with box.in_console("linux1"):
        box.linux_up("linux1")
        assert "<html" in box.linux(f"wget -q -O - {url}").lower()


def test_clock_source(box):
    with box.in_console("linux1"):
        box.linux_up("linux1")
        source = box.linux("cat /sys/devices/system/clocksource/clocksource0/current_clocksource").strip()
    assert source in ("tsc", "kvm-clock")


def test_random(box):
    with box.in_console("linux1"):
        box.linux_up("linux1")
        assert "virtio" in box.linux("cat /sys/class/misc/hw_random/rng_available")
        assert box.linux("head -c 64 /dev/hwrng | wc -c").strip() == "64"


def test_disk_write_and_read(box):
    with box.in_console("linux2"):
        box.linux_up("linux2")
        box.linux("dd if=/dev/urandom of=/mnt/data bs=64k count=64 2>/dev/null && sync")
        first = box.linux("md5sum </mnt/data")
        box.linux("echo 3 >/proc/sys/vm/drop_caches")
        assert box.linux("md5sum </mnt/data") == first
    stat = box.run("domblkstat linux2")
    assert int(re.search(r"wr_bytes (\d+)", stat).group(1)) >= 64 * 65536


# Linux prints the first on QEMU 10 without Sampo, too; the second where the emulator waits for its host's CPUs.
KNOWN = ("amd_pstate: the _CPC object is not present", "hrtimer: interrupt took ")


def test_no_complaints(box, request):
    """The kernels found nothing to complain of."""
    for guest in LINUX:
        with box.in_console(guest):
            box.linux_up(guest)
            text = box.linux("dmesg | grep -i -E 'bug:|oops|call trace|lockup|stall|i/o error|irq.*nobody|"
                             "unchecked msr|firmware bug|bad e820|dmi not' || true")
            assert text.strip() == ""
            warnings = box.linux("dmesg -r | grep '^<[0-4]>' || true").strip().splitlines()
            # Bochs's CPUs have faults of their own that Linux warns of.
            if request.config.getoption("--machine") != "bochs":
                assert not [line for line in warnings if not any(known in line for known in KNOWN)]


def test_caches(box):
    """Whatever the kernel says of caches is a cache's: programs take the size of a line from it."""
    for guest in LINUX:
        with box.in_console(guest):
            box.linux_up(guest)
            lines = box.linux("cat /sys/devices/system/cpu/cpu0/cache/index*/coherency_line_size 2>/dev/null || true")
            assert set(lines.split()) <= {"64"}


def test_suspend_and_resume(box):
    box.run("suspend linux1")
    assert box.state("linux1") == "paused"
    box.run("resume linux1")
    with box.in_console("linux1"):
        box.linux_up("linux1")
        box.linux("true")


def test_shutdown_and_start(box):
    """The power button; the guest goes down by itself, and starts again."""
    box.run("shutdown linux2")
    box.wait_state("linux2", "shut off", 60)
    box.run("start linux2")
    with box.in_console("linux2"):
        box.linux_up("linux2")


def test_reboot_from_inside(box):
    with box.in_console("linux2"):
        box.linux_up("linux2")
        box.linux("touch /run/before")
        box.send("reboot\r")
        box.expect("guest linux2: down", 60)
        box.expect("guest linux2: up", 120)
        box.linux_up("linux2")
        box.linux("test ! -e /run/before")


def test_destroy(box):
    box.run("destroy linux2")
    assert box.state("linux2") == "shut off"
    assert box.state("linux1") == "running"
    box.run("start linux2")
    with box.in_console("linux2"):
        box.linux_up("linux2")
