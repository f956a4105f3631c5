# SPDX-License-Identifier: BSD-2-Clause
"""
Recordings of a stock virsh on libvirt's test driver, which dom0's shell is compared with (tests/qemu/test_virsh.py).

A file NAME.txt has lines "virsh # COMMAND", each followed by all that virsh printed. Where the shell of Sampo prints something
else, a line "sampo: REASON" follows with what it prints; there "..." stands for any text within a line. All files together
are one session, in the order of their names: it begins with the guest alpha running and the guest beta shut off.

`recordings.py` runs the commands of the files in virsh and writes virsh's part of the files anew; it keeps Sampo's.
"""

import os
import pathlib
import re
import socket
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PROMPT = "virsh # "
MARK = "sampo: "

NODE = """<node>
{domains}
  <network><name>default</name><bridge name='br0'/><ip address='192.0.2.1' netmask='255.255.255.0'/></network>
  <cpu><mhz>1000</mhz><model>x86_64</model><active>1</active><nodes>1</nodes><sockets>1</sockets><cores>1</cores><threads>1</threads></cpu>
  <memory>524288</memory>
</node>
"""
SHUT_OFF = "<test:runstate xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>5</test:runstate></domain>"


class Step:
    """A command, the lines that virsh printed, and Sampo's with the reason if they are others."""

    def __init__(self, command):
        self.command, self.virsh, self.sampo, self.reason = command, [], [], None

    def expected(self):
        return self.virsh if self.reason is None else self.sampo

    def text(self):
        own = [] if self.reason is None else [MARK + self.reason, *self.sampo]
        return "\n".join([PROMPT + self.command, *self.virsh, *own]) + "\n"


def files():
    return sorted(HERE.glob("*.txt"))


def read(file):
    """The comment on top, and the steps."""
    top, steps = [], []
    for line in file.read_text().splitlines():
        if line.startswith(PROMPT):
            steps.append(Step(line[len(PROMPT):]))
        elif not steps:
            top.append(line)
        elif line.startswith(MARK):
            steps[-1].reason = line[len(MARK):]
        elif steps[-1].reason is None:
            steps[-1].virsh.append(line)
        else:
            steps[-1].sampo.append(line)
    return top, steps


def without_changes(line):
    """A line without the figures that differ from one run to the next."""
    line = re.sub(r"(CPU time:\s+)[\d.]+s", r"\1TIME", line)
    line = re.sub(r"(_time\s+)\d+\.\d{9}( seconds)", r"\1TIME\2", line)
    line = re.sub(r"\b((?:rd|wr|rx|tx)_\w+|errs) \d+$", r"\1 COUNT", line)
    line = re.sub(r"^( (?:number of|error count)[^:]*: +)\d+$", r"\1COUNT", line)
    line = re.sub(r"(CPU frequency: +)\d+( MHz)", r"\1COUNT\2", line)
    line = re.sub(r"(Memory size: +)\d+( KiB)", r"\1COUNT\2", line)
    return line


def same(expected, line):
    """Is the line the expected one, where "..." is any text?"""
    pattern = ".*".join(re.escape(part) for part in without_changes(expected).split("..."))
    return re.fullmatch(pattern, without_changes(line)) is not None


def for_virsh(name, runs):
    """A description of ours for the test driver."""
    text = (HERE / f"{name}.xml").read_text().replace("type='kvm'", "type='test'").replace("arch='x86_64'", "")
    return text if runs else text.replace("</domain>", SHUT_OFF)


def record(place):
    import pexpect  # pylint: disable=import-outside-toplevel

    for name in ("gamma", "broken"):
        (place / f"{name}.def").write_text(for_virsh(name, True))
    node = place / "node.xml"
    node.write_text(NODE.format(domains=for_virsh("alpha", True) + for_virsh("beta", False)))
    words = {**os.environ, "TERM": "dumb", "LC_ALL": "C", "HOME": str(place)}
    virsh = pexpect.spawn("virsh", ["-c", f"test://{node}"], env=words, cwd=place, encoding="utf-8", echo=False,
                          dimensions=(60, 1000), timeout=30)
    virsh.expect(PROMPT)
    virsh.sendline("net-autostart default")  # as Sampo's switch
    virsh.expect(PROMPT)
    for file in files():
        top, steps = read(file)
        for step in steps:
            virsh.sendline(step.command)
            virsh.expect_exact(PROMPT)
            shown = virsh.before.replace("\r\n", "\n").replace(str(place), "")
            if step.command == "hostname":
                shown = shown.replace(socket.gethostname(), "host")
            step.virsh = [without_changes(line) for line in shown.split("\n")[:-1]]
        file.write_text("".join(line + "\n" for line in top) + "".join(step.text() for step in steps))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        record(pathlib.Path(directory))
