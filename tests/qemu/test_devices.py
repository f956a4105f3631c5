# SPDX-License-Identifier: BSD-2-Clause
"""The devices of a guest's main board: with small guests of ours, and with Linux in its several ways to use them."""

import re
import time

import pytest

import machine as m

RNG = "    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"

# Which words make Linux use what, and what /proc/interrupts then says of the UART, the tick and virtio.
MODES = {
    "default": ("", r"IO-APIC +4-edge +ttyS0", r"PCI-MSI .*virtio0"),
    "intx": ("pci=nomsi", r"IO-APIC +4-edge +ttyS0", r"IO-APIC +17-fasteoi +virtio0"),
    "pic": ("noapic pci=nomsi", r"XT-PIC +ttyS0", r"10: .*XT-PIC +virtio0"),
    "pit": ("nolapic noapic pci=nomsi no-kvmclock", r"XT-PIC +timer", r"XT-PIC +virtio0"),
    "noacpi": ("acpi=off pci=nomsi", r"XT-PIC +ttyS0", r"XT-PIC +virtio0"),
    "pmtimer": ("no-kvmclock clocksource=acpi_pm", r"IO-APIC +4-edge +ttyS0", r"PCI-MSI .*virtio0"),
    "xapic": ("nox2apic", r"IO-APIC +4-edge +ttyS0", r"PCI-MSI .*virtio0"),
}


def description(name, words):
    """Linux that comes back after a reboot, with `words` on its command line."""
    return m.linux_xml(name, words=words, memory=192, head="  <on_reboot>restart</on_reboot>")


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    place = tmp_path_factory.mktemp("devices")
    modules = [(m.BUILD / "dom0.bin", "dom0")]
    modules += [(file, name) for name, file in m.LINUX_FILES.items()]
    descriptions = {name: description(name, words) for name, (words, *_) in MODES.items()}
    descriptions["kbc"] = description("kbc", "reboot=k")
    descriptions["bios"] = description("bios", "reboot=b")
    for name in ("board", "tick-real16", "reset-real16"):
        modules.append((m.BUILD / f"guests/{name}.elf", f"{name}.elf"))
        descriptions[name] = m.domain_xml(name, f"{name}.elf", memory=16, extra=RNG)
    for name, text in descriptions.items():
        file = place / f"{name}.def"
        file.write_text(text)
        modules.append((file, file.name))
    with m.Machine(place, kernel=m.BUILD / "sampo.elf32", modules=modules, memory=1024, nic=None) as one:
        yield one.boot()


@pytest.fixture
def guest(box):
    """guest(name): starts a guest that ends with the test."""
    started = []

    def start(name):
        box.run(f"define {name}.def")
        assert "started" in box.run(f"start {name}")
        started.append(name)
        return name

    yield start
    if box.where is not None:
        box.leave()
    for name in started:
        box.run(f"destroy {name}")
        box.wait_state(name, "shut off", 20)
        box.run(f"undefine {name}")


@pytest.mark.quick
def test_board(box, guest):
    """A guest that programs each device by itself."""
    output = box.wait_run(f"console {guest('board')} --log", r"DONE \d+ passed, \d+ failed", 60)
    assert "FAIL" not in output, "\n".join(re.findall(r"FAIL.*", output))
    box.wait_state("board", "shut off", 20)


@pytest.mark.quick
def test_real_mode(box, guest):
    """PIC, PIT and RTC in real mode, with the table of interrupts at address 0."""
    name = guest("tick-real16")
    box.wait_state(name, "shut off", 20)
    assert re.search(r"\.{10} ten ticks, the year is 20\d\d", box.run(f"console {name} --log"))


@pytest.mark.quick
def test_bios(box, guest):
    """A jump to ffff:0 resets the machine; a BIOS call fails, and the BIOS data area is there."""
    name = guest("reset-real16")
    said = box.wait_run(f"console {name} --log", r"9fc0c\r*\n(.*\n)*?.*9fc0c", 20)
    assert "9fc0-" not in said


def test_dmi(box, guest):
    """SMBIOS says what the guest is called, and its UUID."""
    name = guest("default")
    uuid = re.search(r"<uuid>(.*)</uuid>", box.run(f"dumpxml {name}")).group(1)
    with box.in_console(name):
        box.linux_up(name)
        dmi = {file: box.linux(f"cat /sys/class/dmi/id/{file}").strip()
               for file in ("sys_vendor", "product_name", "product_serial", "product_uuid")}
        assert dmi == {"sys_vendor": "Sampo", "product_name": "Virtual Machine", "product_serial": name,
                       "product_uuid": uuid}
        assert "000f0000-000fffff" in box.linux("dmesg | grep -i bios-e820").replace("0x", "").replace("00000000", "")


