# SPDX-License-Identifier: BSD-2-Clause
"""Installations: the disk image that boots by itself, the Debian package."""

import re
import shutil
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


# GRUB would read these signs in its menu, and a name ends with a line.
SIGNS = list("\"'\\;${}&|<> \t\n")


def refused(script, directory, name, *names):
    """The last line of a script that refuses a folder with these files."""
    guests = directory / "guests"
    shutil.rmtree(guests, ignore_errors=True)
    for each in (name, *names):
        (guests / each).parent.mkdir(parents=True, exist_ok=True)
        (guests / each).write_bytes(b"")
    size = ["400M"] if script == "mkdisk.sh" else []
    run = subprocess.run(["sh", str(m.TOP / "boot" / script), str(directory / "out"), *size, str(m.BUILD / "sampo.elf"),
                          str(m.BUILD / "dom0.bin"), str(guests)], check=False, capture_output=True, text=True, stdin=subprocess.PIPE)
    assert run.returncode and not (directory / "out").exists(), name
    return run.stderr.strip().splitlines()[-1]


@pytest.mark.quick
def test_names_of_files(tmp_path):
    """A boot medium whose GRUB would not find a file, or would read another command, is not made."""
    for sign in SIGNS:
        assert "can't be given to GRUB" in refused("mkiso.sh", tmp_path, f"web{sign}1.img"), repr(sign)
    assert "can't be given to GRUB" in refused("mkiso.sh", tmp_path, "#web.img")
    assert "longer than 111" in refused("mkiso.sh", tmp_path, "a" * 112)
    # What FAT would change, or lose.
    for name in ("web:1.img", "web?.img", "web*.img", "w\u00e4b.img", "folder./web"):
        assert re.search("FAT cannot keep", refused("mkdisk.sh", tmp_path, name)), name
    assert "FAT cannot keep" in refused("mkdisk.sh", tmp_path, "web.img", "Web.img")
    # make itself can name them all.
    (tmp_path / "guests/my web's 50%: $1.img").write_bytes(b"")
    run = subprocess.run(["make", "-s", "iso", f"GUESTS={tmp_path}/guests", f"ISO={tmp_path}/own.iso", "DOM0_CMDLINE=it's"],
                         cwd=m.TOP, check=False, capture_output=True, text=True)
    assert run.returncode and "the name my web's 50%: $1.img can't be given to GRUB" in run.stderr, run.stderr


MKCONFIG = """
grub_warn() { echo "Warning: $*" >&2; }
gettext_printf() { printf "$@"; }
prepare_grub_to_access_device() { echo "set root='hd0,gpt1'"; }
is_path_readable_by_grub() { true; }
make_system_path_relative_to_its_root() { echo "/sampo/${1##*/}"; }
"""


@pytest.mark.quick
def test_menu_of_the_package(tmp_path):
    """GRUB's menu has the files whose names it can read; update-grub warns of the others."""
    lib, boot_files = tmp_path / "lib", tmp_path / "boot"
    names = ["web.xml", "files/web-1.0_[a]#+,=@~.img", "\u00e4.img"]
    for file in (boot_files / "current/sampo.elf", lib / "x", *(boot_files / "guests" / name for name in names)):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    (boot_files / "current/version").write_text("1.0\n")
    (lib / "grub-mkconfig_lib").write_text(MKCONFIG)
    (lib / "grub-probe").write_text("#!/bin/sh\necho /dev/sda1\n")
    (lib / "grub-probe").chmod(0o755)
    for name in ("boot.sh", "20_sampo"):
        text = (m.TOP / "boot/debian" / name).read_text()
        for old, new in (("/usr/lib/sampo", lib), ("/boot/sampo", boot_files), ("/etc/default/sampo", tmp_path / "none")):
            text = text.replace(old, str(new))
        (lib / name).write_text(text)

    def menu():
        run = subprocess.run(["sh", str(lib / "20_sampo")], check=True, capture_output=True, text=True,
                             env={**m.os.environ, "pkgdatadir": str(lib), "PATH": f"{lib}:{m.os.environ['PATH']}"})
        subprocess.run(["grub-script-check"], input=run.stdout, text=True, check=True)
        return re.findall(r"^\tmodule2 --nounzip (.*)$", run.stdout, re.M), run.stderr

    modules, said = menu()
    assert modules == [f"/sampo/guests/{name} {name}" for name in sorted(names, key=lambda name: name.encode())]
    assert "given to GRUB" not in said
    for number, sign in enumerate(SIGNS):
        (boot_files / f"guests/bad{sign}{number}.img").write_bytes(b"")
    (boot_files / "guests/#bad.img").write_bytes(b"")
    assert menu()[0] == modules
    assert len(re.findall("can't be given to GRUB", menu()[1])) == len(SIGNS) + 2  # a name with a line's end is two


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
