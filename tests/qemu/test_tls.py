# SPDX-License-Identifier: BSD-2-Clause
"""libvirt's protocol over TLS: a stock virsh with the keys that the shell's tls-setup shows."""

import re
import subprocess

import pytest

import machine as m
from test_small import free_tcp_port

FILES = ("cacert.pem", "clientcert.pem", "clientkey.pem")


def save(folder, printed):
    """Puts the three texts that a verb has printed into the folder, as ?pkipath= wants them."""
    folder.mkdir()
    for name in FILES:
        (folder / name).write_text(re.search(rf"^{re.escape(name)}:\n(.*?-----END [A-Z ]+-----\n)", printed, re.M | re.S)[1])
    return folder


class Tls:
    """A machine with a pool for what dom0 remembers, and a network that leads to dom0's port."""

    def __init__(self, place, words="", **more):
        self.place, self.port = place, free_tcp_port()
        pool = place / "pool.img"
        if not pool.exists():
            pool.write_bytes(b"")
            with open(pool, "r+b") as file:
                file.truncate(32 << 20)
        self.box = m.Machine(place, kernel=m.BUILD / "sampo.elf32",
                             modules=[(m.BUILD / "dom0.bin", f"dom0 ip=10.0.2.15/24,gw=10.0.2.2 {words}"),
                                      (m.BUILD / "guests/typed.elf", "typed.elf"),
                                      (self.file("typed.xml", m.domain_xml("typed", "typed.elf", memory=16)), "typed.xml")],
                             memory=320, cpus=1, netdev=f"user,id=net,hostfwd=tcp:127.0.0.1:{self.port}-10.0.2.15:16514",
                             args=["-drive", f"if=none,id=pool,format=raw,file={pool}", "-device", "ide-hd,drive=pool,bus=ide.0"],
                             **more)

    def __enter__(self):
        self.box.start()
        self.box.boot()
        return self

    def __exit__(self, *_):
        self.box.stop()

    def file(self, name, content):
        (self.place / name).write_text(content)
        return self.place / name

    def virsh(self, folder, command, options=""):
        """virsh's status and what it prints."""
        run = subprocess.run(["virsh", *options.split(), "-c", f"sampo+tls://127.0.0.1:{self.port}/system?pkipath={folder}",
                              *command.split()], check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             timeout=60 * m.PATIENCE)
        return run.returncode, run.stdout


@pytest.mark.quick
def test_tls(tmp_path):
    """A client with keys that is on the list gets in, for what the list says, also after a start of the machine."""
    with Tls(tmp_path) as one:
        assert "there are no keys" in one.box.run("tls-info")
        one.box.run("pool-build data sda")
        one.box.wait_run("pool-list", "data +active")
        admin = save(tmp_path / "admin", one.box.run("tls-setup 127.0.0.1,localhost"))
        viewer = save(tmp_path / "viewer", one.box.run("tls-client viewer --readonly"))
        guest = save(tmp_path / "guest", one.box.run("tls-client guest"))
        one.box.run("tls-deny O=Sampo,CN=guest")
        assert "write O=Sampo,CN=admin\nread O=Sampo,CN=viewer\n\n" in one.box.run("tls-info")
        status, text = one.virsh(admin, "list --all")
        assert status == 0 and "typed" in text, text
        assert one.virsh(admin, "destroy typed")[0] == 0
        assert one.virsh(viewer, "domstate typed") == (0, "shut off\n\n")
        status, text = one.virsh(viewer, "start typed")
        assert status == 1 and "operation forbidden: read only access" in text, text
        assert one.virsh(guest, "list")[0] == 1
        log = one.box.run("dmesg")
        assert re.search(r"TLS: O=Sampo,CN=admin, may read and write\n", log)
        assert re.search(r"TLS: O=Sampo,CN=viewer, may read\n", log)
        assert re.search(r"TLS: refused: its certificate \(O=Sampo,CN=guest\) has a name that is not on the list", log)
        assert "PRIVATE" not in log
    with Tls(tmp_path) as one:
        one.box.wait_run("tls-info", "TLS: +on")
        assert one.virsh(admin, "list")[0] == 0
        # Another CA: the server asks for certificates of that one, and the old client has none.
        one.box.run("tls-setup 127.0.0.1")
        status, text = one.virsh(admin, "list")
        assert status == 1 and "TLS handshake failed" in text, text
        assert "TLS: refused: it has no certificate" in one.box.run("dmesg")


def test_tls_needs_entropy(tmp_path):
    """On a CPU without a generator there are keys only if the command line wants them all the same."""
    poor = {"cpu": "max,la57=off,-rdrand,-rdseed"}
    with Tls(tmp_path, **poor) as one:
        one.box.run("pool-build data sda")
        one.box.wait_run("pool-list", "data +active")
        assert "there is no good entropy" in one.box.run("tls-setup 127.0.0.1")
    with Tls(tmp_path, "entropy=weak", **poor) as one:
        one.box.wait_run("pool-list", "data +active")
        assert "BEGIN CERTIFICATE" in one.box.run("tls-setup 127.0.0.1")
        assert "keys that can be guessed" in one.box.run("dmesg")
    # What the store has is not used without the word.
    with Tls(tmp_path, **poor) as one:
        one.box.wait_run("tls-info", "TLS: +off: there is no good entropy")
