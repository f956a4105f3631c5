# SPDX-License-Identifier: BSD-2-Clause
"""
Sampo on Intel: the ladder of CPU models that Bochs has, from those that are refused to the newest, four CPUs, and Linux with
its disk behind the IDE driver. The tests of tests/qemu that bochs.RUNS names run here too.
"""

import re

import pytest

import machine as m

KERNEL = m.BUILD / "sampo.elf32"
DOM0 = m.BUILD / "dom0.bin"
RULES = ("msrs", "crs", "debug", "exceptions", "fpu", "cpuids", "apic")
MORE_RULES = ("isolation", "ports", "hypercalls", "clock")

REFUSED = {
    "core2_penryn_t9600": r"no extended page tables",
    "corei5_lynnfield_750": r"no unrestricted guest",
}
# haswell, between the second and the third, runs all the other tests.
RUNNING = ["corei5_arrandale_m520", "corei7_sandy_bridge_2600k", "corei7_skylake_x", "corei7_icelake_u"]

# What is used when it is there, as the kernel says it.
FEATURES = {
    "corei5_arrandale_m520": "vpid eagerfpu",
    "corei7_sandy_bridge_2600k": "vpid eagerfpu",
    "corei7_skylake_x": "vpid ad ple pml xsaves tscscale eagerfpu",
    "corei7_icelake_u": "vpid ad ple pml xsaves tscscale eagerfpu",
}


@pytest.mark.parametrize("model", sorted(REFUSED))
def test_refusal(boot, model):
    box = boot(kernel=KERNEL, modules=[(DOM0, "dom0")], nic=None, model=model, memory=128)
    box.expect(r"Sampo cannot start: VMX [^\n]*\n", 60)
    assert re.search(REFUSED[model], box.match.group(0)), box.match.group(0)


def run_rules(box, names):
    """Each started by hand; nothing is typed while it fills the log."""
    for name in names:
        box.run(f"define {name}.def")
        box.send(f"start {name}\r")
        box.expect(f"{name}: powered off[^\n]*\n", 120)
        output = box.wait_run(f"console {name} --log", r"DONE [1-9]\d* passed, \d+ failed")
        assert "FAIL" not in output, output


# Bochs's own BIOS locks the feature-control register with VMX on; OVMF leaves it as it is.
@pytest.mark.parametrize("register,says", [
    ("0", r"kernel: VMX with"),
    ("1", r"Sampo cannot start: VMX [^\n]*locked off by the firmware"),
], ids=["unlocked", "locked-off"])
def test_feature_control(boot, iso, register, says):
    """What a firmware can leave in IA32_FEATURE_CONTROL, written by GRUB."""
    image = iso({}, grub_commands=f"wrmsr 0x3a {register}", grub_modules="wrmsr")
    box = boot(iso=image, firmware="uefi", nic=None, memory=256)
    box.expect(r"(kernel: VMX |Sampo cannot start: )[^\n]*\n", 120)
    assert re.search(says, box.match.group(0)), box.match.group(0)


@pytest.mark.parametrize("model, words", [*((model, "") for model in RUNNING), ("corei7_skylake_x", "no-features"),
                                          ("corei7_skylake_x", "vid"), ("corei7_icelake_u", "vid")])
def test_model(boot, tmp_path, model, words):
    """
    Guests that test the rules, on CPUs older and newer than the one of the other tests, on one with all that can be
    turned off turned off, and on those that can deliver interrupts by themselves when they do: an MSR that Bochs lacks
    says that they do it right. They do, as long as no interrupt is for the kernel meanwhile.
    """
    modules = [(DOM0, "dom0")]
    for name in RULES:
        (tmp_path / f"{name}.def").write_text(m.domain_xml(name, f"{name}.elf", memory=16))
        modules += [(tmp_path / f"{name}.def", f"{name}.def"), (m.BUILD / f"guests/{name}.elf", f"{name}.elf")]
    box = boot(kernel=KERNEL, modules=modules, memory=256, nic=None, model=model, all_msrs=words == "vid",
               cmdline=words if words.startswith("no-") else "").boot()
    used = re.search(r"kernel: VMX with([^\n]*)", box.run("dmesg")).group(1).split()
    wanted = {"eagerfpu"} if words == "no-features" else set(FEATURES[model].split())
    assert set(used) == wanted | ({"vid"} if words == "vid" else set())
    run_rules(box, RULES)


@pytest.mark.parametrize("model, words", [("corei7_skylake_x", ""), ("corei7_skylake_x", "no-features"),
                                          ("corei7_skylake_x", "no-pml"), ("corei7_sandy_bridge_2600k", "")])
