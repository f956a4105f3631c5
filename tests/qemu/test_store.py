# SPDX-License-Identifier: BSD-2-Clause
"""What dom0 remembers: guests that are defined once and stay, over starts of the machine and cuts of the power."""

import random
import re
import subprocess

import pytest

import lvm
import machine as m
import write_log

FILES = [(m.BUILD / "dom0.bin", "dom0"), (m.BUILD / "guests/webserver.elf", "webserver.elf")]
QUERY = "PRAGMA integrity_check; SELECT name, autostart FROM domain ORDER BY name"
EXTENT = 4 << 20


def modules(directory, *texts):
    """The boot medium: dom0, a kernel, and files (name, text). Only those whose names end in .xml define guests by themselves."""
    listed = list(FILES)
    for name, text in texts:
        (directory / name).write_text(text)
        listed.append((directory / name, name))
    return listed


def guest(name, memory=16, more=""):
    return m.domain_xml(name, "webserver.elf", memory=memory, extra=more)


def start(boot, files, *images):
    words = []
    for n, image in enumerate(images):
        words += ["-drive", f"if=none,id=d{n},format=raw,file={image}", "-device", f"ide-hd,drive=d{n},bus=ide.{n}"]
    return boot(kernel=m.BUILD / "sampo.elf32", modules=files, memory=384, nic=None, args=words).boot()


def volumes(image, pool="data"):
    """The bytes of the store's two volumes, which lie in one piece each."""
    with lvm.host(image) as host:
        listed = host.report("lvs", "lv_name,seg_pe_ranges", pool)
    places = {}
    for volume in listed:
        first, last = re.search(r":(\d+)-(\d+)$", volume["seg_pe_ranges"]).groups()
        places[volume["lv_name"]] = ((1 << 20) + int(first) * EXTENT, (int(last) - int(first) + 1) * EXTENT)
    return places["sampo-state"], places["sampo-journal"]


def sqlite(directory, data, places, query=QUERY):
    """What the host's sqlite3 says of the volumes as files, as after the two `dd` lines of docs/store.md."""
    for name, (at, size) in zip(("state.db", "state.db-journal"), places):
        (directory / name).write_bytes(data[at:at + size])
    run = subprocess.run(["sqlite3", str(directory / "state.db"), query], check=False, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True)
    return run.stdout.split()


@pytest.mark.quick
def test_keeps(boot, tmp_path):
    """A guest that was defined and marked runs by itself after a cut of the power; the operator changes it and takes it away."""
    image = lvm.blank(tmp_path / "pv.img", 64)
    files = modules(tmp_path, ("web.def", guest("web")), ("db.def", guest("db")), ("more.def", guest("web", memory=32)))
    box = start(boot, files, image)
    output = box.run("define web.def")
    assert "Domain 'web' defined from web.def" in output and "not kept" in output and "pool-build" in output
    assert "Nothing is kept" in box.run("keep-info")
    assert "Pool data built" in box.run("pool-build data sda")
    assert "not kept" in box.run("autostart web")
    output = box.run("define web.def")  # again, and now it is kept
    assert "Domain 'web' defined from web.def" in output and "kept" not in output
    assert "Domain 'db' defined" in box.run("define db.def")
    assert "marked as autostarted" in box.run("autostart web")
    assert "kept" not in box.run("autostart db")
    assert "unmarked" in box.run("autostart db --disable")
    assert "in use by dom0's store" in box.run("vol-delete sampo-state --pool data")
    assert re.search(r"Domains: +2\b", box.run("keep-info"))
    box.stop()  # without a word to the machine

    box = start(boot, files, image)
    box.wait_state("web", "running")
    assert box.state("db") == "shut off"
    assert "error" not in box.run("setmaxmem db 8M --config") + box.run("schedinfo db cpu_shares=77")
    assert re.search(r"Persistent: +yes\s+Autostart: +enable", box.run("dominfo web"))
    assert re.search(r"^ \S+ +web ", box.run("list --all --autostart"), re.M)
    assert "db" in box.run("list --all --no-autostart --persistent")
    # A description for the next start of a guest that runs.
    assert "Domain 'web' defined from more.def" in box.run("define more.def")
    assert "error" not in box.run("schedinfo web cpu_shares=99")  # of the guest as it is
    assert "32768" in box.run("dumpxml web --inactive") and "32768" not in box.run("dumpxml web")
    box.stop()

    box = start(boot, files, image)
    box.wait_state("web", "running")
    assert "32768" in box.run("dumpxml web")
    dumped = box.run("dumpxml db")
    assert "<memory unit='KiB'>8192" in dumped and "<shares>77" in dumped
    assert "Domain 'db' has been undefined" in box.run("undefine db")
    # The description of a guest that runs goes when the guest ends, and from the store at once.
    assert "has been undefined" in box.run("undefine web")
    assert box.state("db") is None
    assert re.search(r"Persistent: +no", box.run("dominfo web"))
    box.run("destroy web")
    assert "Domain 'db' created" in box.run("create db.def")
    box.stop()
    places = volumes(image)
    assert sqlite(tmp_path, image.read_bytes(), places) == ["ok"]


