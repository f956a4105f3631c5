# SPDX-License-Identifier: BSD-2-Clause
"""A machine in QEMU with Sampo on it, driven over its serial console; what stands around it on the host."""

import contextlib
import gzip
import http.server
import os
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time

import pexpect

TOP = pathlib.Path(__file__).resolve().parent.parent
BUILD = TOP / "build"
OVMF = pathlib.Path("/usr/share/OVMF")
PROMPT = "sampo# "
KERNEL_SPEAKS = r"(?:(?:[^\n]*\n){1,60}?)??"  # between two characters of a line: lines of its log
LINE_END = r"(?:\r|qemu-system[^\n]*\n)*\n"  # QEMU itself may say something on the same terminal
LEAVE = "\x1d"  # Ctrl-]: leaves a guest's console
# Of QEMU's monitor.
REGISTERS = re.compile(r"\b(?:[ER]IP|[ER]FL|HLT|CR[03]|EFER)=\w+|^CS =\w+ \w+ \w+ \w+", re.M)
LAPIC = re.compile(r"^(?:LVTT|Timer|ISR|IRR|APR|TPR).*$", re.M)
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]")

# Emulated time differs from the host's: waits are bounded generously, and never measured.
PATIENCE = float(os.environ.get("SAMPO_TEST_PATIENCE", "1"))

# QEMU's units: VT-d as it comes and with more, AMD-Vi.
IOMMUS = {"vtd": "intel-iommu,intremap=on", "vtd48": "intel-iommu,intremap=on,aw-bits=48,caching-mode=on",
          "amdvi": "amd-iommu,intremap=on"}

# How many CPUs a machine has that does not say: pytest's --smp.
CPUS = 1


class Failure(AssertionError):
    """Something did not come; carries the end of the serial log."""


def clean(text):
    """Text without terminal escapes and carriage returns."""
    return ANSI.sub("", text).replace("\r", "")


