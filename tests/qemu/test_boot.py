# SPDX-License-Identifier: BSD-2-Clause
"""From power-on to dom0's shell, on the machines that are promised, and the refusals on those that are not."""

import re
import struct
import subprocess

import pytest

import machine as m

KERNEL = m.BUILD / "sampo.elf32"
DOM0 = m.BUILD / "dom0.bin"


@pytest.mark.quick
def test_direct(boot):
    """The development path, boot/multiboot1 in GRUB's place: dom0 alone, no disk and no network card."""
    box = boot(kernel=KERNEL, modules=[(DOM0, "dom0")], memory=256, nic=None).boot()
    assert "Memory size" in box.run("nodeinfo")
    box.send("poweroff\r")
    box.expect_end()


@pytest.mark.quick
def test_module_without_words(boot, tmp_path):
    """A module that QEMU is given without words has the name of its file."""
    (tmp_path / "one.def").write_text(m.domain_xml("one", "one.elf", memory=16))
    box = boot(kernel=KERNEL, modules=[(DOM0, "dom0"), (tmp_path / "one.def", "")], memory=256, nic=None).boot()
    box.run("define one.def")
    assert box.state("one") == "shut off"


@pytest.mark.quick
def test_kernel_words(boot):
    """Words on the kernel's command line: one that it knows, and one that it does not."""
    box = boot(kernel=KERNEL, modules=[(DOM0, "dom0")], memory=256, nic=None, cmdline="no-features no-such=1").boot()
    said = box.run("dmesg")
    assert re.search(r"kernel: (SVM|VMX with eagerfpu)\s*\n", said)
    assert re.search(r"kernel: not known on its command line: no-such=1\s*\n", said)


@pytest.mark.quick
def test_power_button(boot, tmp_path):
    """
    The machine's power button, pressed while the operator is in a guest's console, ends guests and machine. The guest does not
    listen to its own button, and sleeps: with icount the time for which dom0 waits passes at once.
    """
    (tmp_path / "one.xml").write_text(m.domain_xml("one", "typed.elf", memory=16, cmdline="deaf"))
    box = boot(kernel=KERNEL, modules=[(DOM0, "dom0"), (tmp_path / "one.xml", "one.xml"),
                                       (m.BUILD / "guests/typed.elf", "typed.elf")], memory=256, nic=None, icount=True, cpus=1).boot()
    box.console("one")
    box.monitor("system_powerdown")
    box.expect(r"The power button was pressed\.", 60)
    box.expect(r"Power down\.", 120)
    box.expect_end()


@pytest.mark.quick
def test_logical_partitions(boot, tmp_path):
    """A disk that sfdisk has given an MBR with logical partitions; Linux gives them the same numbers."""
    image = tmp_path / "disk.img"
    with image.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["/sbin/sfdisk", "--quiet", str(image)], input="label: dos\n1: size=4M,type=83\n"
                   "2: size=50M,type=f\n5: size=8M,type=83\n6: size=16M,type=83\n", text=True, check=True)
    box = boot(kernel=KERNEL, modules=[(DOM0, "dom0")], memory=256, nic=None, image=image).boot()
    said = box.wait_run("disks", r"sda6")
    for name, size in (("sda1", 4), ("sda5", 8), ("sda6", 16)):
        assert re.search(rf"{name}: {size} MiB", box.run("dmesg"))
    assert "sda2" not in said and "sda7" not in said


@pytest.mark.quick
def test_debug_keys(boot):
    """Keys that only look work at once; the one that resets the machine wants its word first; twice the escape is one for dom0."""
    box = boot(kernel=KERNEL, modules=[(DOM0, "dom0")], memory=256, nic=None).boot()
    box.send("\x1ed")
    box.expect(r"domain 0: state 0, [^\n]*\n")
    for answer in ("\r", "rese\r", "resett\r", "x" * 40 + "\r"):
        box.send("\x1eR")
        box.expect(r'debug: type "reset" and Enter[^\n]*\n')
        box.send(answer)
        box.expect(r"debug: nothing done\r*\n")
    box.send("\x1e\x1e\r")
    assert "Memory size" in box.run("nodeinfo")
    box.send("\x1eR")
    box.expect(r'debug: type "reset" and Enter[^\n]*\n')
    box.send("reset\r")
    box.expect_end()