def test_medium(boot, tmp_path):
    """A guest of the boot medium has that description while it is there; a description that is refused is kept and shown."""
    image = lvm.blank(tmp_path / "pv.img", 64)
    both = modules(tmp_path, ("web.xml", guest("web")))
    later = modules(tmp_path, ("other.def", guest("web", memory=32)))
    box = start(boot, both + later[len(FILES):], image)
    box.run("pool-build data sda")
    assert "its description counts when" in box.run("define other.def")
    assert "not kept" in box.run("autostart web --disable")
    box.stop()
    box = start(boot, both, image)
    assert "'web' comes with the boot medium" in box.before
    assert "32768" not in box.run("dumpxml web")
    box.stop()
    box = start(boot, later, image)
    assert "32768" in box.run("dumpxml web")
    box.stop()

    # Another Sampo has kept what this one does not know.
    data = bytearray(image.read_bytes())
    places = volumes(image)
    sqlite(tmp_path, data, places, "UPDATE domain SET xml = replace(xml, '<vcpu>', '<teapot/>' || char(10) || '<vcpu>')")
    at, size = places[0]
    data[at:at + size] = (tmp_path / "state.db").read_bytes().ljust(size, b"\0")[:size]
    data[places[1][0]:places[1][0] + 512] = bytes(512)
    image.write_bytes(data)
    box = start(boot, later, image)
    assert "the description of 'web' that dom0 keeps is refused" in box.before
    assert re.search(r"'web' is refused:\s+web:\d+: <teapot>", box.run("keep-info"))
    assert "<teapot/>" in box.run("dumpxml web")
    assert "Domain 'web' defined" in box.run("define other.def")
    assert "refused" not in box.run("keep-info")
    assert "has been undefined" in box.run("undefine web")
    box.stop()


def test_identity(boot, tmp_path):
    """The machine's name and address stay; ip= on dom0's command line overrides the address."""
    image = lvm.blank(tmp_path / "pv.img", 64)
    disk = ["-drive", f"if=none,id=d0,format=raw,file={image}", "-device", "ide-hd,drive=d0,bus=ide.0"]

    def run(words):
        return boot(kernel=m.BUILD / "sampo.elf32", modules=[(FILES[0][0], words)], memory=256, args=disk).boot()

    box = run("dom0")
    assert "Nothing is kept" in box.run("host-config")
    assert "there is no pool" in box.run("host-config --name fridge")
    box.run("pool-build data sda")
    assert "Store built" in box.run("keep-build")
    assert "Name kept" in box.run("host-config --name fridge")
    assert box.run("hostname").strip() == "fridge"
    assert "letters" in box.run("host-config --name 'a b'")
    assert "prefix" in box.run("host-config --ip 10.0.2.77")
    assert "Address kept" in box.run("host-config --ip 10.0.2.77/24,gw=10.0.2.2")
    box.wait_run("net", r"10\.0\.2\.77")
    box.stop()
    box = run("dom0")
    assert box.run("hostname").strip() == "fridge"
    assert "10.0.2.77" in box.run("net")
    box.stop()
    box = run("dom0 ip=10.0.2.88/24")
    assert "10.0.2.88" in box.run("net")
    assert re.search(r"ip=10.0.2.77/24,gw=10.0.2.2, overridden", box.run("host-config"))
    assert "Address kept" in box.run("host-config --ip default")
    assert "Name kept" in box.run("host-config --name default")
    assert box.run("hostname").strip() == "sampo"


