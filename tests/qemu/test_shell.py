# SPDX-License-Identifier: BSD-2-Clause
"""dom0's shell as an operator types in it, on the real serial line."""

import re

import pytest

import machine as m

pytestmark = pytest.mark.quick

UP, LEFT, HOME = "\x1b[A", "\x1b[D", "\x1b[H"


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    place = tmp_path_factory.mktemp("shell")
    for name in ("hello", "hello2"):
        (place / f"{name}.def").write_text(m.domain_xml(name, "hello.elf", memory=16, cmdline="a & b".replace("&", "&amp;")))
    (place / "fast.def").write_text(m.domain_xml("fast", "hello.elf", memory=16, head="  <clock offset='utc'><timer name='tsc' "
                                                 "frequency='123456789000'/></clock>"))
    (place / "broken.def").write_text("<domain type='kvm'>\n<name>x</name>\n<teapot/>\n</domain>\n")
    modules = [(m.BUILD / "dom0.bin", "dom0"), (m.BUILD / "guests/hello.elf", "hello.elf"),
               *((place / f"{n}.def", f"{n}.def") for n in ("hello", "hello2", "broken", "fast"))]
    with m.Machine(place, kernel=m.BUILD / "sampo.elf32", modules=modules, memory=256, nic=None) as one:
        one.boot()
        for name in ("hello", "hello2"):
            one.run(f"define {name}.def")
        yield one


def enter(box, keys, shown):
    """Types keys; what the line then ends with must be `shown`. Returns the output."""
    box.send(keys + "\r")
    box.expect(re.escape(shown) + r"[ \x08]*\r*\n", 20)
    box.expect(re.escape(m.PROMPT), 20)
    return box.before


def test_help(box):
    text = box.run("help")
    for verb in ("list", "dominfo", "domstate", "start", "shutdown", "destroy", "reboot", "reset", "suspend", "resume",
                 "dumpxml", "vcpuinfo", "domblkstat", "domblklist", "domifstat", "domiflist", "console", "nodeinfo",
                 "dmesg", "net", "disks", "vols", "help", "version", "poweroff", "reboot-host"):
        assert re.search(rf"^ +{verb} ", text, re.M), verb
    assert "destroy <domain>" in box.run("help destroy")
    assert "error: command or command group 'frob' doesn't exist" in box.run("help frob")


def test_editing(box):
    assert "Sampo" in enter(box, "verson" + LEFT * 2 + "i", "version")
    assert "Sampo" in enter(box, UP, "version")
    assert "NUMA" in enter(box, "info" + HOME + "node", "nodeinfo")
    assert "Sampo" in enter(box, UP + UP, "version")
    assert "up " in enter(box, "rubbish\x15upt\t", "ime ")


def test_completion(box):
    box.send("domin\the\t")
    box.expect("hello", 20)
    box.send("\t")
    box.expect(r"hello  hello2  \r*\n.*dominfo hello", 20)
    assert "shut off" in enter(box, "2\t", "2 ")


def test_life(box):
    assert "Domain 'hello' started" in box.run("start hello")
    box.wait_state("hello", "shut off", 20)
    assert "Hello from a 64-bit guest of Sampo" in box.run("console hello --log")
    assert "command line: a & b" in box.run("console hello --log")
    assert "ACPI S5" in box.run("dominfo hello")
    assert "<cmdline>a &amp; b</cmdline>" in box.run("dumpxml hello")
    assert "Domain 'hello2' has been undefined" in box.run("undefine hello2")
    assert "hello2" not in box.run("list --all")
    assert "Domain 'hello2' defined from hello2.def" in box.run("define hello2.def")


def test_errors(box):
    assert "error: failed to get domain 'nobody'" in box.run("start nobody")
    assert "error: unknown command: 'frob'" in box.run("frob")
    assert "error: The domain is not running" in box.run("console hello")
    assert re.search(r"State: +N/A", box.run("vcpuinfo hello"))
    assert "error: command 'start' requires <domain> option" in box.run("start")
    output = box.run("define broken.def")
    assert "Failed to define" in output and "broken.def:3" in output and "teapot" in output
    assert "No such file or directory" in box.run("define nothere.xml")
    assert "frequency='123456789000'" in box.run("define fast.def") + box.run("dumpxml fast")
    assert "this CPU cannot scale it" in box.run("start fast")
    box.run("undefine fast")
    assert re.search(r"error: Failed to create.*\nerror: .*hello", box.run("create hello.def"))
    assert "Domain 'hello' defined from hello.def" in box.run("define hello.def")  # once more


def test_names(box):
    """A guest by its name, its UUID and its number; created, it goes when it ends."""
    uuid = box.run("domuuid hello").strip()
    assert re.search(r"^-\s", box.run("domid " + uuid).strip() + "\n")
    assert f"{uuid} hello\n" in box.run("list --all --uuid --name").replace("\r", "")
    assert "shut off (shutdown)" in box.run("domstate hello --reason")
    assert "shut off (unknown)" in box.run("domstate hello2 --reason")
    assert "Domain 'hello2' started" in box.run("start --paused --domain hello2")
    assert "paused (user)" in box.run("domstate hello2 --reason")
    number = box.run("domid hello2").strip()
    assert "hello2" in box.run("domname " + number)
    box.run("resume " + number)
    box.wait_state("hello2", "shut off", 20)
    box.run("undefine hello2")
    assert "created from hello2.def" in box.run("create hello2.def")
    box.wait_run("list --all --name", r"hello\r*\n(?!.*hello2)")


def test_dmesg(box):
    text = box.run("dmesg")
    assert "Sampo" in text and "dom0:" in text


def test_reset(box):
    """The last test: QEMU ends at the reset, because it was told so."""
    box.send("reboot-host\r")
    box.expect("Reset", 30)
    box.expect_end(20)
