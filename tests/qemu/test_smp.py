# SPDX-License-Identifier: BSD-2-Clause
"""Guests with several virtual CPUs: the rules from inside, and stock Linux."""

import hashlib
import os
import re
import signal
import subprocess
import time

import pytest

import gdbstub
import machine as m

QUICK = pytest.mark.quick

TOPOLOGY = "<cpu><topology sockets='2' cores='3' threads='2'/></cpu>"
RULES = {
    # virtual CPUs, the guest's words, <cpu>
    "x2apic": (4, "cpus=4", ""),
    "xapic": (4, "cpus=4 xapic", ""),
    "topology": (12, "cpus=12 cores=3 threads=2 brief", TOPOLOGY),
}


def vcpus(xml, count):
    return xml.replace("<vcpu>1</vcpu>", f"<vcpu>{count}</vcpu>")


@pytest.mark.parametrize("how", [pytest.param(how, marks=QUICK if how != "topology" else ()) for how in RULES])
def test_rules(boot, iso, how):
    count, words, cpu = RULES[how]
    xml = vcpus(m.domain_xml("rules", "smp.elf", memory=32, cmdline=words, head=cpu), count)
    box = boot(iso=iso({"rules.xml": xml, "smp.elf": m.BUILD / "guests/smp.elf"}), cpus=2)
    box.expect(r"rules: powered off[^\n]*\n", 150)  # nothing is typed while memory is being cleared
    text = box.run("console rules --log")
    assert "FAIL" not in text, "\n".join(re.findall(r"FAIL.*", text))
    assert re.search(r"DONE [1-9]\d* passed, 0 failed", text)


def interrupts(text, name):
    """What /proc/interrupts has counted on each CPU."""
    return [int(n) for n in re.search(rf"{name}:((?:\s+\d+)+)", text).group(1).split()]


def check_linux(box, count):
    """In its console: all CPUs are online, take interrupts and run what they are told to."""
    assert box.linux("nproc").split()[-1] == str(count)
    assert len(re.findall(r"^processor", box.linux("cat /proc/cpuinfo"), re.M)) == count
    for cpu in range(count):
        assert f"cpus {cpu}\n" in box.linux(
            f"taskset -c {cpu} sh -c 'echo cpus $(sed -n s/Cpus_allowed_list:.//p /proc/self/status)'")
    box.linux("for i in $(seq 40); do (true | cat | true) & done; wait")
    text = box.linux("cat /proc/interrupts")
    assert all(interrupts(text, "LOC")), text
    assert all(interrupts(text, "CAL")) and sum(interrupts(text, "RES")), text


def check_hotplug(box, count):
    """In its console: a CPU that has run is put offline, started again, and works."""
    online = "/sys/devices/system/cpu/cpu1/online"
    for _ in range(3):
        box.linux(f"echo 0 > {online}")
        assert box.linux("nproc").split()[-1] == str(count - 1)
        box.linux(f"echo 1 > {online}")
        check_linux(box, count)


@pytest.mark.long
def test_linux(boot, iso):
    """Two guests of four virtual CPUs, a reboot of one from inside, a reset and a pause of the other."""
    guests = {f"{name}.xml": vcpus(m.linux_xml(name), 4) for name in ("one", "two")}
    box = boot(iso=iso({**guests, **m.LINUX_FILES}), memory=1536).boot()
    for name in ("one", "two"):
        with box.in_console(name):
            box.linux_up(name, 180)
            check_linux(box, 4)
            assert "Brought up 1 node, 4 CPUs" in box.linux("dmesg | grep smp:")
            check_hotplug(box, 4)
    box.console("one")
    box.send("reboot\r")
    box.expect(r"reboot: Restarting system|Linux version", 60)
    box.linux_up("one", 180)
    check_linux(box, 4)
    box.leave()

    box.run("reset two")
    with box.in_console("two"):
        box.linux_up("two", 180)
        check_linux(box, 4)
    box.run("suspend two")
    before = re.findall("CPU time.*", box.run("vcpuinfo two"))
    with box.in_console("one"):
        check_linux(box, 4)
    assert re.findall("CPU time.*", box.run("vcpuinfo two")) == before
    box.run("resume two")
    with box.in_console("two"):
        check_linux(box, 4)
    for name in ("one", "two"):
        box.run(f"shutdown {name}")
        box.wait_state(name, "shut off", 60)


