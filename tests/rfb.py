# SPDX-License-Identifier: BSD-2-Clause
"""A viewer that speaks RFB 3.8, and readers of the text in its pictures."""

import pathlib
import socket
import struct
import subprocess
import zlib

ROM = pathlib.Path("/usr/share/seabios/vgabios-stdvga.bin")
FACE = bytes([0, 0, 0x7e, 0x81, 0xa5, 0x81, 0x81, 0xbd, 0x99, 0x81, 0x81, 0x7e, 0, 0, 0, 0])
RAW, HEXTILE, SIZE, CURSOR, MOTION, KEYS = 0, 5, -223, -239, -257, -258
KEYSYMS = {"\n": 0xff0d, "\t": 0xff09, "\b": 0xff08}


class Closed(Exception):
    """The server has ended the connection."""


class Viewer:
    """A connection to a server. The picture is `pixels`, rows of (red, green, blue)."""

    def __init__(self, port, host="127.0.0.1", password=None, encodings=(HEXTILE, RAW, SIZE), timeout=60):
        self.socket = socket.create_connection((host, port), timeout=timeout)
        self.used = {}
        version = self.take(12)
        assert version == b"RFB 003.008\n", version
        self.socket.sendall(version)
        types = self.take(self.take(1)[0])
        if password is None:
            assert types == b"\x01", types
            self.socket.sendall(b"\x01")
        else:
            assert types == b"\x02", types
            self.socket.sendall(b"\x02")
            self.socket.sendall(des(password, self.take(16)))
        result = struct.unpack(">I", self.take(4))[0]
        if result:
            raise Closed(self.take(struct.unpack(">I", self.take(4))[0]).decode())
        self.socket.sendall(b"\x01")
        self.width, self.height = struct.unpack(">HH", self.take(4))
        self.format = self.take(16)
        self.name = self.take(struct.unpack(">I", self.take(4))[0]).decode()
        self.pixels = [[(0, 0, 0)] * self.width for _ in range(self.height)]
        self.socket.sendall(struct.pack(">BxH", 2, len(encodings)) + b"".join(struct.pack(">i", e) for e in encodings))

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def take(self, n):
        data = b""
        while len(data) < n:
            piece = self.socket.recv(n - len(data))
            if not piece:
                raise Closed("the server has closed")
            data += piece
        return data

    def request(self, incremental=False):
        self.socket.sendall(struct.pack(">BBHHHH", 3, incremental, 0, 0, self.width, self.height))

    def update(self, incremental=False):
        """Asks for an update and takes it. Returns the rectangles, (x, y, width, height, encoding)."""
        self.request(incremental)
        assert self.take(1) == b"\x00"
        count = struct.unpack(">xH", self.take(3))[0]
        return [self.rectangle() for _ in range(count)]

    def rectangle(self):
        x, y, width, height, encoding = struct.unpack(">HHHHi", self.take(12))
        self.used[encoding] = self.used.get(encoding, 0) + 1
        if encoding == SIZE:
            self.width, self.height = width, height
            self.pixels = [[(0, 0, 0)] * width for _ in range(height)]
        elif encoding == RAW:
            self.put(x, y, width, height, self.take(4 * width * height))
        elif encoding == HEXTILE:
            self.hextile(x, y, width, height)
        elif encoding == CURSOR:
            self.take(4 * width * height + (width + 7) // 8 * height)
        else:
            assert encoding in (MOTION, KEYS), encoding
        return x, y, width, height, encoding

    def put(self, x, y, width, height, data):
        for row in range(height):
            line = data[4 * width * row:4 * width * (row + 1)]
            self.pixels[y + row][x:x + width] = list(zip(line[2::4], line[1::4], line[0::4]))

    def pixel(self):
        blue, green, red, _ = self.take(4)
        return red, green, blue

    def hextile(self, x0, y0, width, height):
        back = front = (0, 0, 0)
        for y in range(y0, y0 + height, 16):
            for x in range(x0, x0 + width, 16):
                w, h = min(16, x0 + width - x), min(16, y0 + height - y)
                kind = self.take(1)[0]
                if kind & 1:
                    self.put(x, y, w, h, self.take(4 * w * h))
                    continue
                if kind & 2:
                    back = self.pixel()
                if kind & 4:
                    front = self.pixel()
                for row in range(y, y + h):
                    self.pixels[row][x:x + w] = [back] * w
                for _ in range(self.take(1)[0] if kind & 8 else 0):
                    colour = self.pixel() if kind & 16 else front
                    xy, wh = self.take(2)
                    for row in range(y + (xy & 15), y + (xy & 15) + (wh & 15) + 1):
                        left = x + (xy >> 4)
                        self.pixels[row][left:left + (wh >> 4) + 1] = [colour] * ((wh >> 4) + 1)

    def key(self, keysym, down):
        self.socket.sendall(struct.pack(">BBxxI", 4, down, keysym))

    def type(self, text):
        """Characters of a US keyboard."""
        for c in text:
            shifted = c.isupper() or c in '~!@#$%^&*()_+{}|:"<>?'
            if shifted:
                self.key(0xffe1, True)
            for down in (True, False):
                self.key(KEYSYMS.get(c, ord(c)), down)
            if shifted:
                self.key(0xffe1, False)

    def pointer(self, x, y, buttons=0):
        self.socket.sendall(struct.pack(">BBHH", 5, buttons, x, y))

    def text(self, cell_width, glyphs):
        """The rows of text in the picture: cells of cell_width x 16 pixels whose ink is a glyph's."""
        rows = []
        for top in range(0, self.height - 15, 16):
            row = ""
            for left in range(0, self.width - cell_width + 1, cell_width):
                cell = [self.pixels[top + y][left:left + 8] for y in range(16)]
                back = cell[0][7] if len(set(p for line in cell for p in line)) > 1 else cell[0][0]
                ink = bytes(sum(0x80 >> n for n, p in enumerate(line) if p != back) for line in cell)
                row += glyphs.get(ink, "\N{REPLACEMENT CHARACTER}") if any(ink) else " "
            rows.append(row.rstrip())
        return "\n".join(rows)

    def png(self, path):
        """Writes the picture, for people."""
        def part(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        lines = b"".join(b"\0" + bytes(v for p in row for v in p) for row in self.pixels)
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + part(b"IHDR", struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0))
                         + part(b"IDAT", zlib.compress(lines)) + part(b"IEND", b""))


def rom_glyphs():
    """The characters of code page 437 by their glyphs in the option ROM."""
    rom = ROM.read_bytes()
    at = rom.index(FACE) - 16
    return {rom[at + 16 * n:at + 16 * (n + 1)]: chr(n) for n in range(33, 127)}


def des(password, challenge):
    """The response to a challenge. VNC takes the bits of the password's bytes from the lowest on; three times one key is DES."""
    key = bytes(int(f"{b:08b}"[::-1], 2) for b in password.encode()[:8].ljust(8, b"\0"))
    return subprocess.run(["openssl", "enc", "-des-ede3", "-nopad", "-K", (key * 3).hex()], input=challenge, check=True,
                          capture_output=True).stdout
