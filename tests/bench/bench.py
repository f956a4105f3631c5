# SPDX-License-Identifier: BSD-2-Clause
"""
The figures, under `qemu -icount`, where the time-stamp counter of the one CPU counts instructions: of the small guests
whose names begin with "bench", and of a Linux system, bare and as a guest. Each program prints lines `bench NAME VALUE`.
The columns VMX are of the same programs as guests in Bochs, whose counter counts instructions too, and for each entry
with its exit about 120 more. With two CPUs QEMU's are threads of the host, without -icount: only ratios within a run mean anything.

What Linux has executed, without the time in which the machine sleeps, is counted by a plugin of QEMU (count.c).

A figure is the least of some rounds; behind it in parentheses is the mean, if the program tells it, in which other work of
the machine has a share. It ends with status 1 if a figure is missing, or 3 % worse than the table in docs/testing.md says.
"""

import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent.parent / folder) for folder in (".", "bochs")]

# pylint: disable=wrong-import-position
import bochs  # noqa: E402
import given  # noqa: E402
import machine as m  # noqa: E402

CPU = "EPYC,+svm"
# A CPU that does not say that it is emulated: beneath a hypervisor an idle CPU polls for a while, as long as the host likes.
BARE_METAL = CPU + ",-hypervisor"
# Bochs's CPUs leak the FPU's state no more than QEMU's, whatever their models' names say.
CMDLINE = "no-eagerfpu"
COUNTED = re.compile(r"^counted (\S+) ([0-9]+)\s*$", re.M)
LINE = re.compile(r"^bench (\S+) ([0-9.]+)(?: ([0-9.]+))?\s*$", re.M)
WORSE = 1.03  # than docs/testing.md
DOWN = 4 << 20  # bytes that tcp-in and tcp-out move
# No DHCP, whose answer takes as long as the host likes; code and data lie where they lay the last time.
FIXED = "nokaslr norandmaps"
WORDS = f"ip=10.0.2.50/24,10.0.2.2 {FIXED}"

# name, what it is, the figure to reach
SMALL = [
    ("cpuid", "CPUID exit", 300),
    ("msr", "MSR exit", 300),
    ("hypercall", "null hypercall", 250),
    ("port-kernel", "port exit handled in the kernel", 350),
    ("doorbell", "doorbell", 350),
    ("port-monitor", "port exit answered by dom0", 1500),
    ("pci-read", "PCI configuration read", 1800),
    ("mmio", "memory-mapped read of an unclaimed address", 3000),
    ("self-ipi", "self-IPI to handler (`sti; nop`), x2APIC", 1200),
    ("held-ipi", "the same, held back by the TPR until that is lowered", 1500),
    ("eoi", "EOI, x2APIC", 350),
    ("timer-arm", "local APIC timer armed", 500),
    ("near-deadline", "TSC deadline 600 ticks ahead, armed to handler", 1500),
    ("hlt-wake", "HLT to timer wake, beyond the interval", 1500),
    ("event", "event to the handler's first instruction", None),
    ("touch-4k", "first touch of a page, 4 KiB", None),
    ("touch-2m", "first touch of a page of 2 MiB", None),
    ("start-cpuid", "CPUID exit in a new guest's first milliseconds, mean", 280),
    ("start-compute", "computing there, against the least, mean", 1.01),
    ("start-deadline", "deadline there, later by, mean", 2000),
    ("vcpu-switch", "vCPU switch", None),
    ("request", "virtio request to the interrupt of its answer", None),
    ("busy-request", "the same while the guest goes on computing, mean", 10000),
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
    ("block-write-4k", "4 KiB random block write", None, None),
    ("tcp-in", "TCP in, 4 MiB", None, None),
    ("tcp-out", "TCP out, 4 MiB", None, None),
    ("executed init", "start of the machine to init, executed", None, None),
    ("executed block-4k", "4 KiB random block read, executed", 24000, None),
    ("executed block-64k", "64 KiB sequential block read, executed", 34000, None),
    ("executed block-1m", "1 MiB sequential block read, executed", None, None),
    ("executed block-write-4k", "4 KiB random block write, executed", 23000, None),
    ("executed tcp-in", "TCP in, 4 MiB, executed", None, None),
    ("executed tcp-out", "TCP out, 4 MiB, executed", None, None),
    ("executed udp-echo", "UDP echo of one byte, executed", 26000, None),
]