def test_calls_of_model(boot, model, words):
    """The kernel's interface, where what is written is logged by the CPU, is found in page tables, or is not known."""
    box = boot(kernel=KERNEL, modules=[(m.BUILD / "tests/abi.bin", "dom0")], memory=512, nic=None, model=model, cmdline=words)
    box.expect_end(120)
    text = box.log_text()
    assert "FAIL" not in text, "\n".join(re.findall(r"FAIL.*", text))
    assert re.search(r"DONE [1-9]\d* passed, 0 failed", text), box.tail()


@pytest.mark.parametrize("khz", [12345, 2500000])
def test_tsc_frequency(boot, tmp_path, khz):
    """A TSC slower and faster than the machine's, and what goes by it: KVM's clock and the local APIC's timer."""
    clock = f"  <clock offset='utc'><timer name='tsc' frequency='{khz}000'/></clock>"
    modules = [(DOM0, "dom0")]
    for name in ("clock", "apic"):
        (tmp_path / f"{name}.def").write_text(m.domain_xml(name, f"{name}.elf", memory=16, head=clock))
        modules += [(tmp_path / f"{name}.def", f"{name}.def"), (m.BUILD / f"guests/{name}.elf", f"{name}.elf")]
    box = boot(kernel=KERNEL, modules=modules, memory=256, nic=None, model="corei7_skylake_x").boot()
    for name in ("clock", "apic"):
        box.run(f"define {name}.def")
        box.send(f"start {name}\r")
        box.expect(f"{name}: powered off[^\n]*\n", 60)
        output = box.wait_run(f"console {name} --log", r"DONE [1-9]\d* passed, \d+ failed")
        assert "FAIL" not in output, output
        if name == "clock":
            assert abs(int(re.search(r"TSC (\d+) kHz", output).group(1)) - khz) <= khz // 1000


@pytest.mark.parametrize("words", ["", "fuzz=1 calls=4000"], ids=["calls", "hostile"])
def test_interface_on_four_cpus(boot, words):
    box = boot(kernel=KERNEL, modules=[(m.BUILD / "tests/abi.bin", f"dom0 {words}".strip())], memory=512, nic=None, cpus=4)
    box.expect_end(600)
    text = box.log_text()
    assert "kernel: 4 of 4 CPUs run" in text and "panic" not in text.lower(), box.tail()
    assert "FAIL" not in text, "\n".join(re.findall(r"FAIL.*", text))
    assert re.search(r"DONE [1-9]\d* passed, 0 failed", text), box.tail()


@pytest.mark.parametrize("cpu", [0, 1])
def test_stack_overflow(boot, cpu):
    """A kernel that runs out of its stack, on the first CPU and on another, says so before it stops."""
    box = boot(kernel=m.BUILD / "tests/overflow.elf32", modules=[(DOM0, "dom0")], memory=256, nic=None, cpus=2).boot()
    box.run(f"vcpupin Domain-0 0 {cpu}")
    box.send("poweroff\r")
    box.expect(rf"Sampo panic: the stack of CPU {cpu} has overflowed", 60)


def test_rules_on_four_cpus(boot, tmp_path):
    """The rules, also those of a guest that has a virtual CPU for each of the machine's."""
    modules = [(DOM0, "dom0")]
    for name in (*RULES, *MORE_RULES, "smp"):
        xml = m.domain_xml(name, f"{name}.elf", memory=32, cmdline="cpus=4" if name == "smp" else None)
        if name == "smp":
            xml = xml.replace("<vcpu>1</vcpu>", "<vcpu>4</vcpu>")
        (tmp_path / f"{name}.def").write_text(xml)
        modules += [(tmp_path / f"{name}.def", f"{name}.def"), (m.BUILD / f"guests/{name}.elf", f"{name}.elf")]
    box = boot(kernel=KERNEL, modules=modules, memory=256, nic=None, cpus=4).boot()
    assert re.search(r"CPU\(s\): +4\b", box.run("nodeinfo"))
    run_rules(box, (*RULES, *MORE_RULES, "smp"))


