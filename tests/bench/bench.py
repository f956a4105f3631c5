# SPDX-License-Identifier: BSD-2-Clause
"""
The figures, under `qemu -icount`, where the time-stamp counter of the one CPU counts instructions: of the small guests
whose names begin with "bench", and of a Linux system, bare and as a guest. Each program prints lines `bench NAME VALUE`.
The columns VMX are of the same programs as guests in Bochs, whose counter counts instructions too, and for each entry
with its exit about 120 more. With two CPUs QEMU's are threads of the host, without -icount: only ratios within a run mean anything.

A figure is the least of some rounds; behind it in parentheses is the mean, if the program tells it, in which other work of
the machine has a share. It ends with status 1 if a figure is missing, or 3 % worse than the table in docs/testing.md says.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent.parent / folder) for folder in (".", "bochs")]

# pylint: disable=wrong-import-position
import bochs  # noqa: E402
import machine as m  # noqa: E402

CPU = "EPYC,+svm"
# Bochs's CPUs leak the FPU's state no more than QEMU's, whatever their models' names say.
CMDLINE = "no-eagerfpu"
LINE = re.compile(r"^bench (\S+) ([0-9.]+)(?: ([0-9.]+))?\s*$", re.M)
WORSE = 1.03  # than docs/testing.md
DOWN = 4 << 20  # bytes that tcp-in and tcp-out move

# name, what it is, the figure to reach
SMALL = [
    ("cpuid", "CPUID exit", 300),
    ("msr", "MSR exit", 300),
    ("hypercall", "null hypercall", 250),
    ("port-kernel", "port exit handled in the kernel", 350),
    ("doorbell", "doorbell", 350),
    ("port-monitor", "port exit answered by dom0", 1500),
    ("mmio", "memory-mapped read of an unclaimed address", 3000),
    ("self-ipi", "self-IPI to handler (`sti; nop`), x2APIC", 1200),
    ("held-ipi", "the same, held back by the TPR until that is lowered", 1500),
    ("eoi", "EOI, x2APIC", 350),
    ("timer-arm", "local APIC timer armed", 500),
    ("near-deadline", "TSC deadline 600 ticks ahead, armed to handler", 1500),
    ("hlt-wake", "HLT to timer wake, beyond the interval", 1500),
    ("event", "event to the handler's first instruction", None),
    ("touch-4k", "first touch of a page, 4 KiB", None),
    ("touch-2m", "first touch of a page of 2 MiB, with its zeroing", None),
    ("vcpu-switch", "vCPU switch", None),
    ("request", "virtio request to the interrupt of its answer", None),
    ("first-instruction", "kernel entry to a new guest's first instruction", None),
    ("ipi", "IPI to a vCPU asleep on the same CPU", None),
    ("unmap", "a page unmapped, the domain paused", None),
    ("lock-spin", "lock handed over on one CPU, PAUSE in a loop", None),
    ("lock-kick", "lock handed over on one CPU, HLT and KVM's kick", None),
    ("lock-away", "lock's holder preempted, until it goes on", None),
]
# ... and with two CPUs: name, what it is, of the first group what it is compared with
ACROSS = [
    ("ipi-across", "IPI to a vCPU that runs on the other CPU", "ipi"),
    ("wake-across", "IPI to a vCPU asleep on the other CPU", "ipi"),
    ("unmap-across", "a page unmapped, the domain on the other CPU", "unmap"),
]
# ... what two guests on two CPUs do together, against one on one
WORK = [
    ("compute", "work of two guests that compute"),
    ("exits", "work of two guests that have exits (CPUID)"),
]
# ... and for Linux the figure, or the ratio to bare, which is rounded as it is written here
LINUX = [
    ("init", "start of the machine to init", 1.3e9, None),
    ("sum", "sum, a round", None, "1.002"),
    ("getppid", "getppid", None, "1.00"),
    ("gettimeofday", "gettimeofday", None, "1.00"),
    ("fork+wait", "fork+wait", None, "1.005"),
    ("page-touch", "page touch", None, "1.01"),
    ("block-4k", "4 KiB random block read", 40000, None),
    ("block-64k", "64 KiB sequential block read", 50000, None),
    ("block-1m", "1 MiB sequential block read", None, None),
    ("tcp-in", "TCP in, 4 MiB", None, None),
    ("tcp-out", "TCP out, 4 MiB", None, None),
]

# What takes as long as the host's network likes.
OF_NETWORK = {"init", "tcp-in", "tcp-out"}


class Figure(float):
    """The least, and the mean or None."""
    mean = None


def figures(text):
    found = {}
    for name, value, mean in LINE.findall(m.clean(text)):
        found[name] = Figure(value)
        found[name].mean = float(mean) if mean else None
    return found


def documented():
    """What docs/testing.md says: by name of the row, the columns SVM and VMX, None where there is none."""
    def value(cell):
        return float(cell.replace(",", "")) if re.fullmatch(r"[0-9,.]+", cell) else None

    rows = [[cell.strip() for cell in line.strip("|").split("|")]
            for line in (m.TOP / "docs/testing.md").read_text().splitlines() if line.startswith("|")]
    first = next(i for i, row in enumerate(rows) if row[:3] == ["instructions", "SVM", "VMX"])
    table = {}
    for row in rows[first + 2:]:
        if len(row) != 5:
            break
        table[row[0]] = (value(row[1]), value(row[2]))
    return table


def worse(what, svm, vmx):
    """The columns in which a figure is worse than the documents say."""
    told = documented().get(what, (None, None))
    return [column for column, ours, theirs in zip(("SVM", "VMX"), (svm, vmx), told)
            if ours and theirs and ours > theirs * WORSE]


def bench_initrd(directory):
    """The demo's initrd with the benchmark as /start behind it."""
    program = directory / "linux_bench"
    subprocess.run(["gcc", "-O2", "-static", "-o", str(program), str(m.TOP / "tests/bench/linux_bench.c")], check=True)
    file = directory / "initrd.gz"
    file.write_bytes(m.LINUX_FILES["initrd.gz"].read_bytes() + m.cpio_gz(directory, "start", program))
    return file