def test_pools(boot, tmp_path):
    """Of two pools with a store the first by its name counts; a store that is none is left alone."""
    one, two = (lvm.blank(tmp_path / f"{name}.img", 64) for name in ("one", "two"))
    files = modules(tmp_path, ("web.def", guest("web")))
    box = start(boot, files, one, two)
    box.run("pool-build beta sda")
    box.run("pool-build alpha sdb")
    assert "several pools" in box.run("define web.def")
    assert "Store built" in box.run("keep-build beta")
    assert "kept" not in box.run("define web.def")
    assert "there is a store already" in box.run("keep-build alpha")
    assert "Vol sampo-state created" in box.run("vol-create-as alpha sampo-state 4M")
    assert "Vol sampo-journal created" in box.run("vol-create-as alpha sampo-journal 4M")
    box.stop()
    box = start(boot, files, one, two)
    assert "2 pools have a store: that of the pool alpha counts" in box.before
    assert re.search(r"Domains: +0\b", box.run("keep-info"))
    box.stop()
    (at, size), _ = volumes(one, "beta")
    with open(one, "r+b") as file:
        file.seek(at)
        file.write(random.Random(1).randbytes(size))
    box = start(boot, files, one)
    assert "the store in the pool beta cannot be used: there is something else than a database" in box.before
    output = box.run("define web.def")
    assert "defined from web.def" in output and "not kept" in output
    box.stop()
    assert one.read_bytes()[at:at + size] == random.Random(1).randbytes(size)


def test_power_cut(boot, tmp_path):
    """Wherever the power is cut while dom0 keeps something, sqlite3 finds the state before or the one after it."""
    image, log = lvm.blank(tmp_path / "pv.img", 24), lvm.blank(tmp_path / "log", 0)
    files = modules(tmp_path, ("web.def", guest("web")), ("db.def", guest("db")))
    box = start(boot, files, image)
    box.run("pool-build data sda")
    assert "kept" not in box.run("define db.def")
    box.stop()
    base = image.read_bytes()
    places = volumes(image)
    box = boot(kernel=m.BUILD / "sampo.elf32", modules=files, memory=384, nic=None, args=[
        "-blockdev", f"driver=file,node-name=image,filename={image}", "-blockdev", f"driver=file,node-name=log,filename={log}",
        "-blockdev", "driver=blklogwrites,node-name=d0,file=image,log=log,log-sector-size=512",
        "-device", "ide-hd,drive=d0,bus=ide.0"]).boot()
    assert "kept" not in box.run("define web.def")
    assert "marked" in box.run("autostart web")
    assert "undefined" in box.run("undefine db")
    box.send("poweroff --force\r")
    box.expect_end(60)
    box.stop()

    states = [["ok", "db|0"], ["ok", "db|0", "web|0"], ["ok", "db|0", "web|1"], ["ok", "web|1"]]
    written = list(write_log.entries(log))
    assert sum(bool(flags & write_log.FLUSH) for flags, _, _ in written) >= 12
    some = random.Random(1)
    seen, last = set(), 0
    for end in range(len(written) + 1):
        for every in (True, False):
            data = write_log.cut(base, written, end, lambda n, every=every: every or some.random() < 0.5)
            now = sqlite(tmp_path, data, places)
            assert now in states, f"entry {end} of {len(written)}, {every}: {now}"
            seen.add(states.index(now))
            # What is old does not come back.
            assert not every or states.index(now) >= last
            last = max(last, states.index(now)) if every else last
    assert seen == {0, 1, 2, 3}
    assert last == 3