# ... and of a device of the machine that a Linux guest has: by how much more than the bare machine, or how many times as much
GIVEN = [
    ("executed block-4k", "4 KiB random block read, executed", 2000, None),
    ("executed block-64k", "64 KiB sequential block read, executed", None, None),
    ("executed block-64k-deep", "64 KiB sequential block read, 32 at a time, executed", None, "1.02"),
    ("executed block-write-4k", "4 KiB random block write, executed", None, None),
    ("edu-message", "interrupt by message, to its end", None, None),
    ("edu-pin", "interrupt by pin, to a read of uio that waits", None, None),
]
LARGE = 1024  # MiB, of a guest that starts and ends

# What takes as long as the host's network likes.
OF_NETWORK = {"tcp-in", "tcp-out", "executed tcp-in", "executed tcp-out", "executed udp-echo"}


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


def executed(text, file):
    """The counts of the plugin, which wrote one for each line "counted NAME ROUNDS" of the program."""
    counts = [int(line.split()[1]) for line in file.read_text().splitlines() if line.startswith("executed ")]
    names = COUNTED.findall(m.clean(text))
    assert len(counts) == len(names), f"{len(counts)} counts for {names}"
    return {f"executed {name}": Figure(count / int(rounds)) for count, (name, rounds) in zip(counts, names)}


def plugin(directory, profile=False):
    """QEMU's arguments for the plugin, and the file that it writes."""
    library, file = directory / "count.so", directory / "executed"
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden",
                    "-o", str(library), str(m.TOP / "tests/bench/count.c")], check=True)
    return ["-plugin", f"{library},out={file}" + (",profile=on" if profile else "")], file


class Server(m.WebServer):
    """The web server, and at the UDP port of the same number a server that sends back what it gets."""

    def __init__(self):
        super().__init__({"/down": bytes(DOWN)})
        self.echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.echo.bind(self.server.server_address)
        threading.Thread(target=self.send_back, daemon=True).start()

    def send_back(self):
        while True:
            data, sender = self.echo.recvfrom(2048)
            self.echo.sendto(data, sender)


def bench_initrd(directory):
    """The demo's initrd with the benchmark as /start behind it."""
    program = directory / "linux_bench"
    subprocess.run(["gcc", "-O2", "-static", "-o", str(program), str(m.TOP / "tests/bench/linux_bench.c")], check=True)
    file = directory / "initrd.gz"
    file.write_bytes(m.LINUX_FILES["initrd.gz"].read_bytes() + m.cpio_gz(directory, "start", program))
    return file


def bench_disk(directory):
    """
    A disk with a partition of zeros, raw, and the same as a qcow2 without clusters for them: QEMU answers their reads, and
    their writes with zeros, at once. The host's own disk takes its time instead, which -icount sleep=off turns into ticks
    of the guest's clock, as many as the host likes.
    """
    raw, sparse = m.make_disk(directory / "disk.img", "guest1", size=64), directory / "disk.qcow2"
    with raw.open("r+b") as disk:
        disk.seek(1 << 20)
        disk.write(bytes(64 << 20))
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", str(raw), str(sparse)], check=True)
    return raw, sparse


SPARSE = "format=qcow2,discard=unmap,detect-zeroes=unmap"


def linux_bare(directory, initrd, image, url):
    """Linux on the machine itself: the same programs, on the same disk."""
    args, file = plugin(directory)
    box = m.Machine(directory, kernel=m.LINUX_FILES["vmlinuz"], cpu=CPU, memory=256, icount=True, disk="nvme",
                    image=image, disk_options=SPARSE, nic="virtio-net-pci",
                    cmdline=f"console=ttyS0 cryptomgr.notests quiet panic=-1 hostname=bare {WORDS} start={url}",
                    args=["-initrd", str(initrd), *args])
    with box:
        box.expect("bench done", 400)
        return figures(box.log_text()) | executed(box.log_text(), file)