@pytest.mark.quick
@pytest.mark.parametrize("word,acts", [("^_", "\x1f"), ("off", None), ("R", "\x1e")])
def test_debug_escape(boot, word, acts):
    """The command line moves the debug keys to another character, or turns them off; nonsense is named."""
    box = boot(kernel=KERNEL, modules=[(DOM0, "dom0")], memory=256, nic=None, cmdline=f"debug-key={word}").boot()
    assert ("kernel: debug-key is" in box.run("dmesg")) == (word == "R")
    for escape in ("\x1f", "\x1e"):
        box.send(escape + "d\x08")  # where it is none, dom0's line has the d again taken away
        if escape == acts:
            box.expect(r"domain 0: state 0, [^\n]*\n")
    box.send("\r")
    assert "domain 0: state 0" not in box.run("nodeinfo")


@pytest.mark.quick
def test_nmi(boot):
    """The log tells of an NMI, which each CPU gets, and all goes on."""
    box = boot(kernel=KERNEL, modules=[(DOM0, "dom0")], memory=256, nic=None, cpus=2).boot()
    box.monitor("nmi")
    for _ in range(2):
        box.expect(r"kernel: NMI on CPU \d, rip [^\n]*\n")
    assert set(re.findall(r"NMI on CPU (\d)", box.run("dmesg"))) == {"0", "1"}


@pytest.mark.quick
@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_grub(boot, iso, firmware):
    """GRUB loads the kernel and dom0 by multiboot2."""
    box = boot(iso=iso({}), firmware=firmware, memory=512).boot(90)
    assert "Sampo" in box.run("version")
    screen = box.framebuffer()
    for line in (r"Sampo, ABI \d+\.\d+, started by GRUB", r"kernel: SVM, ", r"dom0: ready", r"sampo# version"):
        assert re.search(line, screen), screen


@pytest.mark.parametrize("firmware,memory,disk_kind,nic", [
    ("bios", 512, "ahci", "e1000"),
    ("bios", 1024, "nvme", "e1000e"),
    ("bios", 5120, "ahci", "e1000e"),
    ("uefi", 512, "nvme", "e1000"),
    ("uefi", 1024, "ahci", "e1000e"),
    ("uefi", 5120, "nvme", "e1000e"),
])
def test_matrix(boot, iso, disk, web, firmware, memory, disk_kind, nic):
    """A Linux guest with its disk and its network, on each machine."""
    guests = {"linux1.xml": m.linux_xml("linux1", partition="guest1", mac="52:54:00:00:01:01"), **m.LINUX_FILES}
    box = boot(iso=iso(guests), firmware=firmware, memory=memory, disk=disk_kind, nic=nic, image=disk()).boot(120)
    assert int(re.search(r"Memory size: +(\d+) KiB", box.run("nodeinfo")).group(1)) > memory * 1024 * 9 // 10
    box.wait_run("disks", "guest1")
    box.wait_run("net", r"Address: +10\.0\.2\.\d+")
    with box.in_console("linux1"):
        box.linux_up("linux1")
        assert "inet 10.0.2." in box.linux("ip addr show eth0")
        assert " /mnt ext4 " in box.linux("cat /proc/mounts")
        assert box.linux(f"wget -q -O - {web.url}/hello") == "hello from outside\n"


REFUSALS = [
    ("no SVM", {"cpu": "max,la57=off,-svm"}, [(DOM0, "dom0")], r"(?i)svm|virtuali[sz]ation"),
    ("no NPT", {"cpu": "max,la57=off,-npt"}, [(DOM0, "dom0")], r"(?i)npt|nested paging"),
    ("no dom0", {}, [], r"(?i)dom0"),
    ("dom0 cut off", {}, "short", r"(?i)dom0"),
    ("dom0 cut off in its header", {}, "tiny", r"dom0"),
    ("dom0 is garbage", {}, "garbage", r"(?i)dom0"),
    ("dom0 with a bit flipped", {}, "flipped", r"dom0[^\n]*checksum"),
    ("dom0 with its last bit flipped", {}, "last", r"dom0[^\n]*checksum"),
    ("dom0 entered elsewhere", {}, "elsewhere", r"dom0[^\n]*checksum"),
    ("dom0 beyond its memory", {}, "large", r"dom0[^\n]*addresses"),
    ("dom0 over the kernel's information", {}, "low", r"dom0[^\n]*addresses"),
    ("dom0 without code", {}, "empty", r"dom0[^\n]*cut off"),
    ("dom0 entered outside", {}, "outside", r"dom0[^\n]*addresses"),
    ("little memory", {"memory": 16}, [(DOM0, "dom0")], r"(?i)memory"),
    ("little memory for dom0", {"cmdline": "dom0-memory=8"}, [(DOM0, "dom0")], r"dom0-memory=8: [^\n]*16 to 2048 MiB"),
    ("more for dom0 than there is", {"cmdline": "dom0-memory=2000"}, [(DOM0, "dom0")], r"no 2000 MiB"),
]