def free_ports(count=1):
    """UDP ports on the loopback that nobody uses now."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def copy_sparse(source, target):
    """A copy of an image that stays sparse."""
    subprocess.run(["cp", "--sparse=always", str(source), str(target)], check=True)
    return target


def on_one_core():
    """
    The threads of QEMU that are the machine's CPUs take turns on one of the host's. Truly at once they break each other:
    whenever one executes XRSTOR, FXRSTOR or FLDENV, QEMU 7.2 changes the flags of the first (hflags2, in cpu_clear_ignne) without
    a lock, which then forgets that it uses nested paging or that GIF is clear. Processes of pytest that run side by side
    (pytest-xdist names them gw0, gw1...) take different ones.
    """
    cores = sorted(os.sched_getaffinity(0), reverse=True)
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    os.sched_setaffinity(0, {cores[process % len(cores)]})


class Machine:
    """
    One QEMU with Sampo. It boots `iso`, or else `kernel` (the 32-bit image, by multiboot1) with `modules`, a list of
    (file, words) where the words are the module's name and command line. `apart`: its CPUs run at once on
    several of the host's, for guests that do not use the FPU. `iommu`: a unit of IOMMUS.
    """

    patience = 2 * PATIENCE  # beside others

    def __init__(self, directory, iso=None, kernel=None, modules=(), cmdline="", firmware="bios", memory=1024,
                 cpu="max,la57=off", disk="ahci", image=None, nic="e1000e", netdev="user", args=(), icount=False, cpus=None,
                 apart=False, disk_options="format=raw", iommu=None):
        self.directory = pathlib.Path(directory)
        self.log = self.directory / "serial.log"
        self.monitor_path = self.directory / "monitor"
        self.where = None  # the guest whose console is open
        self.child = None
        self.one_core = (cpus or CPUS) > 1 and not apart
        if icount:
            cpu += ",-x2apic"  # QEMU 10 ends with "Bad icount read" when a guest uses its x2APIC; QEMU 7.2 has none
        argv = ["-machine", "q35", "-accel", "tcg", "-cpu", cpu, "-m", str(memory), "-smp", str(cpus or CPUS), "-display", "none",
                "-no-reboot", "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
                "-monitor", f"unix:{self.monitor_path},server,nowait"]
        if iommu:  # in front of the devices that it isolates
            argv += ["-device", iommu]
        if icount:
            argv += ["-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01,clock=vm", "-seed", "1"]
        if firmware == "uefi":
            variables = self.directory / "vars.fd"
            shutil.copy(OVMF / "OVMF_VARS_4M.fd", variables)
            argv += ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF / 'OVMF_CODE_4M.fd'}",
                     "-drive", f"if=pflash,format=raw,file={variables}"]
        if iso is not None:
            argv += ["-cdrom", str(iso), "-boot", "d"]
        if kernel is not None:
            argv += ["-kernel", str(kernel), "-append", cmdline]
            if modules:
                argv += ["-initrd", ",".join(f"{file} {words}".replace(",", ",,") for file, words in modules)]
        if disk and image is not None:
            argv += ["-drive", f"if=none,id=disk,file={image},{disk_options}"]
            argv += {"ahci": ["-device", "ide-hd,drive=disk,bus=ide.0"],
                     "nvme": ["-device", "nvme,drive=disk,serial=sampo"]}[disk]
        if nic:
            argv += ["-netdev", f"user,id=net" if netdev == "user" else netdev]
            argv += ["-device", f"{nic},netdev=net,mac=52:54:00:12:34:56"]
        else:
            argv += ["-nic", "none"]
        self.argv = argv + list(args)

    def start(self):
        """Starts QEMU; Sampo's console is the spawned child."""
        self.log_file = open(self.log, "a", encoding="utf-8", errors="replace")
        self.child = pexpect.spawn("qemu-system-x86_64", self.argv, encoding="utf-8", codec_errors="replace",
                                   echo=False, timeout=60, dimensions=(50, 200),
                                   preexec_fn=on_one_core if self.one_core else None)
        self.child.logfile_read = self.log_file
        self.child.delaybeforesend = None
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends QEMU, whatever it does."""
        if self.child is not None:
            self.child.close(force=True)
            self.log_file.close()
            self.child = None

    def log_text(self):
        """All that the serial console showed."""
        if not self.log_file.closed:
            self.log_file.flush()
        return clean(self.log.read_bytes().decode(errors="replace"))

    def tail(self, lines=60):
        """The last lines of it."""
        return "\n".join(self.log_text().splitlines()[-lines:])

    def registers(self):
        """
        Where the first CPUs are, three times half a second apart, and which interrupts wait there. Empty if the monitor
        does not answer.
        """
        lines = []
        with contextlib.suppress(OSError):
            for sample in range(3):
                time.sleep(0.5 if sample else 0)
                for cpu in self.monitor("info registers -a", 5).split("CPU#")[1:17]:
                    lines.append(f"CPU {cpu.split(None, 1)[0]}: {' '.join(REGISTERS.findall(cpu))}")
            for cpu in range(4):
                lines.append(f"local APIC {cpu}: {', '.join(LAPIC.findall(self.monitor(f'info lapic {cpu}', 5)))}")
        return "\n".join(lines)

    def fail(self, what, late=False):
        """Ends the test with the console's end; with `late` a wait was in vain, and the CPUs may hang."""
        __tracebackhide__ = True
        where = f"\n{self.registers()}\n---" if late else ""
        raise Failure(f"{what}\n--- the last lines of the console ---\n{self.tail()}\n---{where}") from None

    def expect(self, pattern, timeout=60):
        """Waits for a pattern (or one of a list); returns its index. The match is in self.match."""
        __tracebackhide__ = True
        try:
            return self.child.expect(pattern, timeout=timeout * self.patience)
        except pexpect.TIMEOUT:
            self.fail(f"no {pattern!r} within {timeout * self.patience:.0f} s", late=True)
        except pexpect.EOF:
            self.fail(f"QEMU ended, no {pattern!r}")
        return None

    def expect_end(self, timeout=60):
        """Waits for QEMU to end (the machine powered off, or reset with -no-reboot)."""
        __tracebackhide__ = True
        try:
            self.child.expect(pexpect.EOF, timeout=timeout * self.patience)
        except pexpect.TIMEOUT:
            self.fail(f"the machine did not end within {timeout * self.patience:.0f} s", late=True)
        self.child.close()
        return self.child.exitstatus

    @property
    def match(self):
        return self.child.match

    @property
    def before(self):
        return clean(self.child.before)

    def send(self, text):
        self.child.send(text)

    def boot(self, timeout=60):
        """Waits for dom0's shell, and for the guests that start by themselves."""
        self.expect(r"dom0: ready[^\n]*\n", timeout)
        said = self.child.before
        self.expect(re.escape(PROMPT), 20)
        self.child.before = said + self.child.before
        return self

    def run(self, command, timeout=60):
        """Runs a command in dom0's shell and returns what it printed."""
        self.send(command + "\r")
        # The whole line: the log may speak in between, dom0's and then the line again, or the kernel's and then its rest.
        self.expect(KERNEL_SPEAKS.join(re.escape(c) for c in command[-40:]) + LINE_END, timeout)
        self.expect(re.escape(PROMPT), timeout)
        return self.before

    def wait_run(self, command, pattern, timeout=60):
        """Repeats a command until its output has the pattern; returns the output."""
        __tracebackhide__ = True
        deadline = time.monotonic() + timeout * self.patience
        while True:
            output = self.run(command)
            if re.search(pattern, output):
                return output
            if time.monotonic() > deadline:
                self.fail(f"{command!r} did not come to show {pattern!r}, but:\n{output}", late=True)
            time.sleep(0.2)

    def state(self, guest):
        """The state that `list --all` gives for a guest; None if it is not there."""
        for line in self.run("list --all").splitlines():
            words = line.split(None, 2)
            if len(words) == 3 and words[1] == guest and words[0] != "Id":
                return words[2].strip()
        return None

    def wait_state(self, guest, state, timeout=60):
        """Waits until a guest is in a state, such as "running" or "shut off"."""
        __tracebackhide__ = True
        deadline = time.monotonic() + timeout * self.patience
        while True:
            now = self.state(guest)
            if now == state:
                return
            if time.monotonic() > deadline:
                self.fail(f"{guest} is {now}, not {state}", late=True)
            time.sleep(0.5)

    def console(self, guest):
        """Enters a guest's console. Guests start when the disks have been found: after the shell."""
        self.wait_state(guest, "running", 30)
        self.send(f"console {guest}\r")
        self.expect(r"Escape character is[^\n]*\n", 20)
        self.where = guest

    def leave(self):
        """Leaves it, with Ctrl-]."""
        self.send(LEAVE)
        self.expect(re.escape(PROMPT), 20)
        self.where = None

    @contextlib.contextmanager
    def in_console(self, guest):
        self.console(guest)
        yield self
        self.leave()

    def linux_up(self, guest, timeout=120):
        """Waits, in its console, for a demo Linux guest's shell."""
        self.send("\r")
        self.expect(re.escape(f"{guest}# "), timeout)

    def linux(self, command, timeout=60, status=0):
        """Runs a command in the Linux shell of the open console; returns what it printed. None: any status will do."""
        self.send(f'echo "<""<"; {command}; echo "<$?>"\r')
        self.expect(rf"<<{LINE_END}", 20)  # what was typed comes back before it, wrapped at the terminal's width
        self.expect(rf"<(\d+)>{LINE_END}", timeout)
        output, code = self.before, int(self.match.group(1))
        self.expect(re.escape(f"{self.where}# "), 20)
        if status is not None and code != status:
            self.fail(f"{command!r} in {self.where} ended with {code}, not {status}:\n{output}")
        return output

    def monitor(self, command, timeout=20):
        """A command to QEMU's own monitor; returns its answer."""
        deadline = time.monotonic() + timeout * self.patience
        while not self.monitor_path.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(timeout * self.patience)
            s.connect(str(self.monitor_path))

            def answer():
                data = b""
                while not data.endswith(b"(qemu) "):
                    piece = s.recv(65536)
                    if not piece:
                        break
                    data += piece
                return data.decode(errors="replace")

            answer()
            s.sendall(command.encode() + b"\n")
            return clean(answer()).partition("\n")[2].replace("(qemu) ", "")

    def screen(self):
        """The text on the VGA screen, in its text mode."""
        file = self.directory / "screen"
        self.monitor(f'pmemsave 0xb8000 4000 "{file}"')
        cells = file.read_bytes()[::2].decode("cp437", errors="replace")
        return "\n".join(cells[n:n + 80].rstrip() for n in range(0, 2000, 80))

    def framebuffer(self):
        """The text on the screen in its graphics mode: each cell is a glyph of the console's font, in inverse the cursor's."""
        file = self.directory / "screen.ppm"
        self.monitor(f'screendump "{file}"')
        width, height, pixels = read_ppm(file)
        glyphs = {glyph: chr(ord(" ") + n) for n, glyph in enumerate(font())}
        rows = []
        for top in range(0, height - CELL[1] + 1, CELL[1]):
            lines = [pixels[(top + y) * width:(top + y + 1) * width] for y in range(CELL[1])]
            cells = [tuple(line[x:x + CELL[0]] for line in lines) for x in range(0, width - CELL[0] + 1, CELL[0])]
            rows.append("".join(glyphs.get(c) or glyphs.get(inverse(c), "\N{REPLACEMENT CHARACTER}") for c in cells))
        return "\n".join(row.rstrip() for row in rows)


