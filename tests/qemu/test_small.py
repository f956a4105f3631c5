# SPDX-License-Identifier: BSD-2-Clause
"""Our own small guests, bare and as guests of Sampo: what each prints."""

import re

import pytest

import machine as m

# name of guests/small, memory in MiB, what it prints
PRINTS = [
    ("real16", 4, r"4\r*\n"),
    ("hello", 16, r"Hello from a 64-bit guest of Sampo"),
]


def small_modules(directory, name, memory):
    xml = directory / f"{name}.xml"
    xml.write_text(m.domain_xml(name, f"{name}.elf", memory=memory))
    return [(m.BUILD / "dom0.elf", "dom0"), (xml, xml.name), (m.BUILD / f"guests/{name}.elf", f"{name}.elf")]


@pytest.mark.quick
@pytest.mark.parametrize("name,memory,prints", PRINTS, ids=[p[0] for p in PRINTS])
def test_prints(boot, tmp_path, name, memory, prints):
    box = boot(kernel=m.BUILD / "sampo.elf32", modules=small_modules(tmp_path, name, memory), memory=256,
               nic=None).boot()
    output = box.wait_run(f"console {name} --log", prints, 20)
    assert re.search(prints, output)


@pytest.mark.quick
def test_hello_bare(boot):
    """The runtime needs no hypervisor: the same image boots in the bare machine."""
    box = boot(kernel=m.BUILD / "guests/hello.elf", cmdline="some words", nic=None, memory=64)
    box.expect(r"Hello from a 64-bit guest\r*\n")
    box.expect(r"command line: .*some words")
    box.expect_end()