def header(image, **changes):
    """dom0's image with other values in its header, struct sampo_image."""
    names = ("base", "entry", "loaded", "size")
    values = {**dict(zip(names, struct.unpack_from("<4I", image, 8))), **changes}
    return image[:8] + struct.pack("<4I", *(values[name] for name in names)) + image[24:]


def flipped(image, at):
    """The image with one bit of a byte changed."""
    return image[:at] + bytes([image[at] ^ 0x10]) + image[at + 1:] if at >= 0 else flipped(image, len(image) + at)


BROKEN = {
    "flipped": lambda image: flipped(image, 0x5432),
    "last": lambda image: flipped(image, -1),
    "elsewhere": lambda image: header(image, entry=struct.unpack_from("<I", image, 12)[0] + 1),
    "short": lambda image: image[:5000],
    "tiny": lambda image: image[:20],
    "garbage": lambda image: b"not an image" * 1000,
    "large": lambda image: header(image, size=0xfffff000),
    "low": lambda image: header(image, base=0x10000, entry=0x10100),
    "empty": lambda image: header(image, loaded=0),
    "outside": lambda image: header(image, entry=0x100000),
}


@pytest.mark.quick
@pytest.mark.parametrize("options,modules,reason", [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS])
def test_refusal(boot, tmp_path, options, modules, reason):
    """What can't work is refused, with the reason on the serial console and on the screen."""
    if isinstance(modules, str):
        (tmp_path / "dom0").write_bytes(BROKEN[modules](DOM0.read_bytes()))
        modules = [(tmp_path / "dom0", "dom0")]
    box = boot(kernel=KERNEL, modules=modules, nic=None, **options)
    box.expect(r"Sampo cannot start: [^\n]*\n", 30)
    said = box.before + box.match.group(0)
    assert re.search(reason, said), said
    assert m.PROMPT not in said
    assert re.search(reason, box.screen()), box.screen()


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_refusal_from_grub(boot, iso, firmware):
    """The same through multiboot2, on a screen of pixels: an image without dom0."""
    box = boot(iso=iso(None, dom0=None), firmware=firmware, nic=None)
    box.expect(r"Sampo cannot start: [^\n]*dom0[^\n]*\n", 60)
    screen = box.framebuffer()
    assert "".join(box.match.group(0).split()) in "".join(screen.split()), screen  # long lines go on in the next one


@pytest.mark.quick
def test_kernel_is_w_xor_x(boot):
    """Nothing that the kernel maps is both writable and executable; what it halts with is its own address space."""
    box = boot(kernel=KERNEL, modules=[], nic=None)
    box.expect(r"Sampo cannot start: [^\n]*\n", 30)
    pages = [line.split()[-1] for line in box.monitor("info tlb").splitlines() if re.match(r"[0-9a-f]{16}: ", line)]
    executable = [p for p in pages if p[0] != "X"]  # X: the no-execute bit is set
    assert executable and len(pages) > len(executable)
    assert not [p for p in executable if "W" in p]
    assert not [p for p in pages if "U" in p]


def test_slow_firmware(boot, iso):
    """The TSC has counted for longer than the watchdog waits when the kernel begins."""
    image = iso({}, grub_commands="sleep 15", grub_modules="sleep")
    assert "2 of 2 CPUs run" in boot(iso=image, nic=None, disk=None, cpus=2).boot(90).run("dmesg")
