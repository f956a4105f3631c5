# SPDX-License-Identifier: BSD-2-Clause
"""
The Debian package in a Debian root with GRUB, on a disk that QEMU boots: `make deb-tests`, as root, with loop devices and
Debian's archive. SAMPO_ROOTS names a folder in which the roots of the releases are kept.
"""

import contextlib
import ctypes
import glob
import os
import pathlib
import subprocess
import time

import pytest

import machine as m

RELEASES = os.environ.get("SAMPO_RELEASES", "bookworm").split()
ROOTS = pathlib.Path(os.environ.get("SAMPO_ROOTS", m.BUILD / "roots"))
PACKAGES = "linux-image-amd64,initramfs-tools,grub-pc,grub-efi-amd64-bin,e2fsprogs,fdisk"
ESP = 64  # MiB
START = """#!/bin/sh
mount -t proc proc /proc
echo "linux is up"
sync
echo o >/proc/sysrq-trigger
sleep 100
"""
GRUB_DEFAULTS = """
GRUB_TIMEOUT=1
GRUB_TERMINAL="serial console"
GRUB_SERIAL_COMMAND="serial --speed=115200"
GRUB_CMDLINE_LINUX="console=ttyS0 root=/dev/sda3 init=/start"
GRUB_DISABLE_OS_PROBER=true
"""
GUEST = m.domain_xml("hello", "files/hello.elf", memory=16)


def run(*argv, **options):
    return subprocess.run([str(a) for a in argv], check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          **options).stdout


def unmount(place):
    for _ in range(20):
        if subprocess.run(["umount", place], check=False).returncode == 0:
            return
        time.sleep(0.5)
    pytest.exit(f"{place} cannot be unmounted")


def archive():
    """The mirror that this machine's apt uses."""
    files = [pathlib.Path("/etc/apt/sources.list"), *pathlib.Path("/etc/apt/sources.list.d").glob("*")]
    words = " ".join(f.read_text() for f in files if f.exists()).split()
    return next(w.rstrip("/") for w in words if w.startswith("http") and w.rstrip("/").endswith("/debian"))


def root_archive(release):
    """A root of the release with a kernel and GRUB, made once."""
    tar = ROOTS / f"{release}.tar"
    if not tar.exists():
        ROOTS.mkdir(parents=True, exist_ok=True)
        run("mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", release, tar.with_suffix(".part.tar"), archive(),
            timeout=1800)
        tar.with_suffix(".part.tar").rename(tar)
    return tar


