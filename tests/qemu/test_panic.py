# SPDX-License-Identifier: BSD-2-Clause
"""A guest's panic, told by pvpanic; damaged files; refusals that say how much there is."""

import hashlib
import lzma
import re
import subprocess

import pytest

import machine as m

PANIC = "    <panic model='isa'/>"
ACTIONS = ("destroy", "restart", "preserve")
MODULES = m.BUILD / "linux/unpacked"


def description(name, cmdline, action="destroy", panic=True, **more):
    """A guest that ends as `cmdline` says; `action` is its on_crash."""
    return m.domain_xml(name, "crash.elf", memory=16, cmdline=cmdline, extra=PANIC if panic else "",
                        head=f"  <on_crash>{action}</on_crash>", **more)


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    place = tmp_path_factory.mktemp("panic")
    texts = {**{action: description(action, "panic", action) for action in ACTIONS},
             "loaded": description("loaded", "crash-loaded"), "without": description("without", "panic", "preserve", panic=False),
             "12": m.domain_xml("12", "crash.elf", memory=16),
             "huge": m.domain_xml("huge", "crash.elf", memory=300 << 10), "large": m.domain_xml("large", "crash.elf", memory=400),
             "half": m.domain_xml("half", "crash.elf", memory=150), "crash": description("crash", "triple", "restart")}
    damaged = bytearray((m.BUILD / "guests/hello.elf").read_bytes())
    files = {"crash.elf": (m.BUILD / "guests/crash.elf").read_bytes(), "whole.elf": bytes(damaged), "hello.elf": bytes(damaged)}
    for name, kernel in (("bad", "hello.elf"), ("good", "whole.elf"), ("initrd", "whole.elf")):
        texts[name] = m.domain_xml(name, kernel, memory=16, initrd="hello.elf" if name == "initrd" else None)
    files |= {f"{name}.def": text.encode() for name, text in texts.items()}
    files["text.def"] = files["good.def"]
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items())
    damaged[len(damaged) // 2] ^= 1
    files |= {"hello.elf": bytes(damaged), "text.def": files["text.def"] + b"\n", "SHA256SUMS": sums.encode()}
    modules = [(m.BUILD / "dom0.bin", "dom0 ip=off ipv6=off quiet")]
    for name, data in files.items():
        (place / name).write_bytes(data)
        modules.append((place / name, name))
    with m.Machine(place, kernel=m.BUILD / "sampo.elf32", modules=modules, memory=512, nic=None, icount=True, cpus=1) as one:
        one.boot()
        for name in texts:
            one.run(f"define {name}.def")
        yield one


def test_unknown_words(box):
    """dom0 names the words of its command line that it does not know."""
    text = box.run("dmesg --level warn")
    assert "dom0: not known on its command line: ipv6=off" in text
    assert "dom0: not known on its command line: quiet" in text
    assert ": ip=off" not in text


def test_destroy(box):
    assert "<panic model='isa'/>" in box.run("dumpxml destroy")
    box.run("start destroy")
    box.wait_run("domstate destroy --reason", r"shut off \(crashed\)")
    assert "destroy: panicked: its kernel says so" in box.run("dmesg --level err")


def test_preserve(box):
    box.run("start preserve")
    box.wait_run("domstate preserve --reason", r"crashed \(panicked\)")
    box.run("destroy preserve")


def test_restart(box):
    box.run("start restart")
    box.wait_run("console restart --log", r"about to end[^!]*about to end[^!]*about to end")
    box.run("destroy restart")
    assert "shut off (destroyed)" in box.run("domstate restart --reason")


def test_crash_loaded(box):
    """The guest goes on: its crash kernel has work to do."""
    box.run("start loaded")
    box.wait_run("domstate loaded --reason", r"shut off \(shutdown\)")
    assert "loaded: its kernel has panicked, and a crash kernel goes on" in box.run("dmesg")


def test_without(box):
    """Without the element nobody is at the port."""
    assert "panic" not in box.run("dumpxml without").replace("dumpxml", "").replace("<cmdline>panic<", "")
    box.run("start without")
    box.wait_run("domstate without --reason", r"shut off \(shutdown\)")


def test_damaged(box):
    """One bit of a kernel, of an initrd or of a description is another one than when the sums were made."""
    for guest, what in (("bad", "kernel"), ("initrd", "initrd")):
        text = box.run(f"start {guest}")
        assert f"the {what} 'hello.elf': the file is damaged: its SHA-256 is not the one in SHA256SUMS" in text
        assert "shut off" in box.run(f"domstate {guest}")
    assert "error: the file is damaged" in box.run("define text.def")
    assert "Domain 'good' started" in box.run("start good")
    box.wait_state("good", "shut off", 30)


def test_too_much_memory(box):
    """How much is asked for, and how much there is."""
    assert re.search(r"error: 307200 MiB of memory: the machine has [45]\d\d MiB\n", box.run("start huge"))
    box.run("start --paused large")
    assert re.search(r"error: 150 MiB of memory: there are \d+ MiB left", box.run("start half"))
    box.run("destroy large")
    assert "Domain 'half' started" in box.run("start half")


def test_number_before_name(box):
    """A guest whose name is another one's number does not hide that one; its UUID names it."""
    uuid = box.run("domuuid 12").strip()
    number = 0
    while number < 12:
        box.run("start --paused good")
        number = int(box.run("domid good"))
        if number < 12:
            box.run("destroy good")
    assert number == 12
    assert "good" in box.run("domname 12")
    assert "12" in box.run("domname " + uuid)
    box.run("destroy 12")
    assert "shut off" in box.run("domstate good")
    assert "12" in box.run("domname 12")


def test_waits_to_start(box):
    """A guest that starts again too often waits for it, and does not shut down."""
    box.run("start crash")
    box.wait_run("domstate crash --reason", r"paused \(starting up\)", 60)
    box.run("destroy crash")


def pvpanic_modules(place):
    """
    An initrd with the driver of the demo's kernel, which its own initrd does not have. Debian 13 compresses the modules, and
    has them below /usr.
    """
    root = place / "root"
    (root / "pvpanic").mkdir(parents=True)
    for name in ("pvpanic", "pvpanic-mmio"):
        (file,) = [file for lib in ("lib", "usr/lib")
                   for file in MODULES.glob(f"{lib}/modules/*/kernel/drivers/misc/pvpanic/{name}.ko*")]
        data = file.read_bytes()
        (root / "pvpanic" / f"{name}.ko").write_bytes(lzma.decompress(data) if file.suffix == ".xz" else data)
    with open(place / "pvpanic.cpio", "wb") as out:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=root, check=True, stdout=out,
                       input=b"pvpanic\npvpanic/pvpanic.ko\npvpanic/pvpanic-mmio.ko\n")
    return place / "pvpanic.cpio"


