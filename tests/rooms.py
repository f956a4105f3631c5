# SPDX-License-Identifier: BSD-2-Clause
"""
Which part of the house may include what of which other.

OUTER has the outer borders: a rule names files by a pattern and the patterns of all that they may include; the first
rule that fits a file counts. RING0 and DOM0 have the rooms inside, from the lowest to the highest, each with the
headers that other rooms may include. A room includes its own files and public headers of lower rooms: so there is no
circle between rooms. CALLS_UP has the exceptions: what a room calls above it is declared in one header.
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
    "arch/iommu/*": "iommu.h",
    "arch/svm/*": "svm.h",
    "arch/vmx/*": "vmx.h",
    "boot/*": "multiboot.h",
    "kernel/console/*": "console.h",
    "kernel/sched/*": "balance.h sched.h",
    "kernel/cpu/percpu.h kernel/cpu/smp.h kernel/cpu/smp.c kernel/cpu/mce.h kernel/cpu/mce.c": "mce.h percpu.h smp.h",
    "kernel/object/*": "device.h domain.h event.h irq.h object.h region.h resource.h up.h",
    "kernel/vcpu/*": "cpuid.h dump.h migrate.h msr.h paravirt.h turn.h vcpu.h vlapic.h",
    "kernel/call/*": "hypercall.h",
    "kernel/cpu/*": "loop.h start.h",
    "kernel/*": "",
}
DOM0 = {
    "guests/dom0/base/*": "cmdline.h cpuset.h env.h hex.h loop.h mac.h memory.h queue.h slow.h sums.h xml.h",
    "guests/dom0/config/*": "config.h",
    "guests/dom0/vm/*": "autostart.h bus.h console.h memory.h part.h state.h vcpu.h vm.h watch.h",
    "guests/dom0/machine/*": "acpi.h bios.h calendar.h cmos.h fwcfg.h hotplug.h i8042.h ioapic.h pci.h pic.h pit.h "
                             "platform.h uart.h vga.h",
    "guests/dom0/tls/*": "keys.h memory.h names.h random.h servers.h session.h trust.h",
    "guests/dom0/cpu/*": "cpu.h msr.h startup.h",
    "guests/dom0/net/*": "http.h http_parse.h https.h lwip.h ntp.h switch.h",
    "guests/dom0/storage/*": "boot_mark.h change.h convert.h copy.h fetch.h first_pool.h image.h image_make.h "
                             "image_volume.h lvm_group.h lvm_tag.h path.h pool.h qcow2_rewrite.h script.h transfer.h "
                             "transient.h volume.h",
    "guests/dom0/store/*": "store.h",
    "guests/dom0/virtio/*": "pci.h virtio.h",
    "guests/dom0/display/*": "display.h keys.h picture.h",
    "guests/dom0/assign/*": "assign.h assign_state.h",
    "guests/dom0/load/*": "load.h",
    "guests/dom0/host/*": "firmware.h",
    "guests/dom0/manage/*": "access.h attach.h authorities.h define.h describe.h documents.h entropy.h exit_names.h "
                            "guest_console.h host.h identity.h intent.h log.h nodedev.h pool_plan.h pools.h "
                            "snapshot.h stats.h tune.h volume_look.h",
    "guests/dom0/rpc/*": "server.h",
    "guests/dom0/web/*": "web.h",
    "guests/dom0/shell/*": "power.h shell.h",
    "guests/dom0/*": "",
}

# The kernel's structures that arch/ works on.
FILLED = ["kernel/cpu/percpu.h", "kernel/object/domain.h", "kernel/vcpu/vcpu.h"]
# What these call in rooms above them is in one header, no less and no more; others call nobody above. The symbols of the
# objects prove it, where there are some.
CALLS_UP = {"arch/*": "arch/up.h", "kernel/object/*": "kernel/object/up.h"}
ENTRIES = {"kernel_main", "ap_main"}  # what boot/start.S calls

# A layout: it names the types of all rooms whose data lie together, and calls nothing.
LAYOUTS = ["guests/dom0/vm/state.h"]


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


def symbols():
    """Of each object of ring 0, by its source: what it needs of others, and what it defines for them."""
    objects = [str(o) for o in sorted((TOP / "build/kernel").glob("**/*.o"))]
    if not objects:
        return {}
    listed = subprocess.run(["nm", "-g", "-P", "-A", *objects], check=True, capture_output=True, text=True).stdout
    found = {}
    for line in listed.splitlines():
        file, symbol, kind = line.split()[:3]
        name = str(pathlib.Path(file.rstrip(":")).relative_to(TOP / "build/kernel")).removesuffix(".o")
        needed, defined = found.setdefault(name, (set(), set()))
        (needed if kind == "U" else defined).add(symbol)
    # What has lost its source is an object of another time.
    return {name: of for name, of in found.items() if (TOP / name).is_file() and room_of(name, RING0) is not None}


def declared(header):
    code = re.sub(r"/\*.*?\*/", "", (TOP / header).read_text(), flags=re.S)
    return set(re.findall(r"(\w+)(?:\(|;)", "".join(line for line in code.splitlines(True) if not line.startswith("struct"))))


def wrong_calls():
    """Calls into rooms of kernel/ above, but for those that a header of CALLS_UP declares; and what it declares for nobody."""
    of = symbols()
    place = {s: room_of(name, RING0) for name, (_, defined) in of.items() if name.startswith("kernel/") for s in defined}
    up = {header: set() for header in CALLS_UP.values()}
    for name, (needed, _) in of.items():
        header = next((h for pattern, h in CALLS_UP.items() if fits(name, [pattern])), "")
        for symbol in needed - ENTRIES:
            if place.get(symbol, 0) <= room_of(name, RING0):
                continue
            if not header or symbol not in declared(header):
                yield f"{name} needs {symbol}, which is in a room above"
            else:
                up[header].add(symbol)
    for header, needed in up.items():
        for symbol in sorted(declared(header) - needed if of else ()):
            yield f"{header} declares {symbol}, which nobody below needs"


def main():
    files = [f for part in ("boot", "arch", "kernel", "drivers", "guests") for f in sorted(TOP.glob(f"{part}/**/*.[chS]"))]
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
                if what:
                    wrong += 1
                    print(f"{name} includes {included}: an include {what} between rooms (tests/rooms.py)")
    for text in wrong_calls():
        wrong += 1
        print(f"{text} (tests/rooms.py)")
    plan = (TOP / "docs/architecture.md").read_text().partition("\n## Ring 0, file by file\n")[2]
    for file in files:
        name = str(file.relative_to(TOP))
        if fits(name, RING0) and not fits(name, ["boot/multiboot1/*"]) and file.suffix != ".h" and f"{file.name}`" not in plan:
            wrong += 1
            print(f"docs/architecture.md does not say what is in {name}")
    print(f"rooms: {len(files)} files, {found} includes, {wrong} not allowed")
    sys.exit(bool(wrong) or not found)


main()
