# SPDX-License-Identifier: BSD-2-Clause
"""The kernel's interface from the outside: a program in dom0's place makes the calls, tests/kernel."""

import os
import random
import re

import pytest

import machine as m

QUICK = pytest.mark.quick

# A seed of the fuzzer of calls beside the one that it always has, and how long it runs in test_hostile_for_long.
SEED = int(os.environ.get("SAMPO_SEED") or random.randrange(2, 1 << 32))
FUZZ_SECONDS = int(os.environ.get("SAMPO_FUZZ_SECONDS", "0"))


def run(boot, words="", timeout=400, cpus=None, cpu="EPYC,+svm", apart=True):
    """What the program says with these words on its command line."""
    cpus = cpus or m.CPUS
    box = boot(kernel=m.BUILD / "sampo.elf32", cpu=cpu, memory=512, nic=None, icount=cpus == 1, apart=apart, cpus=cpus,
               modules=[(m.BUILD / "tests/abi.bin", f"dom0 {words}".strip())])
    box.expect_end(timeout)
    text = box.log_text()
    assert "panic" not in text.lower(), box.tail()
    assert "FAIL" not in text, "\n".join(re.findall(r"FAIL.*", text))
    assert re.search(r"DONE [1-9]\d* passed, 0 failed", text), box.tail()
    return text


@QUICK
def test_calls(boot, request):
    """Only Bochs, and QEMU with one CPU, have a clock of their own that does not go on while the host does other things."""
    exact = m.CPUS == 1 or request.config.getoption("--machine") == "bochs"
    run(boot, "" if exact else "loose")


def test_calls_of_max(boot, request):
    """The same on a CPU of AMD's with more: protection keys for user pages."""
    if request.config.getoption("--machine") == "bochs":
        pytest.skip("a guest of an Intel CPU cannot turn them on")
    text = run(boot, "loose", cpu="max,la57=off")
    assert "protection keys off" in text


def test_long_calls(boot, request):
    """How long the kernel keeps a CPU for calls at a time, where another CPU has the vCPUs that they are about."""
    exact = request.config.getoption("--machine") == "bochs"
    run(boot, "long" if exact else "long loose", cpus=2)


def hostile(boot, seed, words, timeout, cpus):
    """
    Several vCPUs of the program, and guests, make calls at random. The seed of a run is in its log, and in its failure. Random
    bytes that a guest executes may be XRSTOR or FLDENV, so QEMU's CPUs take turns on one core of the host (on_one_core).
    """
    print(f"SAMPO_SEED={seed}")
    text = run(boot, f"fuzz={seed} {words}", timeout, cpus, apart=False)
    assert f"fuzz: seed {seed}," in text and "PASS fuzz: nothing is left of a round" in text
    return int(re.search(r"fuzz: (\d+) calls, [1-9]\d* succeeded", text)[1])


@pytest.mark.parametrize("cpus,calls", [pytest.param(1, 30000, marks=QUICK), pytest.param(4, 5000, marks=QUICK), (4, 30000)])
def test_hostile(boot, cpus, calls):
    assert hostile(boot, 1, f"calls={calls}", 300, cpus) >= calls


def test_hostile_by_another_seed(boot):
    hostile(boot, SEED, "calls=30000", 300, 4)


@pytest.mark.skipif(not FUZZ_SECONDS, reason="a long run, by SAMPO_FUZZ_SECONDS")
def test_hostile_for_long(boot):
    hostile(boot, SEED, f"seconds={FUZZ_SECONDS}", 600 + 4 * FUZZ_SECONDS, 4)


@pytest.mark.parametrize("cpus", [1, 2])
def test_hogs(boot, request, cpus):
    """Equal hogs have equal shares of one CPU, and of two, by what the kernel says that they ran."""
    if cpus > 1 and request.config.getoption("--machine") != "bochs":
        pytest.skip("QEMU's CPUs stand still while the host does other things, or under -icount for long turns")
    text = run(boot, "hogs", cpus=cpus)
    assert ("hogs on two CPUs" in text) == (cpus == 2)


def test_floods(boot, request):
    """Whatever a guest has the kernel do, a neighbour loses at most 3 % of the CPU beyond what the guest is charged for.
    SAMPO_FLOODS=1000: milliseconds for each kind."""
    ms = os.environ.get("SAMPO_FLOODS", "100" if request.config.getoption("--machine") == "bochs" else "40")
    run(boot, f"floods ms={ms}", timeout=120 + 10 * int(ms), cpus=1)


def test_floods_across(boot, request):
    """The same from another CPU. The CPUs of Bochs, and they alone, go on at the same rate. In less time a turn of 0.35 ms more or less
    is a percent."""
    if request.config.getoption("--machine") != "bochs":
        pytest.skip("QEMU's CPUs stand still while the host does other things")
    run(boot, f"floods ms={os.environ.get('SAMPO_FLOODS', '100')}", timeout=300, cpus=2)


def test_bench(boot):
    text = run(boot, "bench")
    across = ("ipi-across", "wake-across", "unmap-across") if m.CPUS > 1 else ()
    for name in ("event", "vcpu-switch", "first-instruction", "ipi", "unmap", *across):
        assert re.search(rf"bench {name} [1-9]\d*\b", text)
