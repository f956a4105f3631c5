# SPDX-License-Identifier: BSD-2-Clause
"""QEMU's gdb stub, as far as a test needs it to do to a CPU what no guest can."""

import re
import socket
import time


class Stub:
    """Connected, which stops the machine. CPU n is thread n + 1."""

    def __init__(self, path, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        for _ in range(50):
            try:
                self.socket.connect(str(path))
                break
            except OSError:
                time.sleep(0.1)
        self.buffer = b""
        self.ask("?")

    def send(self, data):
        self.socket.sendall(f"${data}#{sum(data.encode()) & 0xff:02x}".encode())

    def answer(self):
        while not (packet := re.search(rb"\$([^#]*)#..", self.buffer)):
            self.buffer += self.socket.recv(4096)
        self.buffer = self.buffer[packet.end():]
        self.socket.sendall(b"+")
        return packet.group(1).decode()

    def ask(self, data):
        self.send(data)
        return self.answer()

    def must(self, data):
        said = self.ask(data)
        while said[:1] == "T":  # the machine has stopped when it was connected to, and says so when it likes
            said = self.answer()
        assert said == "OK", f"{data}: {said}"

    def reached_by(self, address, cpu):
        """Runs the machine until this CPU comes to the address."""
        while True:
            self.must(f"Z0,{address:x},1")
            thread = int(re.search(r"thread:(\w+)", self.ask("vCont;c")).group(1), 16)
            self.must(f"z0,{address:x},1")
            if thread == cpu + 1:
                return
            self.ask(f"vCont;s:{thread:x}")

    def write(self, address, data):
        """To physical memory."""
        self.must("Qqemu.PhyMemMode:1")
        self.must(f"M{address:x},{len(data):x}:{data.hex()}")

    def jump(self, cpu, address):
        self.ask("qXfer:features:read:target.xml:0,1")  # without which P is not known
        self.must(f"Hg{cpu + 1:x}")
        self.must(f"P10={address.to_bytes(8, 'little').hex()}")

    def leave(self):
        """The machine goes on."""
        self.send("D")
        self.socket.close()
