# SPDX-License-Identifier: BSD-2-Clause
"""run.py ISO DISK MEMORY: Bochs with its serial console on this terminal. Ctrl-a x leaves it."""

import os
import pathlib
import select
import sys
import tempfile
import termios
import time
import tty

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent.parent / folder) for folder in (".", "bochs")]

import bochs  # noqa: E402  pylint: disable=wrong-import-position

ESCAPE = b"\x01"


def typed(box):
    """What was typed goes to the machine, as fast as its UART can take it; true when it was the end."""
    data = os.read(sys.stdin.fileno(), 8)
    if data == ESCAPE:
        data = os.read(sys.stdin.fileno(), 1)
        if data in (b"x", b""):
            return True
    os.write(box.master, data)
    time.sleep(0.02)
    return not data


def main(iso, disk, memory):
    with tempfile.TemporaryDirectory() as place:
        box = bochs.Bochs(place, iso=pathlib.Path(iso).resolve(), image=pathlib.Path(disk).resolve(), memory=int(memory))
        terminal = sys.stdin.isatty() and termios.tcgetattr(sys.stdin)
        if terminal:
            tty.setraw(sys.stdin)
        try:
            box.start()
            while box.process.poll() is None:
                ready, _, _ = select.select([sys.stdin, box.master], [], [], 0.5)
                if box.master in ready:
                    os.write(sys.stdout.fileno(), os.read(box.master, 4096))
                if sys.stdin in ready and typed(box):
                    break
        finally:
            if terminal:
                termios.tcsetattr(sys.stdin, termios.TCSADRAIN, terminal)
            box.stop()


main(*sys.argv[1:])