def linux_guest(directory, initrd, image, url, machine=m.Machine, profile=False, **more):
    """Linux as Sampo's guest; Bochs has no plugins, and counts no executed instructions."""
    args, file = plugin(directory, profile) if machine is m.Machine else ([], None)
    xml = directory / "linux.xml"
    xml.write_text(m.linux_xml("linux", memory=256, partition="guest1", mac="52:54:00:00:01:01",
                               words=f"{WORDS} start={url}"))
    box = machine(directory, kernel=m.BUILD / "sampo.elf32", cmdline=CMDLINE, cpu=BARE_METAL, memory=1024, icount=True, disk="nvme",
                  args=args, image=image, disk_options=SPARSE, modules=[(m.BUILD / "dom0.bin", "dom0"), (xml, "linux.xml"),
                                        (m.LINUX_FILES["vmlinuz"], "vmlinuz"), (initrd, "initrd.gz")], **more)
    with box:
        box.boot(120)
        box.wait_run("list", "linux +running", 60)
        box.console("linux")
        box.expect("bench done", 600)
        text = box.log_text()
        box.expect("linux# ", 60)
        box.leave()
        footprint = box.run("nodeinfo") + box.run("dominfo linux")
        return figures(text) | (executed(text, file) if file else {}), footprint


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
    web = Server()
    raw, sparse = bench_disk(top)
    initrd = bench_initrd(top)
    bare = linux_bare(place(top, "linux-bare"), initrd, sparse, web.url)
    svm, footprint = linux_guest(place(top, "linux-svm"), initrd, sparse, web.url)
    vmx, _ = linux_guest(place(top, "linux-vmx"), initrd, raw, web.url, bochs.Bochs)
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
    return good and wanted <= {*svm} and {name for name in wanted if not name.startswith("executed ")} <= {*vmx}


def least(runs):
    """Of each figure the least: QEMU's disk answers now before and now after the guest sleeps, which is some percent."""
    return {name: min(run[name] for run in runs if name in run) for name in runs[0]}


def iommu_table(top):
    """What an IOMMU adds to dom0's service: nothing, since no path of data has an order to a unit. True if it is within 3 %."""
    web = Server()
    _, sparse = bench_disk(top)
    initrd = bench_initrd(top)
    units = {"none": None, "VT-d": m.IOMMUS["vtd"], "AMD-Vi": m.IOMMUS["amdvi"]}
    found = {name: least([linux_guest(place(top, f"linux-{name}-{n}"), initrd, sparse, web.url, iommu=unit)[0] for n in range(3)])
             for name, unit in units.items()}
    web.close()
    print()
    show("Linux, executed, by the IOMMU", *units, "against none")
    good = True
    for name, what, _, _ in LINUX:
        if not name.startswith("executed ") or name == "executed init":
            continue
        values = [figure.get(name) for figure in found.values()]
        ratios = [value / values[0] for value in values[1:] if value and values[0]]
        bad = name not in OF_NETWORK and (len(ratios) < 2 or max(ratios) > WORSE)
        good = good and not bad
        show(what, *map(number, values), " ".join(f"{ratio:.3f}" for ratio in ratios), *(["worse"] if bad else []))
    return good


def given_disk(directory, initrd, image):
    """Linux as a guest that has the machine's NVMe disk."""
    args, file = plugin(directory)
    xml = directory / "linux.xml"
    xml.write_text(m.linux_xml("linux", memory=256, words=WORDS).replace("<devices>", f"<devices>\n{given.hostdev(1)}"))
    box = m.Machine(directory, kernel=m.BUILD / "sampo.elf32", cmdline=CMDLINE, cpu=BARE_METAL, memory=1024, icount=True, nic=None,
                    iommu=m.IOMMUS["vtd"],
                    modules=[(m.BUILD / "dom0.bin", "dom0"), (xml, xml.name), (m.LINUX_FILES["vmlinuz"], "vmlinuz"), (initrd, "initrd.gz")],
                    args=["-device", "pcie-root-port,id=rp1,chassis=1,slot=1", "-drive", f"if=none,id=disk,file={image},{SPARSE}",
                          "-device", "nvme,drive=disk,serial=sampo,bus=rp1", *args])
    with box:
        box.boot(120)
        box.wait_run("list", "linux +running", 120)
        box.console("linux")
        box.expect("bench done", 600)
        return executed(box.log_text(), file)