def test_crash(boot, iso):
    """A triple fault of one of its CPUs ends the guest."""
    xml = vcpus(m.domain_xml("rules", "smp.elf", memory=32, cmdline="cpus=4 crash"), 4)
    box = boot(iso=iso({"rules.xml": xml, "smp.elf": m.BUILD / "guests/smp.elf"}), cpus=2)
    box.expect(r"rules: crashed: triple fault[^\n]*\n", 150)  # nothing is typed into the dump
    box.wait_state("rules", "shut off", 60)
    assert "vCPU 2: triple fault" in box.run("dmesg")


def test_verbs(boot, iso):
    """What virsh shows and changes of virtual CPUs, on a machine with two CPUs."""
    xml = vcpus(m.domain_xml("busy", "flood.elf", memory=32, cmdline="spin",
                             head="<cputune><shares>512</shares><vcpupin vcpu='1' cpuset='1'/></cputune>"), 2)
    box = boot(iso=iso({"busy.xml": xml, "flood.elf": m.BUILD / "guests/flood.elf"}), args=("-smp", "2")).boot()
    box.wait_state("busy", "running")
    assert re.search(r"CPU\(s\): +2\b", box.run("nodeinfo"))
    assert re.search(r"maximum +config +2\s+maximum +live +2", box.run("vcpucount busy"))
    text = box.run("vcpupin busy")
    assert re.search(r"VCPU +CPU Affinity", text) and re.search(r" 0 +0-1\b", text) and re.search(r" 1 +1\s", text)
    text = box.run("vcpuinfo busy")
    assert re.findall(r"CPU Affinity: +(\S+)", text) == ["yy", "-y"]
    assert re.findall(r"State: +(\S+)", text)[1] == "offline"
    for cpu in (0, 1, 0):
        box.run(f"vcpupin busy 0 {cpu}")
        box.wait_run("vcpuinfo busy", rf"VCPU: +0\s+CPU: +{cpu}\b")
    assert "exceed the maxcpu" in box.run("vcpupin busy 0 7")
    assert "Invalid cpulist" in box.run("vcpupin busy 0 x")

    assert re.search(r"Scheduler +: posix\s+cpu_shares +: 512\s+vcpu_period +: 100000\s+vcpu_quota +: -1",
                     box.run("schedinfo busy"))
    text = box.run("schedinfo busy --set cpu_shares=2048 vcpu_quota=20000")
    assert re.search(r"cpu_shares +: 2048", text) and re.search(r"vcpu_quota +: 20000", text)
    assert "out of range [1000," in box.run("schedinfo busy vcpu_quota=10")
    assert "invalid scheduler option" in box.run("schedinfo busy iothread_quota=10000")
    text = box.run("dumpxml busy")
    assert "<shares>2048</shares>" in text and "<quota>20000</quota>" in text
    assert "<vcpupin vcpu='0' cpuset='0'/>" in text

    text = box.run("domstats busy")
    assert "state.state=1" in text and "vcpu.current=2" in text
    assert int(re.search(r"vcpu\.0\.time=(\d+)", text).group(1)) > 0 and "vcpu.1.state=0" in text
    assert re.search(r"cpu_time +\d+\.\d{9} seconds", box.run("cpu-stats busy --total"))
    assert "running domain" in box.run("setvcpus busy 3 --config")
    box.run("destroy busy")
    box.wait_state("busy", "shut off")
    box.run("setvcpus busy 3 --config --maximum")
    assert re.search(r"maximum +config +3", box.run("vcpucount busy"))


def cpu_times(box, names):
    """What each guest has used, in nanoseconds, at one instant."""
    times = dict(re.findall(r"Domain: '(\S+)'.*?cpu\.time=(\d+)", box.run("domstats"), re.S))
    return [int(times[name]) for name in names]


@pytest.mark.parametrize("cpus,shares", [(1, (512, 1024, 4096)), (2, (1024, 1024, 1024))])
def test_shares(boot, iso, cpus, shares):
    """Three that want all get their parts of one CPU, or of two, as the hypervisor accounts it."""
    names = [f"hog{n}" for n in range(3)]
    guests = {f"{name}.xml": m.domain_xml(name, "flood.elf", memory=4, cmdline="spin") for name in names}
    box = boot(iso=iso({**guests, "flood.elf": m.BUILD / "guests/flood.elf"}), cpus=cpus, memory=256, nic=None,
               disk=None, apart=True).boot()
    for name, share in zip(names, shares):
        box.wait_state(name, "running")
        box.run(f"schedinfo {name} --set cpu_shares={share}")
    for _ in range(8):  # the host may have taken a CPU away for a while
        before = cpu_times(box, names)
        time.sleep(5)
        used = [now - then for now, then in zip(cpu_times(box, names), before)]
        parts = [sum(used) * share / sum(shares) for share in shares]
        if all(abs(one - part) < 0.03 * part for one, part in zip(used, parts)):
            return
    box.fail(f"not as {shares}: {used}")


