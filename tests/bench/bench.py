# SPDX-License-Identifier: BSD-2-Clause
"""
The figures, under `qemu -icount`, where the time-stamp counter of the one CPU counts instructions: of the small guests
whose names begin with "bench", and of a Linux system, bare and as a guest. Each program prints lines `bench NAME VALUE`.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import machine as m  # noqa: E402  pylint: disable=wrong-import-position

CPU = "EPYC,+svm"
LINE = re.compile(r"^bench (\S+) ([0-9.]+)\s*$", re.M)
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
    ("self-ipi", "self-IPI to handler (sti; nop), x2APIC", 1200),
    ("eoi", "EOI, x2APIC", 350),
    ("timer-arm", "local APIC timer armed", 500),
    ("hlt-wake", "HLT to timer wake, beyond the interval", 1500),
    ("event", "event to the handler's first instruction", None),
    ("touch-4k", "first touch of a page, 4 KiB", None),
    ("touch-2m", "first touch of a page, 2 MiB", None),
    ("vcpu-switch", "vCPU switch", None),
    ("first-instruction", "kernel entry to a new guest's first instruction", None),
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


def figures(text):
    return {name: float(value) for name, value in LINE.findall(m.clean(text))}


def bench_initrd(directory):
    """The demo's initrd with the benchmark as /start behind it."""
    root = directory / "root"
    root.mkdir()
    subprocess.run(["gcc", "-O2", "-static", "-o", str(root / "start"), str(m.TOP / "tests/bench/linux_bench.c")],
                   check=True)
    more = subprocess.run("echo start | cpio --quiet -o -H newc -R 0:0 | gzip -9n", shell=True, cwd=root, check=True,
                          capture_output=True).stdout
    file = directory / "initrd.gz"
    file.write_bytes(m.LINUX_FILES["initrd.gz"].read_bytes() + more)
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


def linux_guest(directory, initrd, image, url):
    """Linux as Sampo's guest."""
    xml = directory / "linux.xml"
    xml.write_text(m.linux_xml("linux", memory=256, partition="guest1", mac="52:54:00:00:01:01",
                               words=f"start={url}"))
    box = m.Machine(directory, kernel=m.BUILD / "sampo.elf32", cpu=CPU, memory=1024, icount=True, disk="nvme",
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


def small_guest(directory, elf):
    """One of our small guests."""
    xml = directory / f"{elf.stem}.xml"
    xml.write_text(m.domain_xml("bench", elf.name, memory=64, extra="    <rng model='virtio'>"
                                "<backend model='random'>/dev/urandom</backend></rng>"))
    box = m.Machine(directory, kernel=m.BUILD / "sampo.elf32", cpu=CPU, memory=512, icount=True, nic=None,
                    modules=[(m.BUILD / "dom0.bin", "dom0"), (xml, xml.name), (elf, elf.name)])
    with box:
        box.boot(120)
        return figures(box.wait_run("console bench --log", "bench done", 300))


def small_bare(directory, elf):
    """The same in the bare machine, which has less to measure."""
    box = m.Machine(directory, kernel=elf, cpu=CPU, memory=64, icount=True, nic=None, args=["-device", "virtio-rng-pci"])
    with box:
        box.expect("bench done", 60)
        box.expect_end()
        return figures(box.log_text())


def kernel_calls(directory):
    """A program in dom0's place, for what only a monitor sees."""
    box = m.Machine(directory, kernel=m.BUILD / "sampo.elf32", cpu=CPU, memory=512, icount=True, nic=None,
                    modules=[(m.BUILD / "tests/abi.bin", "dom0 bench")])
    with box:
        box.expect("bench done", 120)
        box.expect_end()
        return figures(box.log_text())


def show(name, value, *rest):
    number = "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:,.2f}"
    print(f"{name:<48}{number:>16}" + "".join(f"{r:>16}" for r in rest))


def main():
    failed = False
    with tempfile.TemporaryDirectory() as place:
        top = pathlib.Path(place)
        found, alone = {}, {}
        for elf in sorted((m.BUILD / "guests").glob("bench*.elf")):
            (top / elf.stem).mkdir()
            alone.update(small_bare(top / elf.stem, elf))
            found.update(small_guest(top / elf.stem, elf))
        (top / "calls").mkdir()
        found.update(kernel_calls(top / "calls"))
        print(f"{'Instructions':<48}{'Sampo':>16}{'bare':>16}{'to reach':>16}")
        for name, what, reach in SMALL:
            if name in found:
                late = reach is not None and found[name] > reach
                show(what, found[name], f"{alone[name]:,.0f}" if name in alone else "-", "-" if reach is None else f"{reach:,}", "missed" if late else "")
        for name in sorted(set(found) - {row[0] for row in SMALL}):
            show(name, found[name])

        web = m.WebServer({"/down": bytes(DOWN)})
        image = m.make_disk(top / "disk.img", "guest1", size=64)
        initrd = bench_initrd(top)
        for d in ("bare", "guest"):
            (top / d).mkdir()
        bare = linux_bare(top / "bare", initrd, image, web.url)
        guest, footprint = linux_guest(top / "guest", initrd, image, web.url)
        web.close()
        print()
        print(f"{'Linux, instructions':<48}{'Sampo':>16}{'bare':>16}{'ratio':>16}{'to reach':>16}")
        for name, what, reach, ratio in LINUX:
            ours, theirs = guest.get(name), bare.get(name)
            failed = failed or ours is None
            relation = ours / theirs if ours and theirs else None
            late = (ratio is not None and (relation is None or round(relation, len(ratio) - 2) > float(ratio))) or \
                (reach is not None and (ours is None or ours > reach))
            show(what, ours, "-" if theirs is None else f"{theirs:,.0f}",
                 "-" if relation is None else f"{relation:.3f}",
                 ratio if ratio is not None else f"{reach:,.0f}" if reach is not None else "-",
                 "missed" if late else "")
        print()
        print("Footprint:")
        for line in footprint.splitlines():
            if re.search(r"(?i)memory", line):
                print("  " + line.strip())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
