# SPDX-License-Identifier: BSD-2-Clause
"""
The power goes at any moment while guests and dom0 change images: QEMU logs what reaches the disk, and each state that a cut
may leave is looked at with lvm2 and qemu-img. Some cuts, chosen at random; SAMPO_CUTS=0: every prefix of the log, with
more choices of what lasts of the rest, SAMPO_STEPS=30: more operations (`make cut-tests`).
"""

import hashlib
import json
import os
import random
import re
import struct
import subprocess
import time

import lvm
import machine as m
import write_log

MIB = 1 << 20
SECTOR = 512
BASE = 0xba5e            # what the backing file has: the value of all of its words
FETCHED = random.Random(5).randbytes(MIB + 777)
SIZE = 10 * MIB          # of the image that the guest writes to
SECTORS = SIZE // SECTOR
SMALL = 2 * MIB          # of the image with snapshots
CUTS = int(os.environ.get("SAMPO_CUTS", "6"))  # of each part of the log, and both its ends; 0: all
STEPS = int(os.environ.get("SAMPO_STEPS", "0"))  # random groups of the guest's operations
SEED = int(os.environ.get("SAMPO_SEED", "1"))


def words(value, sector, count=1):
    """Sectors of data as tests/cuts/writer.c writes them."""
    return b"".join(struct.pack("<Q", value << 32 | n) * (SECTOR // 8) for n in range(sector, sector + count))


def qemu(*argv, codes=(0,)):
    run = subprocess.run(list(map(str, argv)), check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert run.returncode in codes, f"{' '.join(map(str, argv))}: {run.returncode}\n{run.stdout}"
    return run.stdout


# --- The guest's operations ---


def script(some, steps):
    """
    Lines for writer.c, and what they do: (kind, sector, count, value) in groups, one for each flush. The first groups are
    one kind of allocation each.
    """
    groups = [
        [("w", 40, 8, 1)],                          # a new cluster in a table that is there
        [("w", 6 * 4096 // 512 + 3, 2, 2)],         # a part of one: the rest comes from the backing file
        [("w", 4 * MIB // SECTOR + 5, 1, 3)],       # a new L2 table
        [("z", 40, 8, 0), ("p", 8192 + 64, 16, 0)], # zeros over data, and where there is nothing
        [("w", 8192 + 64, 16, 4), ("d", 8192 + 64, 8, 0)],
        [("w", 2048, 2048, 5)],                     # more than a refcount block counts
        [("d", 2048, 2048, 0), ("w", 16, 64, 6)],   # clusters that go, and new ones meanwhile
        [("w", 8 * MIB // SECTOR, 3072, 7)],
        [("w", 4096, 4096, 8), ("w", 8200, 4096, 12)],  # more than the volume has
        [("w", 2048, 1024, 9), ("w", 2050, 3, 10)],
    ]
    for n in range(steps):
        group = []
        for k in range(some.randint(1, 6)):
            kind = some.choice("wwwwzpd")
            count = some.choice([1, 3, 8, 16, 64, 200])
            at = some.randrange(SECTORS - count)
            if kind != "w":
                at, count = at // 8 * 8, max(count // 8 * 8, 8)
            group.append((kind, at, count, 100 + 8 * n + k))
        groups.append(group)
    lines = []
    for number, group in enumerate(groups, 1):
        for kind, at, count, value in group:
            lines.append(f"{kind} {at} {count}" + (f" {value}" if kind == "w" else ""))
        lines.append(f"f {number}")
    return "\n".join(lines) + "\n", groups


class Model:
    """What each sector of the guest's disk may have when the groups before `number` are flushed and that one may be at work."""

    def __init__(self, groups):
        self.groups = groups
        self.now = [{words(BASE, s) if s < 4 * MIB // SECTOR else bytes(SECTOR)} for s in range(SECTORS)]
        self.number = 0

    def advance(self, number):
        while self.number < number:
            for op in self.groups[self.number]:
                self.apply(op, self.now)
            self.number += 1

    @staticmethod
    def apply(op, state, adding=False):
        kind, at, count, value = op
        for s in range(at, at + count):
            new = words(value, s) if kind == "w" else bytes(SECTOR)
            # A discard may have no effect.
            state[s] = state[s] | {new} if adding or kind == "d" else {new}

    def wrong(self, data):
        """The first sector of the content that has what it may not have; None: there is none."""
        later = {}
        for op in self.groups[self.number] if self.number < len(self.groups) else []:
            touched = {s: later.get(s, self.now[s]) for s in range(op[1], op[1] + op[2])}
            self.apply(op, touched, True)
            later.update(touched)
        for s in range(SECTORS):
            if data[s * SECTOR:(s + 1) * SECTOR] not in later.get(s, self.now[s]):
                return s
        return None


# --- The disk ---


def disks(*volumes):
    return "".join(f"<disk type='volume'><driver name='qemu' type='{kind}' discard='unmap'/><source pool='data' volume='{volume}'/>"
                   f"<target dev='vd{chr(ord('a') + n)}' bus='virtio'/></disk>" for n, (volume, kind) in enumerate(volumes))


# A guest that writes, and one that ends by itself, for its snapshots; neither is kept: a store would take room.
LINUX = re.sub(r"<disk.*?</disk>", disks(("top", "qcow2"), ("mark", "raw")),
               m.linux_xml("linux1", partition="none", memory=128, words="ip=none"), flags=re.S)
SNAP = m.domain_xml("snap", "hello.elf", memory=8, extra=disks(("snap", "qcow2")))


def make_pool(image, directory):
    """A pool of volumes: `mark`, `base`, room for the one that is fetched, `snap`, and `top`, which can grow at the end."""
    base, top, snap, old = (directory / name for name in ("base.raw", "top.qcow2", "snap.qcow2", "old.raw"))
    base.write_bytes(words(BASE, 0, 4 * MIB // SECTOR))
    # Refcount blocks and L2 tables for 2 MiB each.
    small = ["-o", "cluster_size=4096,refcount_bits=64"]
    qemu("qemu-img", "create", "-q", "-f", "qcow2", *small, "-u", "-b", "/dev/data/base", "-F", "raw", top, SIZE)
    old.write_bytes(words(1, 0, SMALL // SECTOR))
    qemu("qemu-img", "convert", "-O", "qcow2", *small, old, snap)
    qemu("qemu-img", "snapshot", "-c", "old", snap)
    qemu("qemu-io", "-c", "write -P 7 64k 700k", "-c", "write -z 1M 64k", snap)
    with lvm.host(image) as host:
        host.group("data", ("mark", "-L4M"), ("base", "-L4M"), ("gap", "-L4M"), ("snap", "-L4M"), ("top", "-L4M"))
        host.lvm("lvremove", "-y", "data/gap")
        host.lvm("vgchange", "--addtag", "sampo", "data")
        for name in ("snap", "top"):
            host.lvm("lvchange", "--addtag", "sampo.format=qcow2", f"data/{name}")
        host.lvm("lvchange", "--addtag", "sampo.backing=data/base", "data/top")
        listed = state(host)
    with open(image, "r+b") as disk:
        for name, file in (("base", base), ("snap", snap), ("top", top)):
            disk.seek(listed[name][0])
            disk.write(file.read_bytes())
    return listed, base


def state(host):
    """By volume: where it is, in one piece, its bytes and its tags."""
    found = {}
    for part in host.report("lvs", "lv_name,lv_tags,seg_start_pe,seg_pe_ranges", "--segments", "data"):
        first, last = map(int, re.search(r":(\d+)-(\d+)$", part["seg_pe_ranges"]).groups())
        at, size, tags = found.get(part["lv_name"], (MIB + first * 4 * MIB, 0, set(filter(None, part["lv_tags"].split(",")))))
        assert at + size == MIB + first * 4 * MIB, f"{part['lv_name']} is in pieces"
        found[part["lv_name"]] = at, size + (last - first + 1) * 4 * MIB, tags
    return found


class Checker:
    """Looks at the disk after a cut. What is as it was after another cut is not looked at again."""

    def __init__(self, image, replay, base, directory, groups):
        self.image, self.replay, self.base, self.directory = image, replay, base, directory
        self.model = Model(groups)
        self.groups = {}      # by the digest of the pool's metadata: its volumes
        self.contents = {}    # by the digest of a volume: what it has
        self.looked = 0

    def once(self, cache, at, size, look):
        key = at, hashlib.sha1(self.replay.read(at, size)).digest()
        if key not in cache:
            self.looked += 1
            cache[key] = look()
        return cache[key]

    def volumes(self):
        return self.once(self.groups, 0, MIB, self.look_at_pool)

    def look_at_pool(self):
        with lvm.host(self.image) as host:
            host.pvck(self.image, cut=True)
            said = host.lvm("vgck", "data")
            assert not re.sub(r".*Activation disabled.*\n?", "", said).strip(), said
            return state(host)

    def options(self, place, **more):
        at, size, _ = place
        return "json:" + json.dumps({"driver": "qcow2", "file": {"driver": "raw", "offset": at, "size": size, "file": {
            "driver": "file", "filename": str(self.image)}}} | more)

    @staticmethod
    def check(image):
        """qemu-img finds leaks at worst."""
        qemu("qemu-img", "check", image, codes=(0, 3))

    def content(self, image, *more):
        out = self.directory / "content"
        qemu("qemu-img", "convert", "-O", "raw", *more, image, out)
        return out.read_bytes()

    def look_at_top(self, place):
        image = self.options(place, backing={"driver": "raw", "file": {"driver": "file", "filename": str(self.base)}})
        self.check(image)
        return self.content(image)

    def look_at_snap(self, place):
        """The names of the snapshots with digests of their contents, and that of the content now."""
        image = self.options(place)
        self.check(image)
        names = re.findall(r"^\d+ +(\S+) ", qemu("qemu-img", "snapshot", "-l", image), re.M)
        each = {name: self.content(image, "-l", f"snapshot.name={name}") for name in names}
        return {name: hashlib.sha1(data).hexdigest() for name, data in {**each, "": self.content(image)}.items()}

    def fetched(self, volumes):
        """Whether the volume is there without a mark; then it is whole."""
        if "fetched" not in volumes or "sampo.partial=1" in volumes["fetched"][2]:
            return False
        assert self.replay.read(volumes["fetched"][0], len(FETCHED)) == FETCHED
        return True

    def top(self, volumes, number):
        """The content is one that the guest may find when `number` flushes have ended."""
        self.model.advance(number)
        at, size, _ = volumes["top"]
        data = self.once(self.contents, at, size, lambda: self.look_at_top(volumes["top"]))
        wrong = self.model.wrong(data)
        if wrong is not None:
            found = data[wrong * SECTOR:wrong * SECTOR + 8]
            raise AssertionError(f"sector {wrong} has {found.hex()}, {number} flushes had ended")

    def snap(self, volumes):
        at, size, _ = volumes["snap"]
        return self.once(self.contents, at, size, lambda: self.look_at_snap(volumes["snap"]))


def test_power_cuts(boot, tmp_path):
    image, log = lvm.blank(tmp_path / "pv.img", 45), lvm.blank(tmp_path / "log", 0)
    places, base = make_pool(image, tmp_path)
    some = random.Random(SEED)
    text, groups = script(some, STEPS)
    programs = tmp_path / "programs"
    programs.mkdir()
    subprocess.run(["gcc", "-O2", "-static", "-o", str(programs / "writer"), str(m.TOP / "tests/cuts/writer.c")], check=True)
    archives = [m.cpio_gz(programs, "writer", programs / "writer")]
    (tmp_path / "script").mkdir()
    archives.append(m.cpio_gz(tmp_path / "script", "script", text))
    initrd = tmp_path / "initrd.gz"
    initrd.write_bytes(m.LINUX_FILES["initrd.gz"].read_bytes() + b"".join(archives))
    web = m.WebServer({"/fetched": FETCHED})

    # What is done, with the disk's writes in the log.
    modules = [(m.BUILD / "dom0.bin", "dom0 ip=10.0.2.15/24,gw=10.0.2.2"), (m.LINUX_FILES["vmlinuz"], "vmlinuz"), (initrd, "initrd.gz"),
               (m.BUILD / "guests/hello.elf", "hello.elf")]
    for name, text in (("linux1.xml", LINUX), ("snap.xml", SNAP)):
        (tmp_path / name).write_text(text)
        modules.append((tmp_path / name, name))
    work = tmp_path / "work.img"
    m.copy_sparse(image, work)
    box = boot(kernel=m.BUILD / "sampo.elf32", modules=modules, memory=448, args=[
        "-blockdev", f"driver=file,node-name=image,filename={work}", "-blockdev", f"driver=file,node-name=log,filename={log}",
        "-blockdev", "driver=blklogwrites,node-name=d0,file=image,log=log,log-sector-size=512,log-super-update-interval=1",
        "-device", "ide-hd,drive=d0,bus=ide.0"]).boot()
    box.wait_state("snap", "shut off")
    parts = [count(log)]
    for command, said in ((f"vol-fetch data fetched {web.url}/fetched", "fetched: "), ("snapshot-create-as snap new", "created"),
                          ("snapshot-revert snap old", "reverted"), ("snapshot-delete snap new", "deleted")):
        assert said in box.run(command)
        parts.append(count(log))
    with box.in_console("linux1"):
        box.linux_up("linux1")
        assert "lines done" in box.linux("/writer", timeout=300)
    web.close()
    box.stop()
    written = list(write_log.entries(log))
    parts.append(len(written))
    replay_all(image, written, parts, base, tmp_path, groups, places, some)


def count(log):
    """Entries in the log, which is empty before the first."""
    return sum(1 for _ in write_log.entries(log)) if log.stat().st_size else 0


def ends(parts, some):
    """The entries before which the power goes: of each part both ends at least."""
    for first, last in zip(parts, parts[1:]):
        every = range(first, last + 1)
        yield from every if not CUTS or len(every) <= CUTS else sorted({first, last, *some.sample(every, CUTS)})


def replay_all(image, written, parts, base, directory, groups, places, some):
    """Cuts, and looks."""
    number, entry, snaps, cuts, begin = 0, parts[0], [], 0, time.monotonic()
    mark = places["mark"][0] // SECTOR
    with write_log.Replay(image, written) as replay:
        checker = Checker(image, replay, base, directory, groups)
        for end in ends(parts, some):
            while entry < end:
                if written[entry][1] == mark and written[entry][2]:
                    number = struct.unpack("<Q", written[entry][2][:8])[0] >> 32
                entry += 1
            done = sum(end >= part for part in parts[1:])  # commands that had ended
            for chance in (1, 0.5) if CUTS else (1, 0.5, 0, 0.9):
                replay.cut(end, lambda n, chance=chance: some.random() < chance)
                cuts += 1
                try:
                    volumes = checker.volumes()
                    checker.top(volumes, number)
                    now = checker.snap(volumes)
                    # With all that was written the next state is seen first, and what has ended lasts.
                    if chance == 1 and now not in snaps:
                        snaps.append(now)
                    assert now in snaps and snaps.index(now) >= min(done - 1, 3), f"{done} commands had ended, but {now}"
                    assert checker.fetched(volumes) or not done, "what was fetched is lost"
                except AssertionError as wrong:
                    raise AssertionError(f"seed {SEED}, entry {end} of {len(written)}, {chance} of the rest lasts: {wrong}") from wrong
    # Made, reverted to, deleted.
    first = snaps[0]
    assert snaps == [first, first | {"new": first[""]}, first | {"new": first[""], "": first["old"]},
                     {"old": first["old"], "": first["old"]}]
    assert number == len(groups)
    assert volumes["top"][1] > 4 * MIB, "the volume has not grown"
    print(f"{cuts} cuts of {len(written)} entries, {checker.looked} states looked at, {time.monotonic() - begin:.0f} s")
