# SPDX-License-Identifier: BSD-2-Clause
"""Sampo in Bochs, whose Intel models have VMX: today the clear refusal."""

import os
import re
import subprocess
import time

import pytest

import machine as m

CONFIG = """\
display_library: term
romimage: file=/usr/share/bochs/BIOS-bochs-latest, options=fastboot
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model={model}, count=1, ips=50000000, reset_on_triple_fault=0, ignore_bad_msrs=0
memory: guest=512, host=512
pci: enabled=1, chipset=i440fx
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15
ata0-master: type=cdrom, path={iso}, status=inserted
boot: cdrom
clock: sync=none, time0=1577836800
com1: enabled=1, mode=file, dev={serial}
log: {log}
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
mouse: enabled=0
sound: driver=dummy
speaker: enabled=0
"""


class Bochs:
    """One Bochs; its serial console is a file."""

    def __init__(self, directory, iso, model):
        self.serial = directory / "serial.txt"
        rc = directory / "bochsrc"
        rc.write_text(CONFIG.format(model=model, iso=iso, serial=self.serial, log=directory / "bochs.log"))
        commands = directory / "commands"
        commands.write_text("c\n")
        self.process = subprocess.Popen(
            ["bochs", "-q", "-f", str(rc), "-rc", str(commands)], cwd=directory, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "TERM": "vt100"})

    def text(self):
        if not self.serial.exists():
            return ""
        return m.clean(self.serial.read_bytes().decode(errors="replace"))

    def expect(self, pattern, timeout=90):
        deadline = time.monotonic() + timeout * m.PATIENCE
        while True:
            found = re.search(pattern, self.text())
            if found:
                return found
            ended = self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                tail = "\n".join(self.text().splitlines()[-60:])
                raise m.Failure(f"no {pattern!r}{' and Bochs ended' if ended else ''}\n---\n{tail}\n---")
            time.sleep(0.2)

    def stop(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def bochs(tmp_path):
    started = []

    def start(iso, model):
        started.append(Bochs(tmp_path, iso, model))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.mark.parametrize("model", ["corei7_haswell_4770", "core2_penryn_t9600"])
def test_refusal_without_svm(bochs, iso, model):
    box = bochs(iso(None), model)
    box.expect(r"(?i)svm")