def test_linux_disk_and_network(boot, iso, disk):
    """A Linux guest: its disk, its network, and its file after the machine was started again."""
    image = disk()
    guests = {"linux1.xml": m.linux_xml("linux1", partition="guest1", mac="52:54:00:00:01:01"), **m.LINUX_FILES}
    cd = iso(guests)
    box = boot(iso=cd, memory=512, image=image).boot(300)
    box.wait_run("net", r"Address: +10\.0\.2\.\d+")
    with box.in_console("linux1"):
        box.linux_up("linux1", 120)
        assert " /mnt ext4 " in box.linux("cat /proc/mounts")
        assert "inet 10.0.2." in box.linux("ip addr show eth0")
        assert "2 packets received" in box.linux("ping -c 2 10.0.2.2")
        total = box.linux("dd if=/dev/urandom of=/mnt/file bs=64k count=64 2>/dev/null && md5sum /mnt/file").split()[0]
        box.linux("umount /mnt")
    box.send("poweroff\r")
    box.expect_end()
    box.stop()
    box = boot(iso=cd, memory=512, image=image).boot(300)
    with box.in_console("linux1"):
        box.linux_up("linux1", 120)
        assert box.linux("md5sum /mnt/file").split()[0] == total


@pytest.mark.parametrize("model, words", [("corei7_haswell_4770", "no-features"), ("corei7_skylake_x", "")])
def test_linux_features(boot, iso, disk, model, words):
    """Linux on what every CPU has that is not refused, and on the most that there is."""
    guests = {"linux1.xml": m.linux_xml("linux1", partition="guest1", mac="52:54:00:00:01:01"), **m.LINUX_FILES}
    box = boot(iso=iso(guests, cmdline=words), memory=512, image=disk(), model=model).boot(300)
    with box.in_console("linux1"):
        box.linux_up("linux1", 120)
        assert " /mnt ext4 " in box.linux("cat /proc/mounts")


# The AMD model has what QEMU's SVM lacks: the next RIP, flushing by ASID, the filter of PAUSE. It holds interrupts back while
# a guest runs that was entered with them off, so nothing is asked for meanwhile, and such a guest must end by itself. Not
# `debug`: the trap of a guest's single step is left over for the kernel.
SVM_RULES = ("isolation", "msrs", "crs", "ports", "hypercalls", "clock", "fpu", "exceptions", "apic", "cpuids")


@pytest.mark.parametrize("without,used", [("", "xsaves nrips flushbyasid pausefilter"), ("no-features", "")],
                         ids=["features", "no-features"])
def test_svm(boot, tmp_path, without, used):
    modules = [(DOM0, "dom0")]
    for name in SVM_RULES:
        (tmp_path / f"{name}.xml").write_text(m.domain_xml(name, f"{name}.elf", memory=16))
        modules += [(tmp_path / f"{name}.xml", f"{name}.xml"), (m.BUILD / f"guests/{name}.elf", f"{name}.elf")]
    box = boot(kernel=KERNEL, modules=modules, memory=512, nic=None, model="ryzen", cmdline=without)
    box.expect(r"kernel: SVM(?: with)?([^\n,]*)\n")
    assert box.match.group(1).split() == used.split()
    for _ in SVM_RULES:
        box.expect(r": powered off[^\n]*\n", 120)
    for name in SVM_RULES:
        output = box.run(f"console {name} --log")
        assert re.search(r"DONE [1-9]\d* passed, 0 failed", output), output


def test_steering(boot, iso, disk, web):
    """dom0 goes from CPU to CPU with the pins of disk and network card, beside a guest that computes on one of them: both go on."""
    one = m.linux_xml("one", partition="guest1", mac="52:54:00:00:01:01", head="<cputune><vcpupin vcpu='0' cpuset='1'/></cputune>")
    busy = m.domain_xml("busy", "flood.elf", memory=4, cmdline="spin", head="<cputune><vcpupin vcpu='0' cpuset='0'/></cputune>")
    guests = {"one.xml": one, "busy.xml": busy, "flood.elf": m.BUILD / "guests/flood.elf", **m.LINUX_FILES}
    box = boot(iso=iso(guests), memory=512, image=disk(), cpus=2).boot()
    with box.in_console("one"):
        box.linux_up("one", 240)
        box.linux("dd if=/dev/urandom of=/tmp/data bs=64k count=16")
    for cpu in (1, 0, 1):
        box.run(f"vcpupin Domain-0 0 {cpu}")
        assert re.search(rf"VCPU: +0\s+CPU: +{cpu}\b", box.run("vcpuinfo Domain-0"))
        with box.in_console("one"):
            box.linux(f"dd if=/tmp/data of=/mnt/data{cpu} bs=4k conv=fsync; echo 3 >/proc/sys/vm/drop_caches")
            box.linux(f"cmp /tmp/data /mnt/data{cpu}")
            assert box.linux(f"wget -q -O - {web.url}/hello") == "hello from outside\n"
            box.linux(f"wget -q -O /dev/null {web.url}/big")
    assert "lost its interrupt" not in box.run("dmesg")
