# SPDX-License-Identifier: BSD-2-Clause
"""
Which part of the house may include what of which other.

OUTER has the outer borders: a rule names files by a pattern and the patterns of all that they may include; the first
rule that fits a file counts. RING0 and DOM0 have the rooms inside, from the lowest to the highest, each with the
headers that other rooms may include. A room includes its own files and public headers of lower rooms: so there is no
circle between rooms. KNOWN has the includes that are wrong today. The list only shrinks: an entry that nothing needs
any more is an error too.
"""

import fnmatch
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include "([^"]+)"', re.M)
KERNEL = ["boot/*", "arch/*", "kernel/*"]
OUTER = [
    # Neither vendor knows the other.
    ("arch/svm/*", ["boot/*", "arch/*.h", "arch/svm/*", "kernel/*"], ["arch/vmx/*"]),
    ("arch/vmx/*", ["boot/*", "arch/*.h", "arch/vmx/*", "kernel/*"], ["arch/svm/*"]),
    # The program that `qemu -kernel` starts has the kernel inside and shares no code with it.
    ("boot/multiboot1/*", ["boot/*", "build/*"], []),
    # Ring 0 knows nothing above it.
    ("boot/*", KERNEL, []),
    ("arch/*", KERNEL, []),
    ("kernel/*", KERNEL, []),
    # Drivers know their environment and the shapes of what they serve, and nothing of virtualization.
    ("drivers/*", ["drivers/*"], []),
    # The program that seals dom0's image shares the checksum with the kernel that checks it.
    ("guests/lib/seal.c", ["kernel/abi.h", "kernel/base/crc32c.h"], []),
    # Of ring 0 a guest sees the interface; small guests know neither dom0 nor drivers.
    ("guests/lib/*", ["guests/lib/*", "kernel/abi.h"], []),
    ("guests/small/*", ["guests/lib/*", "guests/small/*"], []),
    ("guests/dom0/*", ["guests/dom0/*", "guests/lib/*", "drivers/*", "kernel/abi.h"], []),
]

# Room: the patterns of its files, and its public headers by their names. The first room that fits a file has it.
RING0 = {
    "kernel/base/types.h kernel/abi.h boot/boot_info.h": "abi.h boot_info.h types.h",
    "arch/cpu.h arch/gpr.h arch/lapic.h arch/msr.h arch/this_cpu.h arch/tsc.h": "cpu.h gpr.h lapic.h msr.h this_cpu.h tsc.h",
    "kernel/base/*": "crc32c.h frame.h heap.h lock.h log.h options.h panic.h print.h ring.h slab.h step.h timer.h",
    "arch/*": "acpi.h apic.h barrier.h debugreg.h fpu.h guard_asm.h hv.h ioapic.h paging.h platform.h ptab.h trap.h tss.h up.h",
    "arch/svm/*": "svm.h",
    "arch/vmx/*": "vmx.h",
    "boot/*": "multiboot.h",
    "kernel/console/*": "console.h",
    "kernel/sched/*": "migrate.h sched.h",
    "kernel/object/*": "device.h domain.h event.h irq.h object.h region.h resource.h",
    "kernel/vcpu/*": "dump.h exit.h paravirt.h vcpu.h vlapic.h",
    "kernel/cpu/*": "loop.h mce.h percpu.h start.h",
    "kernel/call/*": "",
    "kernel/*": "",
}
DOM0 = {
    "guests/dom0/base/*": "cpuset.h env.h hex.h loop.h memory.h sums.h",
    "guests/dom0/config/*": "config.h",
    "guests/dom0/vm/*": "autostart.h bus.h console.h part.h state.h vcpu.h vm.h",
    "guests/dom0/machine/*": "acpi.h bios.h calendar.h cmos.h ioapic.h pci.h pic.h pit.h platform.h uart.h",
    "guests/dom0/cpu/*": "cpu.h msr.h startup.h",
    "guests/dom0/net/*": "lwip.h switch.h",
    "guests/dom0/virtio/*": "pci.h virtio.h",
    "guests/dom0/load/*": "load.h",
    "guests/dom0/host/*": "firmware.h",
    "guests/dom0/manage/*": "exit_names.h log.h stats.h",
    "guests/dom0/shell/*": "power.h shell.h",
    "guests/dom0/*": "",
}

# The kernel's structures that arch/ works on. What it calls up there is in arch/up.h alone, which the symbols of the
# objects prove where there are some.
FILLED = ["kernel/cpu/percpu.h", "kernel/object/domain.h", "kernel/vcpu/vcpu.h"]
CALLS_UP = "arch/up.h"

# A layout: it names the types of all rooms whose data lie together, and calls nothing.
LAYOUTS = ["guests/dom0/vm/state.h"]

