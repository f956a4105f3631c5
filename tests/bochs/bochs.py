# SPDX-License-Identifier: BSD-2-Clause
"""A machine in Bochs, whose Intel models have VMX; driven as machine.Machine is, so that the same tests run in it."""

import os
import pathlib
import pty
import subprocess
import time
import tty

import pexpect
from pexpect import fdpexpect

import machine as m

CYLINDER = 16 * 63 * 512  # Bochs wants whole ones

# The tests of tests/qemu that run in Bochs, by the beginnings of their names.
RUNS = (
    "tests/bochs/",
    "tests/qemu/test_boot.py::test_direct",
    "tests/qemu/test_boot.py::test_kernel_words",
    "tests/qemu/test_small.py::test_prints",
    "tests/qemu/test_small.py::test_without",
    "tests/qemu/test_guests.py::",
    "tests/qemu/test_demo.py::",
    "tests/qemu/test_smp.py::test_rules",
    "tests/qemu/test_smp.py::test_crash",
    "tests/qemu/test_stress.py::test_stress",
    "tests/qemu/test_kernel.py::",
    "tests/qemu/test_mitigations.py::test_none",
    "tests/qemu/test_mitigations.py::test_forced",
)

CONFIG = """\
display_library: term
romimage: file={firmware}
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
vga: extension=none
cpu: model={model}, count={cpus}, ips=50000000, reset_on_triple_fault=0, ignore_bad_msrs={bad_msrs}
memory: guest={memory}, host={memory}
pci: enabled=1, chipset=i440fx{slots}
{nic}
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15
{disk}
ata1-master: type=cdrom, path={iso}, status=inserted
boot: cdrom
clock: sync=none, time0=1577836800
com1: enabled=1, mode=term, dev={serial}
log: {log}
panic: action=fatal{survives}
error: action=ignore
info: action=ignore
debug: action=ignore
mouse: enabled=0
sound: driver=dummy
speaker: enabled=0
"""

# OVMF reads MSRs that these CPUs do not have.
FIRMWARE = {"bios": "/usr/share/bochs/BIOS-bochs-latest, options=fastboot", "uefi": "/usr/share/ovmf/OVMF.fd"}


class Bochs(m.Machine):
    """One Bochs; its serial port is a terminal of the host's. What only QEMU understands (args) is not taken."""

    patience = 2 * m.Machine.patience

    def __init__(self, directory, iso=None, kernel=None, modules=(), cmdline="", memory=512, image=None, nic="e1000",
                 netdev="user", model="corei7_haswell_4770", firmware="bios", cpus=None, all_msrs=False, **unused):
        self.directory = pathlib.Path(directory)
        self.log = self.directory / "serial.log"
        self.where = None
        self.child = None
        self.process = None
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        if iso is None:
            iso = self.make_iso(kernel, modules, cmdline)
        if image is not None:
            self.round_up(image)
        # A guest's triple fault is a panic of the emulator's where it has SVM; the next command goes on behind it.
        survives = ", cpu0=report" if model == "ryzen" else ""
        config = CONFIG.format(
            survives=survives, cpus=cpus or m.CPUS, firmware=FIRMWARE[firmware], model=model,
            bad_msrs=int(all_msrs or firmware == "uefi"),
            memory=memory, iso=iso, serial=os.ttyname(self.slave), log=self.directory / "bochs.log",
            slots=", slot1=e1000" if nic else "",
            nic=f'e1000: card=0, enabled=1, mac=52:54:00:12:34:56, ethmod={"slirp" if netdev == "user" else netdev}, '
                'script=""' if nic else "",
            disk=f"ata0-master: type=disk, mode=flat, path={image}, translation=lba" if image is not None else "")
        (self.directory / "bochsrc").write_text(config)
        (self.directory / "commands").write_text("c\n" * (1000 if survives else 1))

    def make_iso(self, kernel, modules, cmdline):
        """GRUB is the only way in: an ISO of what QEMU loads by itself."""
        files, dom0, words = {}, None, ""
        for file, text in modules:
            name, _, rest = text.partition(" ")
            if name == "dom0":
                dom0, words = file, rest
            else:
                files[name] = pathlib.Path(file)
        elf = kernel.with_suffix(".elf") if kernel is not None else None
        return m.make_iso(self.directory / "iso", files or None, cmdline=cmdline, dom0_cmdline=words, kernel=elf,
                          dom0=dom0)

    @staticmethod
    def round_up(image):
        size = os.stat(image).st_size
        os.truncate(image, -(-size // CYLINDER) * CYLINDER)

    def start(self):
        self.log_file = open(self.log, "a", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen(
            ["bochs", "-q", "-unlock", "-f", str(self.directory / "bochsrc"), "-rc", str(self.directory / "commands")],
            cwd=self.directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "TERM": "vt100"})
        self.child = fdpexpect.fdspawn(self.master, encoding="utf-8", codec_errors="replace", timeout=60)
        self.child.logfile_read = self.log_file
        self.child.delaybeforesend = 0.02
        return self

    def send(self, text):
        """The UART's FIFO has 16 bytes, and Bochs does not wait for it to be read."""
        for n in range(0, len(text), 8):
            self.child.send(text[n:n + 8])
            time.sleep(0.03)

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
            self.log_file.close()
            self.child = None
            os.close(self.master)
            os.close(self.slave)

    def expect_end(self, timeout=60):
        """Waits for Bochs to end: it does when the machine powers off. A reset starts the machine again."""
        __tracebackhide__ = True
        deadline = time.monotonic() + timeout * self.patience
        while self.process.poll() is None:
            self.child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=0.5)
            if time.monotonic() > deadline:
                self.fail(f"the machine did not end within {timeout * self.patience:.0f} s", late=True)
        self.child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=0.5)
        return self.process.returncode

    def registers(self):
        return ""

    def monitor(self, command, timeout=20):
        raise NotImplementedError("Bochs has no monitor while it runs")

