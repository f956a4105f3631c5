# SPDX-License-Identifier: BSD-2-Clause
"""Volume groups on images of disks, made and read by the host's own lvm2 (as root, with loop devices)."""

import contextlib
import json
import os
import re
import subprocess
import tempfile

import pytest

EXTENT = 4 << 20  # bytes, unless a group is made with others
# The host need not have a device mapper: nothing is activated.
QUIET = {**os.environ, "LVM_SUPPRESS_FD_WARNINGS": "1", "LC_ALL": "C"}


class Host:
    """Some images as loop devices; `of` has the device of each image. lvm2 sees these alone."""

    def __init__(self, *images, block=512):
        self.images = images
        self.block = block
        self.of = {}

    def __enter__(self):
        if os.geteuid() != 0:
            pytest.skip("loop devices need root")
        for image in self.images:
            self.of[image] = subprocess.run(["losetup", "-b", str(self.block), "-f", "--show", str(image)], check=True,
                                            capture_output=True, text=True).stdout.strip()
        self.devices = list(self.of.values())
        return self

    def __exit__(self, *_):
        for device in self.devices:
            subprocess.run(["losetup", "-d", device], check=False)

    def lvm(self, command, *words, check=True):
        """Runs a command of lvm2; returns what it printed, errors too."""
        run = subprocess.run([command, "--devices", ",".join(self.devices), "--driverloaded", "n", *words], env=QUIET, check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert not check or run.returncode == 0, f"{command} {' '.join(words)}: {run.stdout}"
        return run.stdout

    def pvck(self, image, cut=False):
        """
        pvck, which takes no list of devices; it must have nothing to say against the image. After a cut of the power the
        place of a text that was about to count may be left, as LVM2 leaves it, too.
        """
        run = subprocess.run(["pvck", "--devicesfile", "", "--driverloaded", "n", "--dump", "headers", self.of[image]], env=QUIET,
                             check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        lines = [line for line in run.stdout.splitlines() if "Activation disabled" not in line and
                 not (cut and line.strip().endswith("for precommit not empty"))]
        # As words: a checksum may be 0xcbad500.
        complaint = re.search(r"\b(WARNING|CHECK|[Bb]ad|[Ii]nvalid)\b", "\n".join(lines))
        assert run.returncode == 0 and not complaint, run.stdout

    def report(self, command, fields, *words):
        """What lvs, vgs or pvs report, as a list of dicts."""
        text = self.lvm(command, "--reportformat", "json", "--units", "b", "--nosuffix", "-o", fields, *words)
        return list(json.loads(text[text.index("{"):])["report"][0].values())[0]

    def create(self, group, volume, *words):
        """A linear volume; the words are lvcreate's, and a device among them says where it lies."""
        devices = [word for word in words if word.startswith("/dev/")]
        options = [word for word in words if word not in devices]
        self.lvm("lvcreate", "-y", "-an", "-Zn", "-Wn", "-n", volume, *options, group, *devices)

    def group(self, name, *volumes, images=None):
        """A group over the images' devices; a volume is a name with the words of create()."""
        devices = [self.of[image] for image in images or self.images]
        self.lvm("pvcreate", "-y", *devices)
        self.lvm("vgcreate", name, *devices)
        for volume in volumes:
            self.create(name, *volume)

    def mirror(self, group, name, *images):
        """A volume of type raid1, which lvcreate makes with a device mapper only: its parts by lvcreate, the rest by hand."""
        parts = []
        for n, image in enumerate(images):
            for kind, extents in (("rmeta", 1), ("rimage", 2)):
                self.create(group, f"part{len(parts)}", f"-l{extents}", self.of[image])
                parts.append(f"{name}_{kind}_{n}")
        with tempfile.NamedTemporaryFile("w+") as file:
            self.lvm("vgcfgbackup", "-f", file.name, group)
            text = open(file.name, encoding="utf-8").read()
            for n, part in enumerate(parts):
                head, found, tail = text.partition(f"part{n} {{")
                assert found
                text = head + part + " {" + tail.replace(', "VISIBLE"', "", 1)
            listed = ", ".join(f'"{part}"' for part in parts)
            volume = (f'{name} {{ id = "abcdef-1234-1234-1234-1234-1234-abcdef" status = ["READ", "WRITE", "VISIBLE"] flags = []\n'
                      f'segment_count = 1 segment1 {{ start_extent = 0 extent_count = 2 type = "raid1" device_count = {len(images)}\n'
                      f"region_size = 1024 raids = [{listed}] }} }}\n")
            text = text.replace("logical_volumes {", "logical_volumes {\n" + volume, 1)
            with open(file.name, "w", encoding="utf-8") as out:
                out.write(text)
            self.lvm("vgcfgrestore", "-y", "-f", file.name, group)


@contextlib.contextmanager
def host(*images, **options):
    with Host(*images, **options) as one:
        yield one


def places(host, volume, group="data"):
    """Where a volume's bytes are on the group's only disk: (offset there, offset in the volume, bytes) of each piece."""
    for part in host.report("lvs", "lv_name,seg_start_pe,seg_size,seg_pe_ranges", "--segments", group):
        if part["lv_name"] == volume:
            first = int(re.search(r":(\d+)-", part["seg_pe_ranges"]).group(1))
            yield (1 << 20) + first * EXTENT, int(part["seg_start_pe"]) * EXTENT, int(part["seg_size"])


def take_out(image, host, volume, path):
    """Copies a volume into a file."""
    with open(image, "rb") as disk, open(path, "wb") as file:
        for at, start, size in places(host, volume):
            disk.seek(at)
            file.seek(start)
            file.write(disk.read(size))
    return path


def blank(path, mib):
    """An empty disk."""
    with open(path, "wb") as image:
        image.truncate(mib << 20)
    return path