def edu_figures(directory, bare):
    """Linux with the generic kernel and edu: on the machine itself, or as a guest."""
    programs = given.archives(directory, given.edu_program(directory))
    if bare:
        initrd = directory / "initrd.gz"
        initrd.write_bytes(b"".join(file.read_bytes() for file in (given.FILES["initrd.gz"], *programs.values())))
        words = f"console=ttyS0 cryptomgr.notests quiet panic=-1 hostname=edu ip=none {FIXED}"
        box = m.Machine(directory, kernel=given.FILES["vmlinuz"], cpu=BARE_METAL, memory=256, icount=True, nic=None, cmdline=words,
                        args=["-device", "edu", "-initrd", str(initrd)])
    else:
        box = given.machine(directory, "vtd", {"edu": ["edu"]}, programs, words=FIXED, cpu=BARE_METAL, cmdline=CMDLINE, icount=True)
    with box:
        if not bare:
            box.boot(120)
            box.wait_run("list", "edu +running", 120)
            box.console("edu")
        box.where = "edu"
        box.expect("guest edu: up", 600)
        box.linux_up("edu", 120)
        where = given.function(box, "edu")
        box.linux("echo '1234 11e8' >/sys/bus/pci/drivers/uio_pci_generic/new_id")
        return figures(box.linux(f"/edu {where} bench", 120))


def logged(box, what):
    """When the log has a line: under -icount, in instructions."""
    return float(re.search(rf"^\[ *([0-9.]+)\] {what}", box.run("dmesg"), re.M).group(1)) * 1e9


def life(directory, unit):
    """What the start of a large guest takes, from the order to its first instruction, and its end, to the next order."""
    box = given.machine(directory, "vtd", {"first": [], "large": []}, {}, iommu=unit, guest_memory=LARGE, memory=2560,
                        cpu=BARE_METAL, cmdline=CMDLINE, icount=True)
    with box:
        box.boot(120)
        box.wait_state("first", "running", 120)
        box.run("destroy first")
        box.wait_state("first", "shut off", 120)
        box.run("define large.def")
        box.run("start large")
        box.wait_state("large", "running", 120)
        box.send("destroy large\rundefine large\r")
        box.wait_run("dmesg", "shell: undefine large", 60)
        return {"start": logged(box, "large: started") - logged(box, "shell: start large"),
                "end": logged(box, "shell: undefine large") - logged(box, "shell: destroy large")}


def life_table(top):
    """What an IOMMU adds to a guest's start and end."""
    units = {"none": None, "VT-d": m.IOMMUS["vtd"], "AMD-Vi": m.IOMMUS["amdvi"]}
    lives = {name: life(place(top, f"life-{name}"), unit) for name, unit in units.items()}
    print()
    show(f"A guest of {LARGE} MiB, by the IOMMU", *lives)
    for what in ("start", "end"):
        show(f"its {what}", *[number(times[what]) for times in lives.values()])
    return True


def given_table(top):
    """A device of the machine in a guest beside the bare machine. True if every figure came."""
    web = Server()
    _, sparse = bench_disk(top)
    initrd = bench_initrd(top)
    bare = least([linux_bare(place(top, f"given-bare-{n}"), initrd, sparse, web.url) for n in range(3)])
    ours = least([given_disk(place(top, f"given-{n}"), initrd, sparse) for n in range(3)])
    web.close()
    bare.update(edu_figures(place(top, "edu-bare"), True))
    ours.update(edu_figures(place(top, "edu-given"), False))
    print()
    show("A device of the machine in a Linux guest (SVM, VT-d)", "given", "bare", "more", "given/bare", "to reach")
    good = True
    for name, what, more, ratio in GIVEN:
        if name not in ours or name not in bare:
            good = False
            continue
        a, b = ours[name], bare[name]
        late = (more is not None and a - b > more) or (ratio is not None and round(a / b, len(ratio) - 2) > float(ratio))
        show(what, number(a), number(b), number(a - b), f"{a / b:.3f}", ratio or number(more), *(["missed"] if late else []))
    return good


def main():
    with tempfile.TemporaryDirectory() as folder:
        top = pathlib.Path(folder)
        complete = [table(top) for table in (small_table, across_table, linux_table, iommu_table, given_table, life_table)]
    return 0 if all(complete) else 1


if __name__ == "__main__":
    sys.exit(main())