ECAM = 0xb0000000  # where QEMU's q35 has the PCI functions' registers


def words(box, address, count=1):
    """Physical memory, by QEMU's monitor."""
    return [int(w, 16) for line in box.monitor(f"xp /{count}xw {address:#x}").splitlines()
            for w in line.partition(":")[2].split()]


def message_addresses(box, function):
    """What a function, at the address of its registers, sends as interrupts now."""
    at = words(box, function + 0x34)[0] & 0xfc
    while at:
        head = words(box, function + at)[0]
        kind, control = head & 0xff, head >> 16
        if kind == 0x11 and control & 0x8000:
            table = words(box, function + at + 4)[0]
            low, high = words(box, function + 0x10 + 4 * (table & 7), 2)
            base = (low & ~15) + (high << 32 if low & 4 else 0) + (table & ~7)
            entries = words(box, base, 4 * ((control & 0x7ff) + 1))
            return [entries[n] for n in range(0, len(entries), 4) if not entries[n + 3] & 1]
        if kind == 0x05 and control & 1:
            return words(box, function + at + 4)
        at = head >> 8 & 0xfc
    return []


def check_interrupted(box, cpu, messages, pins):
    """All interrupts of devices go to that CPU: messages of so many functions (the AHCI controller is always one), and pins (9, ACPI's, is one; beside 4, the kernel's)."""
    functions = re.findall(r"Bus +0, device +(\d+), function (\d+):", box.monitor("info pci"))
    sent = [message_addresses(box, ECAM + (int(device) << 15) + (int(number) << 12)) for device, number in functions]
    assert [set(one) for one in sent if one] == [{0xfee00000 + (cpu << 12)}] * messages, sent
    routed = {int(pin): int(dest, 16) for pin, dest, vector in
              re.findall(r"pin +(\d+) +\S+ dest=(\w+) vec=(\d+)", box.monitor("info pic")) if vector != "0"}
    assert routed.pop(4) == 0 and list(routed.values()) == [cpu] * pins, routed
    assert re.search(rf"VCPU: +0\s+CPU: +{cpu}\b", box.run("vcpuinfo Domain-0"))


# In the guest: what is written to the disk comes back, over and over.
LOAD = ("(n=0; while [ ! -e /tmp/stop ]; do dd if=/dev/urandom of=/tmp/data bs=64k count=8 2>/dev/null; "
        "dd if=/tmp/data of=/mnt/data bs=4k conv=fsync 2>/dev/null; echo 3 >/proc/sys/vm/drop_caches; "
        "cmp /tmp/data /mnt/data || echo $n >>/tmp/wrong; n=$((n+1)); echo $n >/tmp/rounds; done) & :")


