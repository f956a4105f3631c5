# SPDX-License-Identifier: BSD-2-Clause
"""Our own small guests, bare and as guests of Sampo: what each prints."""

import re
import socket
import urllib.request

import pytest

import machine as m

# name of guests/small, memory in MiB, what it prints
PRINTS = [
    ("real16", 4, r"4\r*\n"),
    ("hello", 16, r"Hello from a 64-bit guest of Sampo"),
    ("tasks32", 16, r"tasks: ABCDEFGHIJK done"),
]


def small_modules(directory, name, memory):
    xml = directory / f"{name}.xml"
    xml.write_text(m.domain_xml(name, f"{name}.elf", memory=memory))
    return [(m.BUILD / "dom0.bin", "dom0"), (xml, xml.name), (m.BUILD / f"guests/{name}.elf", f"{name}.elf")]


@pytest.mark.quick
@pytest.mark.parametrize("name,memory,prints", PRINTS, ids=[p[0] for p in PRINTS])
def test_prints(boot, tmp_path, name, memory, prints):
    box = boot(kernel=m.BUILD / "sampo.elf32", modules=small_modules(tmp_path, name, memory), memory=256,
               nic=None).boot()
    output = box.wait_run(f"console {name} --log", prints, 20)
    assert re.search(prints, output)


# Each feature that a word on the kernel's command line turns off: the table of arch/hv.h.
FEATURES = re.findall(r'X\([A-Z]+, "(\w+)"\)', (m.TOP / "arch/hv.h").read_text())
FEATURES.remove("features")  # test_kernel_words
FEATURES_OF_INTEL = ("vpid", "ad", "vid", "ple", "pml")
FEATURES_OF_AMD = ("nrips", "flushbyasid", "pausefilter")


@pytest.mark.quick
@pytest.mark.parametrize("feature", FEATURES)
def test_without(boot, request, tmp_path, feature):
    """With every other feature that the CPU has, and without this one, guests run."""
    options = {}
    if request.config.getoption("--machine") == "bochs":
        options = {"model": "ryzen" if feature in FEATURES_OF_AMD else "corei7_skylake_x", "all_msrs": feature == "vid"}
    elif feature in FEATURES_OF_INTEL:
        pytest.skip("QEMU has no Intel CPU with VMX")
    box = boot(kernel=m.BUILD / "sampo.elf32", modules=small_modules(tmp_path, "hello", 16), memory=256, nic=None,
               cmdline=f"no-{feature}", **options)
    box.expect(r"kernel: (?:VMX|SVM)(?: with)?([^\n,]*)\n", 60)
    assert feature not in box.match.group(1).split()
    box.expect(r"hello: powered off", 60)


@pytest.mark.quick
def test_hello_bare(boot):
    """The runtime needs no hypervisor: the same image boots in the bare machine."""
    box = boot(kernel=m.BUILD / "guests/hello.elf", cmdline="some words", nic=None, memory=64)
    box.expect(r"Hello from a 64-bit guest\r*\n")
    box.expect(r"command line: .*some words")
    box.expect_end()


def free_tcp_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def fetch(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=120) as page:
        return page.read().decode()


@pytest.mark.quick
def test_webserver(boot, tmp_path):
    """The web server answers the host through dom0's switch, again and again; its cable can be pulled."""
    port = free_tcp_port()
    xml = tmp_path / "web.xml"
    xml.write_text(m.domain_xml("web", "webserver.elf", memory=16, macs=["52:54:00:00:01:03"]))
    modules = [(m.BUILD / "dom0.bin", "dom0 ip=off"), (xml, xml.name),
               (m.BUILD / "guests/webserver.elf", "webserver.elf")]
    box = boot(kernel=m.BUILD / "sampo.elf32", modules=modules, memory=256,
               netdev=f"user,id=net,hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:80").boot()
    box.wait_run("console web --log", r"webserver: http://10\.0\.2\.15/", 30)
    for _ in range(20):
        assert "It works" in fetch(port)
    assert "network stack is off" in box.run("net")
    assert int(re.search(r"web/0 rx_packets (\d+)", box.run("domifstat web web/0")).group(1)) >= 40

    box.run("domif-setlink web web/0 down")
    box.wait_run("console web --log", "link down", 20)
    box.run("domif-setlink web web/0 up")
    box.wait_run("console web --log", "link down\r*\n[^$]*link up", 20)
    assert "It works" in fetch(port)


@pytest.mark.quick
def test_poweroff(boot, tmp_path):
    """One guest does not listen to its power button: the operator sees it, gets the shell back, starts nothing, and hurries."""
    box = boot(kernel=m.BUILD / "sampo.elf32", modules=small_modules(tmp_path, "webserver", 16), memory=256,
               nic=None).boot()
    box.send("poweroff\r")
    box.expect(r"Waiting for 1 domain, \d+ s.*\n\s*webserver, which does not listen to its power button yet", 30)
    box.send("\r")
    box.expect(r"end goes on[^#]*" + re.escape(m.PROMPT), 30)
    assert "the machine is being turned off" in box.run("create webserver.xml")
    box.send("poweroff --force\r")
    box.expect("'webserver' destroyed: by force", 30)
    box.expect("Power down", 30)
    box.expect_end(20)


def test_multiboot2(boot, tmp_path):
    """A multiboot2 kernel at an unusual address gets its command line and its modules."""
    (tmp_path / "first").write_bytes(b"the first module")
    (tmp_path / "second").write_bytes(b"another")
    (tmp_path / "third").write_bytes(b"")
    xml = tmp_path / "mb2.xml"
    xml.write_text(m.domain_xml("mb2", "multiboot2-32.elf", memory=16, initrd=["first with words", "second", "third"],
                                cmdline="root=nowhere debug"))
    files = [(xml, "mb2.xml"), (m.BUILD / "guests/multiboot2-32.elf", "multiboot2-32.elf"),
             *((tmp_path / name, name) for name in ("first", "second", "third"))]
    box = boot(kernel=m.BUILD / "sampo.elf32", modules=[(m.BUILD / "dom0.bin", "dom0"), *files], memory=256,
               nic=None).boot()
    said = box.wait_run("console mb2 --log", "multiboot2: done")
    assert "multiboot2: command line: root=nowhere debug\n" in said
    assert "multiboot2: module: first with words: the first module\n" in said
    assert "multiboot2: module: second: another\n" in said
    assert "multiboot2: module: third: \n" in said
    box.wait_state("mb2", "shut off")