# "file header", one a line.
KNOWN = """
kernel/base/lock.c kernel/cpu/percpu.h
kernel/base/log.c kernel/console/console.h
kernel/base/log.c kernel/cpu/percpu.h
kernel/base/panic.c kernel/console/console.h
kernel/base/panic.c kernel/cpu/smp.h
kernel/console/console.c kernel/object/domain.h
kernel/console/console.c kernel/object/event.h
kernel/console/debug.c kernel/object/domain.h
kernel/console/debug.c kernel/vcpu/dump.h
kernel/console/debug.c kernel/vcpu/vcpu.h
kernel/object/domain.c kernel/vcpu/vcpu.h
kernel/object/event.c kernel/vcpu/vcpu.h
kernel/object/irq.c kernel/cpu/loop.h
kernel/object/irq.c kernel/cpu/smp.h
kernel/object/irq.c kernel/vcpu/vcpu.h
kernel/object/object.c kernel/vcpu/vcpu.h
kernel/object/region.c kernel/cpu/smp.h
kernel/sched/migrate.c kernel/cpu/loop.h
kernel/sched/migrate.c kernel/vcpu/vcpu.h
kernel/vcpu/exit.c kernel/call/hypercall.h
kernel/vcpu/exit.c kernel/cpu/interrupt.h
kernel/vcpu/exit.c kernel/cpu/loop.h
kernel/vcpu/exit.c kernel/cpu/mce.h
kernel/vcpu/inject.c kernel/cpu/loop.h
kernel/vcpu/vcpu.c kernel/cpu/loop.h
kernel/vcpu/vcpu.h kernel/cpu/smp.h
"""


def fits(name, patterns):
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def refused(name, included):
    for of, allowed, never in OUTER:
        if fits(name, [of]):
            return fits(included, never) or not fits(included, allowed)
    return True


def room_of(name, rooms):
    """The place of a file's room, from the lowest; None: the file is in none of these rooms."""
    folder = name.rsplit("/", 1)[0] + "/*"
    for place, patterns in enumerate(rooms):
        if name in patterns.split() or folder in patterns.split():
            return place
    return None


def wrong_inside(name, included, rooms):
    """What is wrong with an include between two rooms, or None."""
    of, to = room_of(name, rooms), room_of(included, rooms)
    if of is None or to is None or of == to:
        return None
    if name in LAYOUTS or (name.startswith("arch/") and included in FILLED):
        return None
    if to > of:
        return "upward"
    public = list(rooms.values())[to]
    if included.rsplit("/", 1)[-1] not in public.split():
        return "of a private header"
    return None


def symbols(objects):
    """What the objects need, and what they define, for others."""
    needed, defined = set(), set()
    listed = subprocess.run(["nm", "-g", "-P", *objects], check=True, capture_output=True, text=True).stdout
    for symbol, kind in (line.split()[:2] for line in listed.splitlines() if len(line.split()) > 1):
        (needed if kind == "U" else defined).add(symbol)
    return needed, defined


def wrong_calls():
    """Names that arch/ needs of the kernel and CALLS_UP does not declare, and the reverse."""
    objects = sorted((TOP / "build/kernel").glob("*/**/*.o"))
    part = lambda o: str(o.relative_to(TOP / "build/kernel"))
    arch = [o for o in objects if part(o).startswith("arch/")]
    kernel = [o for o in objects if part(o).startswith("kernel/") and not part(o).startswith("kernel/base/")]
    if not arch or not kernel:
        return set()
    code = re.sub(r"/\*.*?\*/", "", (TOP / CALLS_UP).read_text(), flags=re.S)
    declared = set(re.findall(r"(\w+)(?:\(|;)", "".join(line for line in code.splitlines(True) if not line.startswith("struct"))))
    return declared ^ (symbols(arch)[0] & symbols(kernel)[1])


def main():
    files = [f for part in ("boot", "arch", "kernel", "drivers", "guests") for f in sorted(TOP.glob(f"{part}/**/*.[chS]"))]
    known = set(KNOWN.strip().splitlines())
    used = set()
    found = wrong = 0
    for file in files:
        name = str(file.relative_to(TOP))
        for included in INCLUDE.findall(file.read_text()):
            # What is not a file of the project is generated, or a library's.
            if not (TOP / included).is_file():
                continue
            found += 1
            if refused(name, included):
                wrong += 1
                print(f"{name} includes {included}, which its place in the house does not allow (tests/rooms.py)")
            for rooms in (RING0, DOM0):
                what = wrong_inside(name, included, rooms)
                if not what:
                    continue
                used.add(f"{name} {included}")
                if f"{name} {included}" not in known:
                    wrong += 1
                    print(f"{name} includes {included}: an include {what} between rooms (tests/rooms.py)")
    for symbol in sorted(wrong_calls()):
        wrong += 1
        print(f"{symbol}: {CALLS_UP} declares what arch/ calls in the kernel, no less and no more")
    for entry in sorted(known - used):
        wrong += 1
        print(f"tests/rooms.py knows '{entry}', which nothing needs any more")
    plan = (TOP / "docs/architecture.md").read_text().partition("\n## Ring 0, file by file\n")[2]
    for file in files:
        name = str(file.relative_to(TOP))
        if fits(name, RING0) and not fits(name, ["boot/multiboot1/*"]) and file.suffix != ".h" and f"{file.name}`" not in plan:
            wrong += 1
            print(f"docs/architecture.md does not say what is in {name}")
    print(f"rooms: {len(files)} files, {found} includes, {wrong} not allowed, {len(used)} known")
    sys.exit(bool(wrong) or not found)


main()
