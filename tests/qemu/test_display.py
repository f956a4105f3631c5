# SPDX-License-Identifier: BSD-2-Clause
"""Guests' screens over VNC: text and pixels as a viewer sees them, keys and the mouse, viewers that are slow or send nonsense."""

import contextlib
import os
import re
import socket
import subprocess
import time

import pytest

import machine as m
import rfb
from test_small import free_tcp_port

VNC = "    <graphics type='vnc' port='{port}' listen='0.0.0.0'{more}/>"
PASSWORD = "geheim12"
TEXT_PORT, GENERIC_PORT = 5900, 5907
GENERIC = m.BUILD / "linux-generic"


def modules(*names):
    """The files of Debian's generic kernel for these modules, in the order in which they are loaded."""
    version = next((GENERIC / "tree/lib/modules").iterdir()).name
    files = []
    for name in names:
        said = subprocess.run(["/sbin/modprobe", "-d", str(GENERIC / "tree"), "-S", version, "--show-depends", name], check=True,
                              capture_output=True, text=True).stdout
        files += [m.pathlib.Path(line.split()[1]) for line in said.splitlines() if line.startswith("insmod")]
    loaded = (GENERIC / "modules").read_text().split()
    return list(dict.fromkeys(f for f in files if f.name not in [m.pathlib.Path(l).name for l in loaded]))


def archive(place, files):
    """An initrd with the modules, and /load, which loads them."""
    root = place / "load"
    root.mkdir()
    for file in files:
        (root / file.name).write_bytes(file.read_bytes())
    (root / "load").write_text("#!/bin/sh\n" + "".join(f"insmod /{f.name}\n" for f in files))
    (root / "load").chmod(0o755)
    names = "\n".join(f.name for f in root.iterdir())
    return subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], input=names.encode(), cwd=root, check=True,
                          capture_output=True).stdout


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    place = tmp_path_factory.mktemp("display")
    ports = {to: free_tcp_port() for to in (TEXT_PORT, GENERIC_PORT)}
    forwards = ",".join(f"hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:{to}" for to, port in ports.items())
    (place / "drm.img").write_bytes(archive(place, modules("bochs", "psmouse")))
    words = "console=tty0 console=ttyS0 cryptomgr.notests quiet panic=-1"
    texts = {"text.xml": m.domain_xml("text", "vmlinuz", memory=128, initrd="initrd.gz", cmdline=f"{words} hostname=text",
                                      extra=VNC.format(port=-1, more="")),
             "pixels.def": m.domain_xml("pixels", "generic", memory=256, initrd=["generic.gz", "drm.img"],
                                        cmdline=f"{words} hostname=pixels",
                                        extra=VNC.format(port=GENERIC_PORT, more=f" passwd='{PASSWORD}'"))}
    files = [(m.BUILD / "dom0.bin", "dom0"), *((file, name) for name, file in m.LINUX_FILES.items()),
             (GENERIC / "vmlinuz", "generic"), (GENERIC / "initrd.gz", "generic.gz"), (place / "drm.img", "drm.img")]
    for name, text in texts.items():
        (place / name).write_text(text)
        files.append((place / name, name))
    with m.Machine(place, kernel=m.BUILD / "sampo.elf32", modules=files, memory=1024, netdev=f"user,id=net,{forwards}") as one:
        one.boot(240)
        one.ports = ports
        yield one


def picture(viewer, seen, timeout=60):
    """Takes updates until the picture's text has a text; returns all of it."""
    deadline = time.monotonic() + timeout * m.PATIENCE
    text = ""
    while time.monotonic() < deadline:
        viewer.update(bool(text))
        text = viewer.text(9, rfb.rom_glyphs())
        if seen in text:
            return text
    raise AssertionError(f"no {seen!r} on the screen, but:\n{text}")