def linux_bare(directory, initrd, image, url):
    """Linux on the machine itself: the same programs, on the same disk."""
    box = m.Machine(directory, kernel=m.LINUX_FILES["vmlinuz"], cpu=CPU, memory=256, icount=True, disk="nvme",
                    image=image, nic="virtio-net-pci",
                    cmdline=f"console=ttyS0 cryptomgr.notests quiet panic=-1 hostname=bare start={url}",
                    args=["-initrd", str(initrd)])
    with box:
        box.expect("bench done", 400)
        return figures(box.log_text())


def linux_guest(directory, initrd, image, url, machine=m.Machine):
    """Linux as Sampo's guest."""
    xml = directory / "linux.xml"
    xml.write_text(m.linux_xml("linux", memory=256, partition="guest1", mac="52:54:00:00:01:01",
                               words=f"start={url}"))
    box = machine(directory, kernel=m.BUILD / "sampo.elf32", cmdline=CMDLINE, cpu=CPU, memory=1024, icount=True, disk="nvme",
                  image=image, modules=[(m.BUILD / "dom0.bin", "dom0"), (xml, "linux.xml"),
                                        (m.LINUX_FILES["vmlinuz"], "vmlinuz"), (initrd, "initrd.gz")])
    with box:
        box.boot(120)
        box.wait_run("list", "linux +running", 60)
        box.console("linux")
        box.expect("bench done", 600)
        text = box.log_text()
        box.expect("linux# ", 60)
        box.leave()
        footprint = box.run("nodeinfo") + box.run("dominfo linux")
        return figures(text), footprint


def small_guest(directory, elf, machine=m.Machine):
    """One of our small guests."""
    xml = directory / f"{elf.stem}.xml"
    xml.write_text(m.domain_xml("bench", elf.name, memory=64, extra="    <rng model='virtio'>"
                                "<backend model='random'>/dev/urandom</backend></rng>"))
    box = machine(directory, kernel=m.BUILD / "sampo.elf32", cmdline=CMDLINE, cpu=CPU, memory=512, icount=True, nic=None,
                  modules=[(m.BUILD / "dom0.bin", "dom0"), (xml, xml.name), (elf, elf.name)])
    with box:
        box.expect(": powered off[^\n]*\n", 300)  # nothing is typed while it measures
        return figures(box.run("console bench --log"))


def small_bare(directory, elf):
    """The same in the bare machine, which has less to measure."""
    box = m.Machine(directory, kernel=elf, cpu=CPU, memory=64, icount=True, nic=None, args=["-device", "virtio-rng-pci"])
    with box:
        box.expect("bench done", 60)
        box.expect_end()
        return figures(box.log_text())


def kernel_calls(directory, machine=m.Machine, cpus=1):
    """A program in dom0's place, for what only a monitor sees. -icount has no use for CPUs that are at once."""
    box = machine(directory, kernel=m.BUILD / "sampo.elf32", cmdline=CMDLINE, cpu=CPU, memory=512, icount=cpus == 1,
                  nic=None, cpus=cpus, apart=True, modules=[(m.BUILD / "tests/abi.bin", "dom0 bench")])
    with box:
        box.expect("bench done", 120)
        box.expect_end()
        return figures(box.log_text())