@pytest.mark.parametrize("nic, kind, messages, pins", [("e1000e", "nvme", 3, 1), ("e1000", "ahci", 1, 2)])
def test_steering(boot, iso, disk, web, nic, kind, messages, pins):
    """dom0 changes its CPU, and the interrupts of its devices come along, also under load."""
    guests = {"one.xml": m.linux_xml("one", partition="guest1", mac="52:54:00:00:01:01"), **m.LINUX_FILES}
    box = boot(iso=iso(guests), memory=512, nic=nic, image=disk(), disk=kind, cpus=4).boot()
    with box.in_console("one"):
        box.linux_up("one", 180)
    check_interrupted(box, 0, messages, pins)
    assert re.search(r"VCPU +CPU Affinity\s+-+\s+0 +0\s", box.run("vcpupin Domain-0"))
    for wrong in ("0 4", "0 0-1", "0 x", "0 ^1"):
        assert "runs on one CPU, the one that its devices interrupt" in box.run(f"vcpupin Domain-0 {wrong}")
    assert "Numeric value '1' for <vcpu> option" in box.run("vcpupin Domain-0 1 2")
    box.run("vcpupin Domain-0 0 2")
    check_interrupted(box, 2, messages, pins)
    assert re.search(r"\s0 +2\s", box.run("vcpupin Domain-0 0"))
    assert re.search(r"CPU Affinity: +--y-\s", box.run("vcpuinfo Domain-0"))

    with box.in_console("one"):
        assert box.linux(f"wget -q -O - {web.url}/hello") == "hello from outside\n"
        box.linux(LOAD)
    for n in range(20):
        box.run(f"vcpupin Domain-0 0 {n % 4}")
        if n % 5 == 0:
            with box.in_console("one"):
                assert box.linux(f"wget -q -O - {web.url}/hello") == "hello from outside\n"
    check_interrupted(box, 3, messages, pins)
    with box.in_console("one"):
        before = int(box.linux("cat /tmp/rounds"))
        box.linux(f"while [ $(cat /tmp/rounds) -lt {before + 3} ]; do sleep 0.1; done; touch /tmp/stop; wait")
        assert "No such file" in box.linux("cat /tmp/wrong", status=1)
        assert box.linux(f"wget -q -O - {web.url}/big | md5sum").split()[0] == hashlib.md5(web.pages["/big"]).hexdigest()
    text = box.run("dmesg")
    assert "lost its interrupt" not in text and "answer" not in text


def test_watchdog(boot, tmp_path):
    """A CPU that stays in the kernel for ever, as only an error of the kernel's makes it: the next one says so and stops."""
    symbols = {name: int(at, 16) for at, _, name in
               (line.split() for line in subprocess.check_output(["nm", m.BUILD / "sampo.elf"], text=True).splitlines())}
    box = boot(kernel=m.BUILD / "sampo.elf32", modules=[(m.BUILD / "dom0.bin", "dom0")], memory=256, cpus=2, nic=None,
               args=["-gdb", f"unix:{tmp_path}/gdb,server,nowait"]).boot()
    stub = gdbstub.Stub(tmp_path / "gdb")
    stub.write(symbols["ap_trampoline"], b"\xeb\xfe")  # of no use any more: it jumps to itself
    stub.reached_by(symbols["timer_run"], 1)
    stub.jump(1, symbols["ap_trampoline"])
    stub.leave()
    box.expect(r"Sampo panic: CPU 1 does not leave the kernel", 90)


def test_watchdog_of_stopped_machine(boot):
    """QEMU itself stands still for longer than the watchdog waits, while the CPUs' time goes on: no CPU is to blame."""
    box = boot(kernel=m.BUILD / "sampo.elf32", modules=[(m.BUILD / "dom0.bin", "dom0")], memory=256, cpus=2, nic=None).boot()
    os.kill(box.child.pid, signal.SIGSTOP)
    time.sleep(14)
    os.kill(box.child.pid, signal.SIGCONT)
    assert "2" in box.run("nodeinfo")
    box.child.expect([m.pexpect.TIMEOUT, "panic"], timeout=2)
    assert "panic" not in box.log_text()


def seconds_up(box):
    """Of the machine, as its own clock has it."""
    days, hours, minutes, seconds = map(int, re.search(r"up (\d+) days, (\d+):(\d+):(\d+)", box.run("uptime")).groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def test_linux_that_stood_still(boot, tmp_path):
    """
    A busy Linux that has been suspended for longer than its watchdogs wait complains of nothing. Nothing else runs
    meanwhile, and so the virtual time of -icount passes fast.
    """
    xml = tmp_path / "linux1.xml"
    xml.write_text(vcpus(m.linux_xml("linux1"), 2))
    modules = [(m.BUILD / "dom0.bin", "dom0"), (xml, xml.name), *((file, name) for name, file in m.LINUX_FILES.items())]
    box = boot(kernel=m.BUILD / "sampo.elf32", memory=512, disk=None, nic=None, cpus=1, icount=True, modules=modules).boot()
    with box.in_console("linux1"):
        box.linux_up("linux1", 240)
        box.linux("for i in 1 2; do while :; do cat /proc/self/maps >/dev/null; done & done")
    for _ in range(3):
        box.run("suspend linux1")
        until = seconds_up(box) + 60
        while seconds_up(box) < until:
            time.sleep(0.5)
        box.run("resume linux1")
        with box.in_console("linux1"):
            box.linux("sleep 0.1", 120)
    with box.in_console("linux1"):
        box.linux("dmesg | grep -E 'detected (stall|expedited)|self-detected|lockup|starved'", 120, status=1)