def test_linux(boot, tmp_path):
    """Stock Linux with its own driver: with panic=0 it would stand still for ever."""
    text = m.domain_xml("linux", "vmlinuz", memory=192, initrd=["initrd.gz", "pvpanic.cpio"], extra=PANIC,
                        cmdline="console=ttyS0 cryptomgr.notests quiet panic=0 hostname=linux",
                        head="  <on_crash>preserve</on_crash>")
    (tmp_path / "linux.xml").write_text(text)
    files = {**m.LINUX_FILES, "pvpanic.cpio": pvpanic_modules(tmp_path), "linux.xml": tmp_path / "linux.xml"}
    box = boot(kernel=m.BUILD / "sampo.elf32", memory=512, nic=None,
               modules=[(m.BUILD / "dom0.bin", "dom0"), *((file, name) for name, file in files.items())])
    box.boot()
    box.console("linux")
    box.linux_up("linux", 300)
    assert "QEMU0001" in box.linux("cat /sys/bus/acpi/devices/QEMU0001:00/hid")
    box.linux("insmod /pvpanic/pvpanic.ko && insmod /pvpanic/pvpanic-mmio.ko")
    box.send("echo c >/proc/sysrq-trigger\r")
    box.expect("Kernel panic", 60)
    box.leave()
    box.wait_run("domstate linux --reason", r"crashed \(panicked\)")
