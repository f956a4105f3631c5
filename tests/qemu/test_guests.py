# SPDX-License-Identifier: BSD-2-Clause
"""
The rules of the interface and of isolation: small guests that each test one of them from the inside, and bad
neighbours beside which the others go on.
"""

import re

import pytest

import machine as m

QUICK = pytest.mark.quick

RNG = "    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
RULES = ("isolation", "msrs", "crs", "ports", "hypercalls", "clock", "fpu", "debug", "exceptions", "apic", "cpuids")
FLOODS = ("spin", "ipi", "doorbell", "console", "port")
CRASHES = {
    # how, state, what is said of it
    "triple": ("crashed|shut off", r"triple fault"),
    "nopaging": ("crashed|shut off", r"triple fault|page tables where there is no memory"),
    "halt": ("running", r"halted for ever"),
    "exception": ("running", r"halted for ever"),
    "poweroff": ("shut off", r""),
    **{f"cr{word}": ("crashed|shut off", r"refused|powered off|triple fault")
       for word in ("0-pe", "0-nw", "0-high", "3-high", "4-pae", "4-vmxe", "4-31", "4-high")},
}
GARBAGE = [("garbage", f"seed={n}") for n in (1, 2, 3)] + \
          [("garbage-real16", f"{mode} {n}") for mode in ("real", "protected") for n in (1, 2, 3)]


class Guests:
    """A machine with dom0 whose guests are defined and started by hand."""

    def __init__(self, place):
        self.place = place
        self.modules = [(m.BUILD / "dom0.bin", "dom0")]
        self.box = None

    def add(self, name, elf, cmdline=None, memory=32):
        text = m.domain_xml(name, f"{elf}.elf", memory=memory, cmdline=cmdline, extra=RNG)
        # dom0 starts what ends in .xml by itself
        file = self.place / f"{name}.def"
        file.write_text(text.replace("<devices>", "<on_crash>destroy</on_crash><devices>"))
        self.modules.append((file, file.name))

    def elf(self, *names):
        self.modules += [(m.BUILD / f"guests/{n}.elf", f"{n}.elf") for n in names]

    def start(self, name):
        self.box.run(f"define {name}.def")
        assert "started" in self.box.run(f"start {name}")

    def log(self, name):
        return self.box.run(f"console {name} --log")

    def finish(self, name, timeout=60):
        """What a guest of rules says until it is done."""
        return self.box.wait_run(f"console {name} --log", r"DONE \d+ passed, \d+ failed", timeout)

    def remove(self, name):
        self.box.run(f"destroy {name}")
        self.box.wait_state(name, "shut off", 20)
        self.box.run(f"undefine {name}")


@pytest.fixture(scope="module")
def guests(tmp_path_factory):
    place = tmp_path_factory.mktemp("guests")
    all_of_them = Guests(place)
    all_of_them.elf(*RULES, "flood", "crash", "garbage", "garbage-real16", "hello")
    for name in RULES:
        all_of_them.add(name, name)
    all_of_them.add("witness", "exceptions")
    all_of_them.add("fpu2", "fpu", "seed=2")
    for how in FLOODS:
        all_of_them.add(f"flood-{how}", "flood", how)
    for how in CRASHES:
        all_of_them.add(f"crash-{how}", "crash", how)
    for n, (elf, words) in enumerate(GARBAGE):
        all_of_them.add(f"garbage{n}", elf, words)
    with m.Machine(place, kernel=m.BUILD / "sampo.elf32", modules=all_of_them.modules, memory=1024, nic=None) as box:
        all_of_them.box = box.boot()
        yield all_of_them


def check_rules(output):
    assert "FAIL" not in output, "\n".join(re.findall(r"FAIL.*", output))
    assert re.search(r"DONE [1-9]\d* passed, 0 failed", output)


@pytest.fixture
def witness(guests):
    """Whatever happened: dom0 answers, and a guest that is started then works."""
    yield
    guests.start("witness")
    try:
        check_rules(guests.finish("witness"))
    finally:
        guests.remove("witness")


@QUICK
@pytest.mark.parametrize("name", RULES)
def test_rules(guests, name):
    guests.start(name)
    output = guests.finish(name)
    check_rules(output)
    if name == "apic":
        assert re.search(r"EOI in memory: [1-9]\d* saved", output), output
    guests.box.wait_state(name, "shut off", 20)
    guests.remove(name)


@QUICK
def test_fpu_of_two(guests):
    """Two guests with different registers at the same time."""
    guests.start("fpu")
    guests.start("fpu2")
    for name in ("fpu", "fpu2"):
        check_rules(guests.finish(name))
        guests.remove(name)


@pytest.mark.parametrize("how", [pytest.param(how, marks=QUICK if how in ("ipi", "console") else ()) for how in FLOODS])
def test_flood(guests, witness, how):
    name = f"flood-{how}"
    guests.start(name)
    guests.box.wait_run(f"console {name} --log", "flood", 20)
    # while it goes on:
    guests.start("fpu")
    check_rules(guests.finish("fpu"))
    guests.remove("fpu")
    assert guests.box.state(name) == "running"
    guests.remove(name)


def test_flood_watched(guests, witness):
    """Connected to a console that is flooded: keys get through, Ctrl-] leaves."""
    guests.start("flood-console")
    with guests.box.in_console("flood-console"):
        guests.box.expect(r"flood \d+", 20)
        guests.box.send("some keys")
        guests.box.expect(r"flood \d+", 20)
    assert guests.box.state("flood-console") == "running"
    guests.remove("flood-console")


@pytest.mark.parametrize("how", [pytest.param(how, marks=QUICK if how == "triple" else ()) for how in sorted(CRASHES)])
def test_crash(guests, witness, how):
    name = f"crash-{how}"
    guests.start(name)
    guests.box.wait_run("list --all", rf"{name} +({CRASHES[how][0]})", 20)
    guests.box.wait_run("dmesg", rf"{name}: .*({CRASHES[how][1]})", 20)
    assert "about to end" in guests.log(name)
    guests.remove(name)


@pytest.mark.parametrize("number", range(len(GARBAGE)), ids=[f"{e}-{w}".replace(" ", "-") for e, w in GARBAGE])
def test_garbage(guests, witness, number):
    """Random code may end, loop or stop: it is destroyed, if it has not ended itself."""
    name = f"garbage{number}"
    guests.start(name)
    guests.box.wait_run(f"console {name} --log", "garbage begins", 20)
    guests.box.run("list --all")
    guests.remove(name)


def test_nothing_is_lost(guests):
    """Guests that come and go leave no handle and no memory behind."""
    def facts():
        text = guests.box.run("nodeinfo")
        return [re.search(rf"{what}: +(\d+)", text).group(1) for what in ("Memory free", "Domains", "Handles")]

    guests.start("crash-poweroff")
    guests.box.wait_state("crash-poweroff", "shut off", 20)
    before = facts()
    for _ in range(20):
        guests.box.run("start crash-poweroff")
        guests.box.wait_state("crash-poweroff", "shut off", 20)
    assert facts() == before
    guests.remove("crash-poweroff")