class Disk:
    """
    A disk with Debian. `boot_apart`: /boot is a partition of its own. Not every kernel that runs the test has FAT: the
    EFI system partition is not mounted.
    """

    def __init__(self, directory, release, boot_apart):
        self.image = directory / "disk.img"
        self.root = directory / "root"
        self.root.mkdir()
        self.parts = {3: "", **({4: "boot"} if boot_apart else {})}
        table = ["label: gpt", "start=1MiB, size=1MiB, type=21686148-6449-6E6F-744E-656564454649",
                 f"start=2MiB, size={ESP}MiB, type=uefi",
                 f"size={3000 if boot_apart else 3400}MiB, type=linux", *(["type=linux"] * boot_apart)]
        run("truncate", "-s", "3500M", self.image)
        run("sfdisk", "-q", self.image, input="\n".join(table) + "\n")
        with self.attached() as loop:
            for n in self.parts:
                run("mkfs.ext4", "-q", f"{loop}p{n}")
        with self.mounted() as loop:
            run("tar", "-xf", root_archive(release), "-C", self.root, "--exclude=./dev", "--exclude=./proc", "--exclude=./sys")
            (self.root / "start").write_text(START)
            (self.root / "start").chmod(0o755)
            with open(self.root / "etc/default/grub", "a", encoding="utf-8") as file:
                file.write(GRUB_DEFAULTS)
            self.chroot("grub-install", "--target=i386-pc", loop)
            self.chroot("update-grub")
            self.make_efi("(,gpt4)/grub" if boot_apart else "(,gpt3)/boot/grub")

    def make_efi(self, prefix):
        """What grub-install --removable does."""
        self.chroot("cp", "-r", "/usr/lib/grub/x86_64-efi", "/boot/grub")
        self.chroot("grub-mkimage", "-O", "x86_64-efi", "-p", prefix, "-o", "/tmp/BOOTX64.EFI", "part_gpt", "ext2", "normal")
        esp = f"{self.image}@@2M"
        run("mformat", "-i", esp, "-T", ESP << 11, "-h", "255", "-s", "63", "-H", "4096", "::")
        with open(self.image, "r+b") as file:  # mformat puts a partition table there, of which grub-probe warns
            file.seek((2 << 20) + 446)
            file.write(bytes(64))
        run("mmd", "-i", esp, "::/EFI", "::/EFI/BOOT")
        run("mcopy", "-i", esp, self.root / "tmp/BOOTX64.EFI", "::/EFI/BOOT")

    @contextlib.contextmanager
    def attached(self):
        """The image as a block device."""
        loop = run("losetup", "-f", "--show", self.image).strip()
        try:
            run("partx", "-a", loop)  # not every kernel looks for partitions itself
            yield loop
        finally:
            subprocess.run(["partx", "-d", loop], check=False)
            run("losetup", "-d", loop)

    @contextlib.contextmanager
    def mounted(self):
        """The root at self.root, as chroot() needs it: its /dev has the image's devices and a few more, and none of the host."""
        with contextlib.ExitStack() as stack:

            def mount(what, where, *options):
                (self.root / where).mkdir(exist_ok=True)
                run("mount", *options, what, self.root / where)
                stack.callback(unmount, self.root / where)

            loop = stack.enter_context(self.attached())
            for n, where in self.parts.items():
                mount(f"{loop}p{n}", where)
            mount("proc", "proc", "-t", "proc")
            mount("sys", "sys", "-t", "sysfs", "-o", "ro")
            mount("dev", "dev", "-t", "tmpfs")
            for device in ["/dev/null", "/dev/zero", "/dev/urandom", *glob.glob(f"{loop}*")]:
                about = os.stat(device)
                os.mknod(f"{self.root}{device}", about.st_mode, about.st_rdev)
            yield loop

    def chroot(self, *argv):
        """Runs a program in the mounted root; returns what it printed."""
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        result = subprocess.run(["chroot", str(self.root), *argv], text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, env=env, check=False, timeout=900)
        assert result.returncode == 0, result.stdout
        return result.stdout

    def install(self, deb):
        run("cp", deb, self.root / "tmp/sampo.deb")
        said = self.chroot("apt-get", "install", "-y", "-o", "Dpkg::Options::=--force-confold", "/tmp/sampo.deb")
        self.chroot("grub-script-check", "/boot/grub/grub.cfg")
        return said

    def config(self):
        return (self.root / "boot/grub/grub.cfg").read_text()

    def state(self):
        mark = self.root / "boot/sampo/mark"
        assert mark.stat().st_size == 1024
        return mark.read_text().split("sampo_state=")[1].split("\n")[0]

    def version(self, which):
        return (self.root / f"boot/sampo/{which}/version").read_text().strip()


def make_deb(directory, version, dom0=m.BUILD / "dom0.bin"):
    deb = directory / f"sampo_{version}_amd64.deb"
    libraries = [f for f in (m.BUILD / "src").iterdir() if (f / ".fetched").exists()]
    run("sh", m.TOP / "boot/debian/mkdeb.sh", deb, version, m.BUILD / "sampo.elf", dom0, *libraries)
    return deb


@pytest.fixture(scope="session", autouse=True)
def own_mounts():
    """
    Mounts are in a namespace of this process: nobody else sees them, and none is left when the process ends, however that is.
    """
    new_namespace = 0x20000  # CLONE_NEWNS
    assert ctypes.CDLL(None, use_errno=True).unshare(new_namespace) == 0, os.strerror(ctypes.get_errno())
    run("mount", "--make-rprivate", "/")


@pytest.fixture(params=[(release, *how) for release in RELEASES for how in (("bios", False), ("uefi", True))],
                ids=lambda param: f"{param[0]}-{param[1]}")
def debian(request, tmp_path, boot):
    """A disk with Debian, and a function that starts it in QEMU."""
    release, firmware, boot_apart = request.param
    disk = Disk(tmp_path, release, boot_apart)

    def start():
        return boot(image=disk.image, firmware=firmware, memory=1024)

    return disk, start


def linux_starts(start):
    box = start()
    assert box.expect(["linux is up", r"\(initramfs\)"], 240) == 0
    box.stop()
    assert "Sampo, ABI" not in box.log_text()


