# SPDX-License-Identifier: BSD-2-Clause
"""Installations: the disk image that boots by itself, the Debian package."""

import re
import subprocess

import pytest

import machine as m

LABEL = "sampo-data"
# Free sectors behind GRUB in its own partition, for the mark.
MARK_AT, MARK_SECTOR = 1 << 20, 2000
VOLUME = ("<disk type='volume' device='disk'><source pool='data' volume='web'/>"
          "<target dev='vda' bus='virtio'/></disk>")


def mark(state):
    """An environment block of GRUB."""
    return f"# GRUB Environment Block\nsampo_state={state}\n".encode().ljust(1024, b"#")


def make_image(path, size="512M", guests=None, **words):
    """What `make disk` makes."""
    argv = ["sh", str(m.TOP / "boot/mkdisk.sh"), str(path), size, str(m.BUILD / "sampo.elf"), str(m.BUILD / "dom0.bin")]
    subprocess.run(argv + ([str(guests)] if guests else []), check=True, capture_output=True, env={**m.os.environ, **words})
    return path


@pytest.mark.quick
def test_disk_image(boot, tmp_path):
    """The image boots by both firmwares, makes a pool of its rest once, and keeps what is in the pool over a power cut."""
    guests = tmp_path / "guests"
    guests.mkdir()
    (guests / "hello.xml").write_text(m.domain_xml("hello", "hello.elf", memory=16, extra=VOLUME))
    (guests / "hello.elf").write_bytes((m.BUILD / "guests/hello.elf").read_bytes())
    image = make_image(tmp_path / "sampo.img", guests=guests, DOM0_CMDLINE=f"boot-mark=/dev/disk/by-partlabel/sampo-grub,{MARK_SECTOR}")
    before = bytearray(image.read_bytes()[MARK_AT:2 * MARK_AT])
    at = MARK_SECTOR * 512
    assert not any(before[at:])
    before[at:at + 1024] = mark("try")
    with open(image, "r+b") as file:
        file.seek(MARK_AT)
        file.write(before)
    box = boot(image=image, firmware="uefi", nic=None).boot(120)
    assert f"pool data built of partition {LABEL}" in box.before
    assert "this version has come up" in box.before
    assert re.search(r"^ data +active +yes$", box.run("pool-list"), re.M)
    assert "ready, 0 of 1 guests started" in box.log_text()
    assert "Vol web created" in box.run("vol-create-as data web 20M")
    assert "Domain 'hello' started" in box.run("start hello")
    box.stop()
    before[at:at + 1024] = mark("ran")
    assert image.read_bytes()[MARK_AT:2 * MARK_AT] == before

    box = boot(image=image, firmware="bios", nic=None).boot(120)
    assert "pool data built" not in box.log_text() and "no pool" not in box.log_text()
    assert "has come up" not in box.log_text()
    assert "ready, 1 of 1 guests started" in box.log_text()
    assert "/dev/data/web" in box.run("vol-list data")


def make_deb(path, version="1.2+r3"):
    """What `make deb` makes."""
    libraries = sorted(f for f in (m.BUILD / "src").iterdir() if (f / ".fetched").exists())
    subprocess.run(["sh", str(m.TOP / "boot/debian/mkdeb.sh"), str(path), version, str(m.BUILD / "sampo.elf"),
                    str(m.BUILD / "dom0.bin"), *map(str, libraries)], check=True)
    return path


@pytest.mark.quick
def test_package(tmp_path):
    """The package has what it should, is the same each time, and lintian finds no error; its scripts are in order."""
    deb = make_deb(tmp_path / "sampo.deb")
    assert make_deb(tmp_path / "again.deb").read_bytes() == deb.read_bytes()
    said = subprocess.run(["lintian", "--allow-root", "--fail-on", "error", str(deb)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    assert said.returncode == 0, said.stdout
    root = tmp_path / "root"
    subprocess.run(["dpkg-deb", "-R", str(deb), str(root)], check=True)
    assert re.search(r"^Version: 1\.2\+r3$", (root / "DEBIAN/control").read_text(), re.M)
    conffiles = (root / "DEBIAN/conffiles").read_text().split()
    assert conffiles == ["/etc/default/grub.d/sampo.cfg", "/etc/default/sampo", "/etc/grub.d/20_sampo"]
    assert (root / "usr/lib/sampo/dom0.bin").read_bytes() == (m.BUILD / "dom0.bin").read_bytes()
    assert (root / "usr/lib/sampo/version").read_text() == "1.2+r3\n"
    assert (root / "usr/share/doc/sampo/server.md").exists()
    copyright_text = (root / "usr/share/doc/sampo/copyright").read_text()
    for library in ("picolibc", "lwip", "expat", "zydis", "zycore-c", "mbedtls"):
        assert f"build/src/{library}-*" in copyright_text
        assert (root / "usr/share/doc/sampo/libraries" / library).stat().st_size > 500
    for script in ("DEBIAN/postinst", "DEBIAN/postrm", "etc/grub.d/20_sampo", "usr/lib/sampo/boot.sh"):
        subprocess.run(["sh", "-n", str(root / script)], check=True)