def number(value):
    if value is None:
        return "-"
    text = f"{value:,.0f}" if value >= 100 else f"{value:,.2f}"
    mean = getattr(value, "mean", None)
    return text if mean is None else f"{text} ({number(mean)})"


def show(name, *columns):
    print(f"{name:<56}" + "".join(f"{c:>22}" for c in columns), flush=True)


def place(top, name):
    """A new folder."""
    folder = top / name
    folder.mkdir()
    return folder


def small_table(top):
    """What each kind of exit costs."""
    svm, vmx, bare = {}, {}, {}
    for elf in sorted((m.BUILD / "guests").glob("bench*.elf")):
        bare.update(small_bare(place(top, f"{elf.stem}-bare"), elf))
        svm.update(small_guest(place(top, f"{elf.stem}-svm"), elf))
        vmx.update(small_guest(place(top, f"{elf.stem}-vmx"), elf, bochs.Bochs))
    svm.update(kernel_calls(place(top, "calls-svm")))
    vmx.update(kernel_calls(place(top, "calls-vmx"), bochs.Bochs))
    show("Instructions", "SVM", "VMX", "bare", "to reach")
    known, good = [row[0] for row in SMALL], True
    for name, what, reach in SMALL + [(name, name, None) for name in sorted({*svm, *vmx} - {*known})]:
        late = reach is not None and svm.get(name, reach + 1) > reach
        bad = worse(what, svm.get(name), vmx.get(name))
        good = good and not bad
        show(what, number(svm.get(name)), number(vmx.get(name)), number(bare.get(name)), number(reach),
             *(["missed"] if late else []), *[f"worse: {column}" for column in bad])
    return good and {*known} <= {*svm} and {*known} <= {*vmx}


def across_table(top):
    """What CPUs cost that do something to each other."""
    svm = kernel_calls(place(top, "across-svm"), cpus=2)
    vmx = kernel_calls(place(top, "across-vmx"), bochs.Bochs, cpus=2)
    print()
    show("Two CPUs: against the same on one, in one run", "SVM, time", "VMX, ticks", "on one", "ratio")
    for name, what, base in ACROSS:
        if {name, base} <= {*svm} and {name, base} <= {*vmx}:
            show(what, number(svm[name] / svm[base]), number(vmx[name]), number(vmx[base]), number(vmx[name] / vmx[base]))
    print()
    show("Two guests on two CPUs: against one on one", "SVM", "VMX", "ideal")
    pairs = [(f"{name}-1", f"{name}-2", what) for name, what in WORK]
    for one, two, what in pairs:
        if {one, two} <= {*svm} and {one, two} <= {*vmx}:
            show(what, number(svm[two] / svm[one]), number(vmx[two] / vmx[one]), number(2))
    wanted = {name for name, _, _ in ACROSS} | {name for pair in pairs for name in pair[:2]}
    return wanted <= {*svm} and wanted <= {*vmx}


def linux_table(top):
    """What Linux costs; true if every figure came."""
    web = m.WebServer({"/down": bytes(DOWN)})
    image = m.make_disk(top / "disk.img", "guest1", size=64)
    initrd = bench_initrd(top)
    bare = linux_bare(place(top, "linux-bare"), initrd, image, web.url)
    svm, footprint = linux_guest(place(top, "linux-svm"), initrd, image, web.url)
    vmx, _ = linux_guest(place(top, "linux-vmx"), initrd, image, web.url, bochs.Bochs)
    web.close()
    print()
    show("Linux, instructions", "SVM", "VMX", "bare", "SVM/bare", "to reach")
    good = True
    for name, what, reach, ratio in LINUX:
        ours, theirs = svm.get(name), bare.get(name)
        relation = ours / theirs if ours and theirs else None
        late = (ratio is not None and (relation is None or round(relation, len(ratio) - 2) > float(ratio))) or \
            (reach is not None and (ours is None or ours > reach))
        bad = [] if name in OF_NETWORK else worse(f"Linux: {what}", ours, vmx.get(name))
        good = good and not bad
        show(what, number(ours), number(vmx.get(name)), number(theirs), "-" if relation is None else f"{relation:.3f}",
             ratio if ratio is not None else number(reach), *(["missed"] if late else []),
             *[f"worse: {column}" for column in bad])
    print("\nFootprint:")
    for line in footprint.splitlines():
        if re.search(r"(?i)memory", line):
            print("  " + line.strip())
    wanted = {row[0] for row in LINUX}
    return good and wanted <= {*svm} and wanted <= {*vmx}


def main():
    with tempfile.TemporaryDirectory() as folder:
        top = pathlib.Path(folder)
        complete = [table(top) for table in (small_table, across_table, linux_table)]
    return 0 if all(complete) else 1


if __name__ == "__main__":
    sys.exit(main())