def fails(start):
    box = start()
    box.expect("Sampo cannot start: broken dom0 image", 120)
    box.stop()


def sampo_starts(start):
    box = start().boot(120)
    box.stop()
    return box.log_text()


def test_package(debian, tmp_path):
    """Installed, chosen, upgraded with a fall back, configured, removed."""
    disk, start = debian
    broken = tmp_path / "broken.bin"
    image = bytearray((m.BUILD / "dom0.bin").read_bytes())
    image[100000] ^= 1
    broken.write_bytes(image)
    first, second, third = (make_deb(tmp_path, "1.0"), make_deb(tmp_path, "2.0", broken), make_deb(tmp_path, "3.0"))

    # Linux stays the default; Sampo starts by choice, and the mark is set.
    with disk.mounted():
        said = disk.install(first)
        assert "sampo: " not in said and "cannot write a mark" not in said, said
        assert disk.config().index("menuentry 'Debian") < disk.config().index("menuentry 'Sampo 1.0'")
        assert disk.state() == "new"
    linux_starts(start)
    with disk.mounted():
        disk.chroot("grub-reboot", "sampo")
    assert "this version has come up" in sampo_starts(start)
    linux_starts(start)

    # By default; the mark is left alone from now on. A guest comes with it.
    with disk.mounted():
        assert disk.state() == "ran"
        settings = disk.root / "etc/default/sampo"
        settings.write_text(settings.read_text().replace('SAMPO_DEFAULT="no"', 'SAMPO_DEFAULT="yes"')
                            .replace('"ip=dhcp"', '"ip=off"'))
        guests = disk.root / "boot/sampo/guests"
        (guests / "files").mkdir()
        (guests / "files/hello.elf").write_bytes((m.BUILD / "guests/hello.elf").read_bytes())
        (guests / "hello.xml").write_text(GUEST)
        disk.chroot("update-grub")
    log = sampo_starts(start)
    assert "1 of 1 guests started" in log and "has come up" not in log

    # A version that does not come up, and the one before.
    with disk.mounted():
        disk.install(second)
        assert (disk.version("current"), disk.version("previous"), disk.state()) == ("2.0", "1.0", "new")
        assert '"yes"' in (disk.root / "etc/default/sampo").read_text()
    fails(start)
    for _ in range(2):
        assert "the version before starts" in sampo_starts(start)

    # The next one replaces it, and not the one before.
    with disk.mounted():
        assert disk.state() == "try"
        disk.install(third)
        assert (disk.version("current"), disk.version("previous"), disk.state()) == ("3.0", "1.0", "new")
    assert "this version has come up" in sampo_starts(start)
    assert "has come up" not in sampo_starts(start)

    # Secure Boot is told of.
    with disk.mounted():
        assert disk.state() == "ran"
        run("mount", "-t", "tmpfs", "none", disk.root / "sys/firmware")
        variables = disk.root / "sys/firmware/efi/efivars"
        variables.mkdir(parents=True)
        (variables / "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c").write_bytes(bytes([6, 0, 0, 0, 1]))
        try:
            assert "Secure Boot is on" in disk.chroot("dpkg-reconfigure", "sampo")
        finally:
            run("umount", disk.root / "sys/firmware")
        assert disk.state() == "ran"

    # Removed: Linux alone, and the guests' files.
    with disk.mounted():
        assert "stay in /boot/sampo/guests" in disk.chroot("apt-get", "remove", "-y", "sampo")
        assert "menuentry 'Sampo" not in disk.config()
        assert [f.name for f in (disk.root / "boot/sampo").iterdir()] == ["guests"]
        disk.chroot("update-grub")
        assert "menuentry 'Sampo" not in disk.config()
        disk.chroot("apt-get", "purge", "-y", "sampo")
        left = run("find", disk.root / "etc", disk.root / "usr", disk.root / "var/lib/dpkg", "-name", "*sampo*")
        assert left == "", left
    linux_starts(start)

    # Installed for the first time, by default, and it does not come up: Linux starts.
    with disk.mounted():
        (disk.root / "etc/default/sampo").write_text('SAMPO_DEFAULT="yes"\n')
        disk.install(second)
        assert disk.state() == "new"
    fails(start)
    linux_starts(start)
