# SPDX-License-Identifier: BSD-2-Clause
"""The limits that docs/limits.md names: a machine with many of everything."""

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