def test_text(box):
    """A kernel's console of text as a viewer sees it, and in dom0's shell."""
    with box.in_console("text"):
        box.linux_up("text", 240)
        box.linux("echo on the screen >/dev/tty0")
        with rfb.Viewer(box.ports[TEXT_PORT]) as viewer:
            assert (viewer.width, viewer.height, viewer.name) == (720, 400, "text")
            picture(viewer, "on the screen")
            viewer.png(box.directory / "text.png")
            assert rfb.HEXTILE in viewer.used
    assert re.search(r"^on the screen$", box.run("screentext text"), re.M)
    assert re.search(r"^:0$", box.run("vncdisplay text"), re.M)
    assert f"port='{TEXT_PORT}'" in box.run("dumpxml text")


def test_keys(box):
    """What a viewer types is in the guest's own console, and so are keys that the operator sends."""
    with box.in_console("text"):
        box.linux_up("text", 60)
        box.linux("exec 3</dev/tty0")  # without a reader keys are lost
    with rfb.Viewer(box.ports[TEXT_PORT]) as viewer:
        viewer.type("Hello, World: ~_|{}\n")
        picture(viewer, "Hello, World: ~_|{}", 120)
        box.run("send-key text KEY_LEFTSHIFT KEY_K")
        box.run("send-key text KEY_ENTER")
    with box.in_console("text"):
        assert box.linux("head -n 2 <&3", 120).split("\n")[:2] == ["Hello, World: ~_|{}", "K"]


def test_pixels(box):
    """Linux's driver of the linear modes, and its console of pixels; the mouse."""
    box.run("define pixels.def")
    box.run("start pixels")
    with box.in_console("pixels"):
        box.linux_up("pixels", 300)
        box.linux("sh /load", timeout=120)
        assert "bochs-drm" in box.linux("cat /proc/fb") or "bochs" in box.linux("cat /proc/fb")
        box.linux("echo in pixels >/dev/tty0")
        with pytest.raises(rfb.Closed):
            rfb.Viewer(box.ports[GENERIC_PORT], password="wrong")
        with rfb.Viewer(box.ports[GENERIC_PORT], password=PASSWORD, encodings=[rfb.RAW, rfb.SIZE]) as viewer:
            size = tuple(map(int, box.linux("cat /sys/class/graphics/fb0/virtual_size").split(",")))
            assert (viewer.width, viewer.height) == size
            viewer.update()
            assert set(viewer.used) == {rfb.RAW}
            # A block of colour: a line of 64 pixels in each of 32 rows, from the first on.
            box.linux("head -c 256 /dev/zero | tr '\\000' '\\252' >/tmp/line; stride=$(cat /sys/class/graphics/fb0/stride); "
                      "for y in $(seq 100 131); do dd if=/tmp/line of=/dev/fb0 bs=256 count=1 oflag=seek_bytes "
                      "seek=$((y * stride)) 2>/dev/null; done", timeout=120)
            deadline = time.monotonic() + 60 * m.PATIENCE
            while viewer.pixels[131][63] != (170, 170, 170) and time.monotonic() < deadline:
                viewer.update(True)
            assert all(p == (170, 170, 170) for y in range(100, 132) for p in viewer.pixels[y][:64])
            assert viewer.pixels[132][0] != (170, 170, 170) and viewer.pixels[110][64] != (170, 170, 170)
            viewer.png(box.directory / "pixels.png")


def test_bad_viewers(box):
    """Viewers that say nothing, send nonsense, take nothing, or come in crowds; others see the screen."""
    port = box.ports[TEXT_PORT]
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
    for n, one in enumerate(silent):
        with contextlib.suppress(OSError):
            one.sendall(os.urandom(64) if n % 2 else b"RFB 003.008\n\x01\x01")
    stalled = rfb.Viewer(port)
    for _ in range(50):
        stalled.request()
    with rfb.Viewer(port) as viewer:
        picture(viewer, "on the screen")
    stalled.close()
    for one in silent:
        one.close()
    box.wait_run("nodeinfo", "CPU")