def test_ecam(box, guest):
    """Linux reaches all 4096 bytes of a function's configuration space, by the memory that MCFG and DSDT name."""
    name = guest("default")
    with box.in_console(name):
        box.linux_up(name)
        said = box.linux("dmesg | grep -Ei 'mmconfig|ecam'")
        assert re.search(r"(?i)(ECAM|MMCONFIG).*0xfef00000-0xfeffffff.*\(base 0xfef00000\)", said), said
        assert re.search(r"(?i)reserved (in|as)", said), said
        assert "fef00000-0x00000000feffffff] reserved" in box.linux("dmesg | grep -i bios-e820")
        assert "extended PCI config" not in box.linux("dmesg")
        # The host bridge's space is measured; virtio functions are not PCIe ones.
        assert box.linux("stat -c %s /sys/bus/pci/devices/0000:00:00.0/config").strip() == "4096"
        assert box.linux("tail -c 3840 /sys/bus/pci/devices/0000:00:00.0/config | tr -d '\\0' | wc -c").strip() == "0"
        assert box.linux("stat -c %s /sys/bus/pci/devices/0000:00:01.0/config").strip() == "256"


@pytest.mark.parametrize("mode", MODES)
def test_linux_interrupts(box, guest, mode):
    """Linux comes up, hears from its UART and its virtio device, and time goes on."""
    _, *patterns = MODES[mode]
    with box.in_console(guest(mode)):
        box.linux_up(mode)
        assert len(box.linux("head -c 64 /dev/hwrng | hexdump -C").splitlines()) >= 4
        interrupts = box.linux("cat /proc/interrupts")
        for pattern in patterns:
            assert re.search(rf"(?m)^.*{pattern}", interrupts), interrupts
        before = float(box.linux("cut -d' ' -f1 /proc/uptime"))
        box.linux("sleep 1")
        assert 0.9 < float(box.linux("cut -d' ' -f1 /proc/uptime")) - before < 30
        assert "nobody cared" not in box.linux("dmesg")


def test_rtc(box, guest):
    """The clock is right, can be set, and its alarm interrupts."""
    with box.in_console(guest("default")):
        box.linux_up("default")
        for clock in ("cat /sys/class/rtc/rtc0/since_epoch", "date +%s"):  # of the CMOS; KVM's
            assert abs(int(box.linux(clock)) - time.time()) < 60
        box.linux("date -s '2031-03-04 05:06:07' && hwclock -w")
        assert box.linux("cat /sys/class/rtc/rtc0/date").strip() == "2031-03-04"
        box.linux("echo +2 > /sys/class/rtc/rtc0/wakealarm; sleep 4")
        assert re.search(r"8: +1 .*rtc0", box.linux("grep rtc0 /proc/interrupts"))


def test_typing(box, guest):
    """A long line that is pasted loses nothing on its way into the UART."""
    line = "".join(chr(97 + n * 7 % 26) for n in range(900))
    with box.in_console(guest("default")):
        box.linux_up("default")
        assert box.linux(f"echo {line} | wc -c").strip().endswith("901")


@pytest.mark.parametrize("mode", ("default", "kbc", "bios"))
def test_reboot(box, guest, mode):
    """By ACPI's reset register, by the keyboard controller, and by a jump to ffff:0."""
    with box.in_console(guest(mode)):
        box.linux_up(mode)
        box.linux("touch /tmp/before")
        box.send("reboot -f\r")
        box.expect(r"guest \S+: up", 60)
        box.linux_up(mode)
        box.linux("test ! -e /tmp/before")
    assert box.state(mode) == "running"


def test_power_button(box, guest):
    name = guest("default")
    with box.in_console(name):
        box.linux_up(name)
    box.run(f"shutdown {name}")
    box.wait_state(name, "shut off", 60)
    assert "Power down" in box.run(f"console {name} --log")


def test_poweroff(box, guest):
    name = guest("default")
    box.console(name)
    box.linux_up(name)
    box.send("poweroff -f\r")
    box.expect(re.escape(m.PROMPT), 60)
    box.where = None
    box.wait_state(name, "shut off", 20)