CELL = (8, 16)  # pixels


def inverse(cell):
    return tuple(bytes(1 - pixel for pixel in line) for line in cell)


def font():
    """The glyphs of kernel/console/text.c, as it draws them: lines of bytes that are 1 where there is ink."""
    table = re.search(r"font\[\] = \{(.*?)\};", (TOP / "kernel/console/text.c").read_text(), re.S).group(1)
    for bits in (int(word, 16) for word in re.findall(r"0x[0-9a-f]+", table)):
        yield tuple(bytes([0] + [bits >> (y // 2 * 5 + x) & 1 for x in range(5)] + [0, 0]) for y in range(CELL[1]))


def read_ppm(file):
    """A picture of the screen: width, height, and a byte for each pixel, 1 where it is lit."""
    kind, width, height, _, pixels = re.fullmatch(rb"(P6)\s+(\d+)\s+(\d+)\s+(\d+)\s(.*)", file.read_bytes(), re.S).groups()
    assert kind == b"P6"
    return int(width), int(height), bytes(1 if green > 64 else 0 for green in pixels[1::3])


class Wire:
    """The other end of the NIC's cable: frames as they are. `netdev` is the option for Machine."""

    def __init__(self):
        mine, qemus = free_ports(2)
        self.peer = ("127.0.0.1", qemus)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", mine))
        self.netdev = (f"dgram,id=net,local.type=inet,local.host=127.0.0.1,local.port={qemus},"
                       f"remote.type=inet,remote.host=127.0.0.1,remote.port={mine}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, frame):
        self.socket.sendto(frame, self.peer)

    def receive(self, wanted=lambda frame: True, timeout=30):
        """The next frame for which wanted() is true."""
        deadline = time.monotonic() + timeout * PATIENCE
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failure("no such frame came over the wire")
            self.socket.settimeout(left)
            try:
                frame = self.socket.recv(65536)
            except socket.timeout:
                continue
            if wanted(frame):
                return frame


class WebServer:
    """An HTTP server on the host, which a guest behind QEMU's user network reaches at `url`."""

    def __init__(self, pages):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = pages.get(self.path)
                self.send_response(200 if body is not None else 404)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def do_PUT(self):
                length = int(self.headers["Content-Length"])
                pages[self.path] = self.rfile.read(length)
                self.send_response(204)
                self.end_headers()

            do_POST = do_PUT

            def log_message(self, *_):
                pass

        self.pages = pages
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://10.0.2.2:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def domain_xml(name, kernel, memory=128, initrd=None, cmdline=None, disks=(), macs=(), extra="", head=""):
    """A description of a guest: memory in MiB, `disks` names of partitions, `macs` its network cards."""
    os_lines = [f"    <kernel>{kernel}</kernel>"]
    for i in [initrd] if isinstance(initrd, str) else (initrd or []):
        os_lines.append(f"    <initrd>{i}</initrd>")
    if cmdline:
        os_lines.append(f"    <cmdline>{cmdline}</cmdline>")
    devices = []
    for n, partition in enumerate(disks):
        devices.append(f"    <disk type='block' device='disk'><source dev='/dev/disk/by-partlabel/{partition}'/>"
                       f"<target dev='vd{chr(97 + n)}' bus='virtio'/></disk>")
    for mac in macs:
        devices.append(f"    <interface type='bridge'><source bridge='br0'/><mac address='{mac}'/>"
                       f"<model type='virtio'/></interface>")
    return "\n".join(
        ["<domain type='kvm'>", f"  <name>{name}</name>", f"  <memory unit='MiB'>{memory}</memory>",
         "  <vcpu>1</vcpu>", head, "  <os>", "    <type arch='x86_64'>hvm</type>", *os_lines, "  </os>",
         "  <features><acpi/><apic/></features>", "  <devices>", *devices, extra,
         "    <serial type='pty'/>", "    <console type='pty'/>", "  </devices>", "</domain>", ""])


def linux_xml(name, memory=192, partition=None, mac=None, words="", **more):
    """A description of a demo Linux guest."""
    return domain_xml(name, "vmlinuz", memory=memory, initrd="initrd.gz",
                      cmdline=f"console=ttyS0 cryptomgr.notests quiet panic=-1 hostname={name} {words}".strip(),
                      disks=[partition] if partition else [], macs=[mac] if mac else [],
                      extra="    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>", **more)


# The files that linux_xml() names.
LINUX_FILES = {"vmlinuz": BUILD / "demo/guests/vmlinuz", "initrd.gz": BUILD / "demo/guests/initrd.gz"}


def make_iso(directory, guests=None, cmdline="", dom0_cmdline="", kernel=None, dom0=BUILD / "dom0.bin",
             grub_commands="", grub_modules=""):
    """
    An ISO of the given guests: a dict of names in the folder to text, bytes or a file (a Path). dom0=None leaves dom0
    out; another file takes its place.
    """
    directory = pathlib.Path(directory)
    folder = directory / "guests"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (guests or {}).items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pathlib.Path):
            place.unlink(missing_ok=True)
            place.symlink_to(content)
        elif isinstance(content, bytes):
            place.write_bytes(content)
        else:
            place.write_text(content, encoding="utf-8")
    iso = directory / "sampo.iso"
    argv = ["sh", str(TOP / "boot/mkiso.sh"), str(iso), str(kernel or BUILD / "sampo.elf"),
            str(dom0) if dom0 else ""]
    if guests is not None:
        argv.append(str(folder))
    subprocess.run(argv, check=True, capture_output=True,
                   env={**os.environ, "CMDLINE": cmdline, "DOM0_CMDLINE": dom0_cmdline,
                        "GRUB_COMMANDS": grub_commands, "GRUB_MODULES": grub_modules})
    return iso


def cpio_gz(directory, name, content):
    """An archive with one program, for behind an initrd: text, or a file (a Path)."""
    root = pathlib.Path(directory) / "root"
    root.mkdir()
    if isinstance(content, pathlib.Path):
        shutil.copy(content, root / name)
    else:
        (root / name).write_text(content, encoding="utf-8")
    (root / name).chmod(0o755)
    archive = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], input=name.encode(), cwd=root,
                             check=True, capture_output=True).stdout
    return gzip.compress(archive, mtime=0)


def make_disk(path, *names, size=64):
    """A GPT disk with ext4 partitions of the given names, `size` MiB each."""
    subprocess.run(["sh", str(TOP / "guests/demo/mkdisk.sh"), str(path), str(size), *names], check=True)
    return path
