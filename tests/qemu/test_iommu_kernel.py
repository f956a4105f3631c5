# SPDX-License-Identifier: BSD-2-Clause
"""
Bad days behind an IOMMU: a program in dom0's place (tests/kernel/iommu.c) drives QEMU's device edu, which tries to reach memory
that is not for it and to send interrupts of others.

QEMU's VT-d lets messages of the compatibility format pass although the kernel has not enabled them (GCMD.CFI; QEMU 7.2, and in
2025 its main branch still). So the device's own choice of a vector is a check with AMD-Vi alone. By DMA a device of QEMU 7.2 sends
messages with a requester ID that is not its own. QEMU's AMD-Vi records no faults.
"""

import re

import pytest

import machine as m

QUICK = pytest.mark.quick

MAGIC = 0x1d5a6b7c8d9eafb1  # what the device writes where it may not
RAM = 512  # MiB
VTD = "vt-d compatible records unit=0xfed90000"
UNITS = {
    "VT-d": ("intel-iommu,intremap=on", VTD),
    "VT-d, 4 levels, caching mode": ("intel-iommu,intremap=on,aw-bits=48,caching-mode=on", VTD),
    "AMD-Vi": ("amd-iommu,intremap=on", "unit=0xfed80000"),
}
EDU = ["-device", "edu,dma_mask=0xffffffffffffffff"]


def start(boot, unit, words, cmdline=""):
    """The program, with the device behind the unit. QEMU stays when the machine has powered off, so its memory can be read."""
    args = (["-device", unit] if unit else []) + EDU + ["-no-shutdown"]
    return boot(kernel=m.BUILD / "sampo.elf32", cpu="EPYC,+svm", memory=RAM, nic=None, icount=True, cpus=1, apart=True,
                cmdline=cmdline, args=args,
                modules=[(m.BUILD / "tests/abi.bin", f"dom0 iommu {words} ram={RAM} magic={MAGIC:#x}")])


def ends_well(box):
    """What the program says; all its checks passed."""
    box.expect(r"(?:DONE \d+ passed, \d+ failed|panic)[^\n]*\n", 120)
    text = box.log_text()
    assert "panic" not in text.lower() and "NMI" not in text, box.tail()
    assert "FAIL" not in text, "\n".join(re.findall(r"FAIL.*", text))
    assert re.search(r"DONE [1-9]\d* passed, 0 failed", text), box.tail()
    return text


def memory(box):
    """All RAM of a machine that has powered off."""
    box.expect(r"kernel: power off", 20)
    file = box.directory / "memory"
    box.monitor("stop")
    box.monitor(f'pmemsave 0 {RAM << 20} "{file}"')
    content = file.read_bytes()
    file.unlink()
    assert len(content) == RAM << 20
    return content


@QUICK
@pytest.mark.parametrize("unit", UNITS)
def test_bad_days(boot, unit):
    """The device reaches nothing that it may not, it raises no event but its own, and the log tells of that within limits."""
    device, words = UNITS[unit]
    box = start(boot, device, words)
    text = ends_well(box)
    told = re.findall(r"iommu: 00:0\d\.0 \(edu\) (?:write to|read of) [0-9a-f]+ blocked, reason \w+", text)
    cut = re.findall(r"iommu: 00:0\d\.0 \(edu\) has been cut off", text)
    assert (len(told), len(cut)) == ((16, 1) if "records" in words else (0, 0))
    assert ("(edu) write to" in text) == ("records" in words)
    content = memory(box)
    assert b"SAMPOIMG" in content  # it is the machine's
    assert (MAGIC.to_bytes(8, "little") * 2) not in content


@QUICK
@pytest.mark.parametrize("unit,cmdline,reason", [
    (None, "", "firmware tells of none"),
    ("intel-iommu,intremap=on", "iommu=off", "the command line has iommu=off"),
    ("amd-iommu,intremap=on", "iommu=off", "the command line has iommu=off"),
])
def test_without(boot, unit, cmdline, reason):
    """No IOMMU, or none wanted: the log says so, no device is given to another domain, and a device reaches everything."""
    text = ends_well(start(boot, unit, "unit=0xfed90000", cmdline))
    assert re.search(rf"kernel: no IOMMU in use \({reason}[^\n]*\): DMA of devices is NOT isolated", text)
    assert "PASS iommu: without one the kernel can be read" in text


@QUICK
def test_required(boot):
    """Without an IOMMU the kernel refuses to start, with the reason on the serial console and on the screen."""
    box = start(boot, None, "", "iommu=required")
    box.expect(r"Sampo cannot start: [^\n]*\n", 30)
    said = box.before + box.match.group(0)
    assert "iommu=required, and no IOMMU can be used: firmware tells of none" in said
    assert "iommu=required" in box.screen()
    assert "PASS" not in said


@QUICK
def test_required_and_there(boot):
    box = start(boot, "intel-iommu,intremap=on", VTD, "iommu=required")
    box.expect(r"PASS iommu: a device reaches its domain's RAM", 60)
    assert re.search(r"kernel: VT-d, 1 unit, interrupts remapped", box.log_text())


@QUICK
def test_unknown_value(boot):
    """A value that the kernel does not know changes nothing, and the log names the option."""
    box = start(boot, "amd-iommu,intremap=on", "unit=0xfed80000", "iommu=of")
    box.expect(r"PASS iommu: a device reaches its domain's RAM", 60)
    text = box.log_text()
    assert 'kernel: iommu= is "off" or "required"' in text
    assert re.search(r"kernel: AMD-Vi, 1 unit, interrupts remapped", text)
