# SPDX-License-Identifier: BSD-2-Clause
"""What the operator sees and types: consoles beside the log, a guest's input, the log itself."""

import random
import re
import zlib

import pytest

import machine as m

PASTED = 100_000


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    """
    A machine with guests that read slowly or never, and one that crashes again and again, each time later. Its time is that of
    the instructions: how fast the host is does not decide how much a guest reads in a second, and idle time passes at once.
    """
    place = tmp_path_factory.mktemp("operator")
    words = {"slow": f"bytes={PASTED} each=1000 pause=100", "deaf": "deaf", "hello": "", "msrs": "seed=1"}
    texts = {name: m.domain_xml(name, f"{name if name in ('hello', 'msrs') else 'typed'}.elf", memory=16, cmdline=cmdline)
             for name, cmdline in words.items()}
    texts["crash"] = m.domain_xml("crash", "crash.elf", memory=16, cmdline="triple",
                                  head="  <on_crash>restart</on_crash>")
    texts["broken"] = "<domain type='kvm'>\n</domain>\n"
    modules = [(m.BUILD / "dom0.bin", "dom0"), *((m.BUILD / f"guests/{n}.elf", f"{n}.elf") for n in ("hello", "typed", "crash", "msrs"))]
    for name, text in texts.items():
        (place / name).write_text(text)
        modules.append((place / name, name + (".xml" if name == "broken" else ".def")))
    with m.Machine(place, kernel=m.BUILD / "sampo.elf32", modules=modules, memory=256, nic=None, icount=True, cpus=1) as one:
        one.boot()
        for name in words:
            one.run(f"define {name}.def")
        one.run("define crash.def")
        yield one


@pytest.fixture
def crashes(box):
    """While the test runs, the kernel and dom0 have something to say now and then."""
    box.run("start crash")
    yield
    box.run("destroy crash")


def test_levels(box):
    """The levels of util-linux's dmesg."""
    errors = box.run("dmesg --level=err,crit")
    assert "broken.xml" in errors and "dom0: ready" not in errors
    assert re.search(r"kern  :err   : \[ *\d+\.\d{6}\] error: broken.xml", box.run("dmesg -x"))
    assert re.search(r"kern  :warn  : .*DMA of devices", box.run("dmesg --decode --level warn"))
    assert "<" not in re.sub(r"<[a-z_]+>", "", box.run("dmesg --level err,warn"))
    assert "error: unknown level in 'loud'" in box.run("dmesg --level loud")


def test_actions(box):
    """The log says what the operator did; looking is no action."""
    box.run("start deaf")
    box.run("schedinfo deaf cpu_shares=77")
    box.run("domstate deaf")
    box.run("destroy deaf")
    text = box.run("dmesg --level notice")
    assert re.search(r"\] shell: start deaf\r*\n.*\] shell: schedinfo deaf cpu_shares=77\r*\n.*\] shell: destroy deaf\r*\n", text, re.S)
    assert "domstate" not in text and "kernel:" not in text


def test_debug_keys(box):
    """What a debug key shows comes at once and once, and stays in the log."""
    box.send("\x1ed")
    box.expect(r"memory: \d+ KiB in all", 20)
    box.send("\r")
    box.expect(re.escape(m.PROMPT), 20)
    assert "memory:" not in box.before
    assert re.search(r"\] memory: \d+ KiB in all", box.run("dmesg --level debug"))


def test_pasted(box):
    """Text pasted faster than the guest reads waits at the sender: all of it comes."""
    text = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789 \r", k=PASTED))
    box.run("start slow")
    box.send("console slow\r")
    box.expect(r"reads \d+ bytes\r*\n", 20)
    box.send(text)
    box.expect(r"crc ([0-9a-f]{8}), overrun: no", 300)
    assert int(box.match.group(1), 16) == zlib.crc32(text.encode()), box.tail()
    box.expect(re.escape(m.PROMPT), 60)


def test_pasted_in_vain(box):
    """A guest that reads nothing holds the sender for a while only: then the way out is open, and the loss is told."""
    box.run("start deaf")
    box.send("console deaf\r")
    box.expect(r"reads 1000 bytes\r*\n", 20)
    box.send("y" * 20000 + m.LEAVE)
    box.expect(r"(\d+) bytes of what was typed are lost: the guest did not read them", 120)
    assert int(box.match.group(1)) == 20000 - 4096
    box.expect(re.escape(m.PROMPT), 20)
    box.run("destroy deaf")
    assert "shut off" in box.run("domstate deaf")


def test_refused_msrs(box):
    """A guest that asks again and again for an MSR makes one line."""
    box.run("start msrs")
    box.wait_run("console msrs --log", r"DONE \d+ passed", 60)
    box.run("destroy msrs")
    refused = re.findall(r"\] msrs: (?:read|write) of MSR ([0-9a-f]+)", box.run("dmesg"))
    assert refused and len(refused) == len(set(refused))


@pytest.mark.usefixtures("crashes")
def test_line_goes_on(box):
    """The kernel's lines come in front of what is being typed and never into it: it goes aside and is drawn again."""
    box.send("domsta")
    box.expect("domsta", 20)
    # What the first crashes say may be from before.
    for _ in range(4):
        box.expect(r"\n([^\n]*)kernel: domain \d+ vCPU 0 stops", 60)
        assert not box.match.group(1).rpartition("\r")[2], box.match.group(0)
    box.expect(r"\r" + re.escape(m.PROMPT) + "domsta", 60)
    box.send("te hello\r")
    box.expect(r"te hello\r*\nshut off", 20)
    box.expect(re.escape(m.PROMPT), 20)


@pytest.mark.usefixtures("crashes")
def test_console_is_the_guests(box):
    """A guest's console has the guest's bytes only; leaving it tells of the log's lines."""
    box.run("start deaf")
    box.send("console deaf\r")
    box.expect(r"Escape character is[^\n]*\n", 20)
    box.expect(r"reads 1000 bytes\r*\n", 20)
    box.send("x" * 40)
    box.child.expect([m.pexpect.TIMEOUT], timeout=4 * m.PATIENCE)
    assert not m.clean(box.child.before).strip(), box.child.before
    box.send(m.LEAVE)
    box.expect(r"(\d+) lines came to the log meanwhile", 20)
    assert int(box.match.group(1)) > 4
    box.expect(re.escape(m.PROMPT), 20)
    assert "stops at rip" in box.run("dmesg")
    box.run("destroy deaf")


@pytest.mark.usefixtures("crashes")
def test_follow(box):
    """dmesg -w goes on until ^C, each line once."""
    box.send("dmesg -w\r")
    box.expect(r"\n\[ *\d+\.\d{6}\] ", 20)
    for _ in range(2):
        box.expect(r"\n\[[^\n]*\] kernel: domain \d+ vCPU 0 stops", 60)
        assert "\nkernel:" not in box.before
    box.send("\x03")
    box.expect(re.escape(m.PROMPT), 20)
