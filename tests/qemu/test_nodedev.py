# SPDX-License-Identifier: BSD-2-Clause
"""The machine's devices, as nodedev-list and nodedev-dumpxml show them."""

import machine as m


def sriov_nvme(tmp_path):
    """An NVMe controller behind a PCIe port, which can have four virtual functions: SR-IOV lies in extended configuration space."""
    image = tmp_path / "nvme.img"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    return ["-device", "pcie-root-port,id=rp,chassis=1,slot=1", "-device", "nvme-subsys,id=s0",
            "-drive", f"file={image},if=none,format=raw,id=nv",
            "-device", "nvme,serial=x,id=nvme0,subsys=s0,bus=rp,sriov_max_vfs=4,sriov_vq_flexible=8,sriov_vi_flexible=4,"
                       "max_ioqpairs=12,msix_qsize=13",
            "-device", "nvme-ns,drive=nv,bus=nvme0"]


def test_nodedev(boot, tmp_path):
    box = boot(kernel=m.BUILD / "sampo.elf32", memory=512, args=sriov_nvme(tmp_path), modules=[(m.BUILD / "dom0.bin", "dom0")])
    box.boot(120)
    names = box.run("nodedev-list").split()
    assert {"computer", "pci_0000_00_00_0", "pci_0000_00_02_0", "pci_0000_01_00_0"} <= {*names}
    assert box.run("nodedev-list --cap system").split() == ["computer"]
    assert box.run("nodedev-list --cap usb,pci").split() == [name for name in names if name != "computer"]
    assert "incompatible" in box.run("nodedev-list --tree --cap pci")
    tree = box.run("nodedev-list --tree")
    port = next(line for line in tree.splitlines() if line.startswith("  +- ") and f"{line}\n  |   |\n  |   +- pci_0000_01_00_0" in tree)
    xml = box.run("nodedev-dumpxml pci_0000_01_00_0")
    for line in (f"<parent>{port[5:]}</parent>", "<name>nvme</name>", "<class>0x010802</class>", "<bus>1</bus>", "<slot>0</slot>",
                 "<function>0</function>", "<product id='0x0010'/>", "<vendor id='0x1b36'/>",
                 "<capability type='virt_functions' maxCount='4'/>", "<link validity='sta' speed='2.5' width='1'/>"):
        assert line in xml, xml
    assert "<capability type='pci-bridge'/>" in box.run(f"nodedev-dumpxml {port[5:]}")
    assert "<name>e1000</name>" in box.run("nodedev-dumpxml pci_0000_00_02_0")
    assert "type='system'" in box.run("nodedev-dumpxml computer")
    assert "Could not find matching device 'pci_0000_05_00_0'" in box.run("nodedev-dumpxml pci_0000_05_00_0")
