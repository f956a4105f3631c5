# SPDX-License-Identifier: BSD-2-Clause
"""Linux guests with Debian's generic kernel, which get an NVMe disk, an e1000e and QEMU's device edu of the machine."""

import subprocess

import machine as m

GENERIC = m.BUILD / "linux-generic"
FILES = {"vmlinuz": GENERIC / "vmlinuz", "initrd.gz": GENERIC / "initrd.gz"}
MAC = "52:54:00:77:00:02"
MARK = b"the machine's own disk"
DISK_BYTES = 64 << 20
PAGES = {"/down": bytes(range(1, 256)) * (4 << 12)}  # that the card fetches from the host; wget posts no bytes of 0

# Bus and slot of each device, by the unit. QEMU 7.2's AMD-Vi takes the number that a bus has at power on for its requests,
# which is 0 for all, so its devices are on bus 0. There the card's reset is the way to D3hot, and edu has none.
PLACES = {"vtd": {"nvme": (1, 0), "card": (2, 0), "edu": (3, 0)}, "amdvi": {"nvme": (0, 5), "card": (0, 6)}}
COMPLAINTS = "nobody cared|Call Trace|I/O error|nvme.*(timeout|abort)|Hardware Error|BAR.*(fail|can.t)"


def hostdev(bus, slot=0, function=0, kind="hostdev mode='subsystem' type='pci'"):
    """The element for a function of the machine."""
    return (f"    <{kind} managed='yes'><source><address type='pci' domain='0x0000' bus='0x{bus:02x}' slot='0x{slot:02x}' "
            f"function='0x{function:x}'/></source></{kind.split()[0]}>")


def edu_program(place):
    """tests/hostdev/edu.c for the guest."""
    program = place / "edu"
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", str(program), str(m.TOP / "tests/hostdev/edu.c")],
                   check=True)
    return program


def archives(place, *programs):
    """An initrd for each program, which the guest has in its root: by file name."""
    made = {}
    for program in programs:
        folder = place / f"{program.name}-initrd"
        folder.mkdir()
        made[f"{program.name}.gz"] = folder / "initrd.gz"
        made[f"{program.name}.gz"].write_bytes(m.cpio_gz(folder, program.name, program))
    return made


def devices(place, unit):
    """QEMU's arguments for them; behind VT-d each has a port of its own."""
    image = place / "nvme.img"
    image.write_bytes(MARK + bytes(DISK_BYTES - len(MARK)))
    args = ["-drive", f"file={image},if=none,format=raw,id=nv", "-netdev", "user,id=n2"]
    kinds = {"nvme": "nvme,serial=given,drive=nv", "card": f"e1000e,netdev=n2,mac={MAC}", "edu": "edu"}
    for name, (bus, slot) in PLACES[unit].items():
        if bus:
            args += ["-device", f"pcie-root-port,id=rp{bus},chassis={bus},slot={bus}"]
        args += ["-device", f"{kinds[name]},bus={f'rp{bus}' if bus else 'pcie.0'},addr={slot:x}"]
    return args


def description(name, unit, which, initrds, memory=192, words=""):
    """A guest that gets these of the devices."""
    elements = [hostdev(*PLACES[unit][one], kind="interface type='hostdev'" if one == "card" else "hostdev mode='subsystem' type='pci'")
                for one in which]
    return m.domain_xml(name, "vmlinuz", memory=memory, initrd=["initrd.gz", *initrds], extra="\n".join(elements),
                        cmdline=f"console=ttyS0 cryptomgr.notests quiet panic=-1 hostname={name} ip=none {words}".strip(),
                        head="  <on_reboot>restart</on_reboot>")


def machine(place, unit, guests, initrds, guest_memory=192, words="", **options):
    """
    A machine with the devices; `guests` by name: which of them each gets. The first one starts with the machine, so that dom0
    leaves them alone.
    """
    modules = [(m.BUILD / "dom0.bin", "dom0"), *((file, name) for name, file in (FILES | initrds).items())]
    for name, which in guests.items():
        file = place / f"{name}.{'def' if len(modules) > len(FILES | initrds) + 1 else 'xml'}"
        file.write_text(description(name, unit, which, initrds, guest_memory, words))
        modules.append((file, file.name))
    options = {"memory": 1024, "iommu": m.IOMMUS[unit], **options}
    return m.Machine(place, kernel=m.BUILD / "sampo.elf32", modules=modules, nic=None, args=devices(place, unit), **options)


def function(box, name):
    """Linux's name of the function."""
    device = {"nvme": "0x0010", "card": "0x10d3", "edu": "0x11e8"}[name]
    return box.linux(f"grep -l {device} /sys/bus/pci/devices/*/device").split("/")[5]


def use_nvme(box):
    """The disk has its data, and keeps others."""
    box.linux("echo 3 >/proc/sys/vm/drop_caches")
    assert MARK.decode() in box.linux(f"head -c {len(MARK)} /dev/nvme0n1; echo")
    box.linux("dd if=/dev/urandom of=/tmp/data bs=64k count=32 2>/dev/null; dd if=/tmp/data of=/dev/nvme0n1 bs=64k seek=512 "
              "oflag=direct 2>/dev/null; dd if=/dev/nvme0n1 bs=64k skip=512 count=32 iflag=direct 2>/dev/null | cmp - /tmp/data")


def use_card(box, web):
    """TCP both ways."""
    box.linux("ip link set eth0 up; udhcpc -q -n -i eth0 -s /etc/udhcpc.sh >/dev/null 2>&1; true", 120)
    box.linux(f"wget -q -O /tmp/down {web.url}/down; wget -q -O - --post-file /tmp/down {web.url}/up", 120, status=None)
    assert web.pages["/up"] == PAGES["/down"]
    web.pages["/up"] = b""


def use_edu(box):
    """DMA both ways, interrupts by message and by pin."""
    where = function(box, "edu")
    for what in ("dma", "msi"):
        assert f"edu: {what} works" in box.linux(f"/edu {where} {what}")
    box.linux("[ -e /dev/uio0 ] || echo '1234 11e8' >/sys/bus/pci/drivers/uio_pci_generic/new_id")
    assert "edu: pin works" in box.linux(f"/edu {where} pin")


def use(box, web, which):
    """The guest's devices do what they are for."""
    for name in which:
        {"nvme": lambda: use_nvme(box), "card": lambda: use_card(box, web), "edu": lambda: use_edu(box)}[name]()
    box.linux(f'dmesg | grep -iE "{COMPLAINTS}"', status=1)


def reset(box, name):
    """Linux resets a function. Its driver for the card knows nothing of that, so the card is down meanwhile."""
    if name == "card":
        box.linux("ip link set eth0 down")
    box.linux(f"echo 1 >/sys/bus/pci/devices/{function(box, name)}/reset")
