# SPDX-License-Identifier: BSD-2-Clause
"""Machine checks, which QEMU's monitor injects. They come while the CPU sleeps: QEMU gives a guest's to the guest."""

import re
import time

import machine as m

KERNEL = m.BUILD / "sampo.elf32"
DOM0 = m.BUILD / "dom0.bin"
BANK = 2
VALID, UNCORRECTED, ENABLED, ADDRESS, LOST, SIGNALED, ACTION = (1 << n for n in (63, 61, 60, 58, 57, 56, 55))
CAN_RETURN, IN_PROGRESS = 1, 4


def start(boot):
    return boot(kernel=KERNEL, modules=[(DOM0, "dom0")], memory=256, nic=None, cpus=1).boot()


def inject(box, status, is_global=CAN_RETURN | IN_PROGRESS):
    box.monitor(f"mce 0 {BANK} {status:#x} {is_global:#x} 0x12345000 0")


def test_corrected(boot):
    """A corrected error is found within a second or two, and hurts nobody."""
    box = start(boot)
    inject(box, VALID | ADDRESS | 0x009f, 0)
    box.expect(r"machine check: CPU 0 bank 2: memory controller, corrected: status 8400[0-9a-f]+ address 12345000 ", 30)
    assert "Memory size" in box.run("nodeinfo")
    assert re.search(r"Machine checks: +1 corrected", box.run("nodeinfo"))


def uncorrected(boot, status, is_global, says):
    """The injection until it finds the CPU asleep: QEMU resets the machine when it finds a guest whose CR4.MCE is off."""
    for tries in range(4):
        box = start(boot)
        time.sleep(1)
        try:
            inject(box, status, is_global)
            box.expect(says, 30)
            return box
        except (m.Failure, OSError):
            if tries == 3 or "machine check" in box.log_text():
                raise
    return None


def test_optional(boot):
    """Bad memory that nobody has used: the kernel goes on where it was."""
    box = uncorrected(boot, VALID | UNCORRECTED | ENABLED | ADDRESS | SIGNALED | 0x00cf, CAN_RETURN | IN_PROGRESS,
                      r"machine check: CPU 0 bank 2: memory controller, uncorrected, not used: ")
    assert "Memory size" in box.run("nodeinfo")


def test_fatal(boot):
    """The CPU's state is lost: the machine stops, and says why."""
    box = uncorrected(boot, VALID | UNCORRECTED | ENABLED | LOST | SIGNALED | ACTION | 0x0135, IN_PROGRESS,
                      r"machine check: CPU 0 bank 2: cache, fatal: ")
    box.expect(r"Sampo panic: a machine check in the kernel", 30)
