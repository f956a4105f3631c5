# SPDX-License-Identifier: BSD-2-Clause
"""The limits that docs/limits.md names: a machine with many of everything."""

import re
import subprocess

import pytest

import machine as m

MODULES = 300


def test_modules_and_memory(boot, tmp_path):
    """As many modules as GRUB brings; dom0 has the memory that the command line says."""
    file = tmp_path / "empty.txt"
    file.write_text("nothing\n")
    modules = [(m.BUILD / "dom0.bin", "dom0")] + [(file, f"file-{n}.txt") for n in range(MODULES)]
    box = boot(kernel=m.BUILD / "sampo.elf32", modules=modules, cmdline="dom0-memory=96", nic=None)
    box.expect(rf"dom0: 96 MiB, {MODULES} modules")
    box.boot()


def test_modules_by_grub(boot, iso):
    box = boot(iso=iso({f"file-{n}.txt": "nothing\n" for n in range(MODULES)}), nic=None)
    box.expect(rf"dom0: 64 MiB, {MODULES} modules", 120)
    box.boot()


@pytest.mark.parametrize("names,reason", [([f"{n}.txt" for n in range(7649)], "7649 files: Sampo starts with at most 7648"),
                                          (["x" * 112], "longer than 111")], ids=["many", "long"])
def test_iso_that_cannot_boot(iso, names, reason):
    with pytest.raises(subprocess.CalledProcessError) as refused:
        iso({name: "" for name in names})
    assert reason in refused.value.stderr.decode()


GUESTS = 200
RNG = "    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"


def test_guests(boot, tmp_path):
    """Many guests are described, run and end, in the memory that dom0 has by default; nothing is lost."""
    modules = [(m.BUILD / "dom0.bin", "dom0"), (m.BUILD / "guests/hello.elf", "hello.elf")]
    for n in range(GUESTS):
        file = tmp_path / f"guest-{n:03}.xml"
        mac = f"52:54:00:00:00:{n:02x}"
        file.write_text(m.domain_xml(f"guest-{n:03}", "hello.elf", memory=8, cmdline=f"number={n}", macs=[mac], extra=RNG))
        modules.append((file, file.name))
    box = boot(kernel=m.BUILD / "sampo.elf32", modules=modules, memory=2560, nic=None)
    box.boot(240)
    assert f"{GUESTS} of {GUESTS} guests started" in box.log_text()
    box.wait_run("nodeinfo", r"Domains:\s+1\s", 240)
    for n in (0, GUESTS // 2, GUESTS - 1):
        assert f"number={n}\n" in box.run(f"console guest-{n:03} --log")
    assert box.run("list --all").count("shut off") == GUESTS
    assert re.search(r"Handles:\s+[1-9]\s", box.run("nodeinfo"))


def test_two_terabytes(boot, tmp_path):
    """A machine of 2 TiB, of which QEMU takes what is written; guests that have more than half of it."""
    modules = [(m.BUILD / "dom0.bin", "dom0"), (m.BUILD / "guests/hello.elf", "hello.elf")]
    gib = {"small": 1, "large": 300, "largest": 512, "more": 400}
    for name, size in gib.items():
        file = tmp_path / f"{name}.xml"
        file.write_text(m.domain_xml(name, "hello.elf", memory=size << 10, cmdline=f"size={size}"))
        modules.append((file, file.name))
    box = boot(kernel=m.BUILD / "sampo.elf32", modules=modules, memory="2T", cpu="max,la57=off,phys-bits=46", nic=None,
               args=["-object", "memory-backend-ram,id=ram,size=2T,reserve=off", "-machine", "memory-backend=ram"])
    box.boot(120)
    assert "4 of 4 guests started" in box.log_text()
    for name, size in gib.items():
        box.wait_state(name, "shut off", 120)
        assert f"size={size}\n" in box.run(f"console {name} --log")


CPUS = 255


def test_cpus(boot, tmp_path):
    """As many CPUs as QEMU's xAPIC names: all of them start, the last one runs a guest, and idle ones stand in nobody's way."""
    file = tmp_path / "last.xml"
    file.write_text(m.domain_xml("last", "hello.elf", memory=8, cmdline="number=last",
                                 head=f"  <cputune><vcpupin vcpu='0' cpuset='{CPUS - 1}'/></cputune>"))
    modules = [(m.BUILD / "dom0.bin", "dom0"), (m.BUILD / "guests/hello.elf", "hello.elf"), (file, file.name)]
    box = boot(kernel=m.BUILD / "sampo.elf32", modules=modules, memory=1024, nic=None, cpus=CPUS, apart=True)
    box.expect(rf"kernel: {CPUS} of {CPUS} CPUs run", 120)
    box.boot(60)
    box.wait_state("last", "shut off", 60)
    assert "number=last\n" in box.run("console last --log")
    assert re.search(rf"CPU\(s\): +{CPUS}\s", box.run("nodeinfo"))
