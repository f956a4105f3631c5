# SPDX-License-Identifier: BSD-2-Clause
"""What dom0 brings from the network: volumes, descriptions and the time."""

import calendar
import hashlib
import http.server
import random
import re
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

import lvm
import machine as m

MIB = 1 << 20
CONTENT = random.Random(14).randbytes(2 * MIB + 12345)
SHA = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2
CHANGED = "Tue, 01 Dec 2026 01:02:03 GMT"


class Server:
    """An HTTP server whose paths say how it behaves; over TLS with a certificate and its key in one file."""

    def __init__(self, pem=None, leads_to=None):
        server = self
        self.asked = []  # path and Range of each request
        self.more = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                server.asked.append((self.path, self.headers.get("Range"), self.headers.get("If-Range")))
                getattr(self, "do_" + re.match(r"/(\w+)", self.path).group(1))()
                self.close_connection = True

            def head(self, status, length=None, **fields):
                self.send_response(status)
                if length is not None:
                    self.send_header("Content-Length", str(length))
                for name, value in fields.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()

            def start(self):
                """Where the client wants to go on."""
                asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
                return int(asked.group(1)) if asked else 0

            def part(self, first, **fields):
                """The head of an answer from `first` on."""
                left = len(CONTENT) - first
                if first:
                    self.head(206, left, Content_Range=f"bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}", **fields)
                else:
                    self.head(200, left, **fields)

            def do_good(self):
                self.head(200, len(CONTENT))
                self.wfile.write(CONTENT)

            def do_chunked(self):
                self.head(200, Transfer_Encoding="chunked")
                rest, size = CONTENT, 1
                while rest:
                    self.wfile.write(b"%x;x=y\r\n%b\r\n" % (len(rest[:size]), rest[:size]))
                    rest, size = rest[size:], size * 3 % 100003
                self.wfile.write(b"0\r\nTrailer: x\r\n\r\n")

            def do_endless(self):
                self.head(200, Transfer_Encoding="chunked")
                try:
                    while True:
                        self.wfile.write(b"100000\r\n%b\r\n" % bytes(1 << 20))
                except OSError:
                    pass

            def do_redirect(self):
                self.head(302, 0, Location="good?from=redirect#part")

            def do_elsewhere(self):
                self.head(307, 0, Location=leads_to + "/good")

            def do_circle(self):
                self.head(301, 0, Location="http://10.0.2.2:%d/circle/%s" % (
                    self.server.server_address[1], "b" if self.path.endswith("a") else "a"))

            def do_spiral(self):
                self.head(301, 0, Location=self.path + "/x")

            def do_missing(self):
                self.head(404, 0)

            def do_breaks(self):
                """A third of the file at a time."""
                first = self.start()
                self.part(first, ETag='"one"')
                self.wfile.write(CONTENT[first:first + len(CONTENT) // 3 + 1])

            def do_changes(self):
                """Another file after the break."""
                self.head(200, len(CONTENT), ETag=f'"{len(server.asked)}"')
                self.wfile.write(CONTENT[:HALF])

            def do_rangeless(self):
                """The whole file again after the break."""
                self.head(200, len(CONTENT), Last_Modified=CHANGED)
                self.wfile.write(CONTENT if self.headers.get("Range") else CONTENT[:HALF])

            def do_nameless(self):
                """A break, and no version by which the client could go on."""
                self.head(200, len(CONTENT))
                self.wfile.write(CONTENT[:HALF])

            def do_stalls(self):
                first = self.start()
                self.part(first, Last_Modified=CHANGED)
                self.wfile.write(CONTENT[first:] if first else CONTENT[:HALF])
                if not first:
                    server.more.wait(120)

            def do_slow(self):
                """Nothing more until the test says so, or the client is gone."""
                self.head(200, len(CONTENT))
                self.wfile.write(CONTENT[:HALF])
                server.more.wait(120)

            def do_long(self):
                self.head(200, len(CONTENT) - 5)
                self.wfile.write(CONTENT)

            def do_short(self):
                """Says more than the file has."""
                first = self.start()
                if first:
                    self.head(416, 0, Content_Range=f"bytes */{len(CONTENT)}")
                    return
                self.head(200, len(CONTENT) + 1000, ETag='"short"')
                self.wfile.write(CONTENT)

            def do_huge(self):
                self.head(200, 1 << 40)

            def do_empty(self):
                self.head(200, 0)

            def do_old(self):
                self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + CONTENT)

            def do_garbage(self):
                self.wfile.write(random.Random(1).randbytes(100000))

            def do_guest(self):
                text = guest("fetched").encode()
                self.head(200, len(text))
                self.wfile.write(text)

            def do_wrongxml(self):
                self.head(200, 9)
                self.wfile.write(b"<domain>\n")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # the client breaks connections
        self.url = f"http{'s' if pem else ''}://10.0.2.2:{self.server.server_address[1]}"
        if pem:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pem)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.more.set()
        self.server.shutdown()
        self.server.server_close()


def guest(name):
    """A Linux guest with the volume of its name."""
    text = m.linux_xml(name, partition="x")
    disk = re.search(r"<disk.*?</disk>", text, re.S).group(0)
    return text.replace(disk, f"<disk type='volume'><source pool='data' volume='{name}'/><target dev='vda' bus='virtio'/></disk>")


@pytest.fixture
def server():
    one = Server()
    yield one
    one.close()


def fetch(box, server, path, name, words="", timeout=120):
    return box.run(f"vol-fetch data {name} {server.url}/{path} {words}", timeout)


def volumes(box):
    return dict(re.findall(r"^ (\S+) +/dev/data/\S+ +block +(\S+) MiB", box.run("vol-list data --details"), re.M))


def test_fetch(boot, iso, server, tmp_path):
    """A volume and a description from the network make a guest, which reads what the server has."""
    image = lvm.blank(tmp_path / "pv.img", 128)
    box = boot(iso=iso({**m.LINUX_FILES}, dom0_cmdline="ntp=10.0.2.2"), memory=768, args=[
        "-drive", f"if=none,id=d0,format=raw,file={image}", "-device", "ide-hd,drive=d0,bus=ide.1"]).boot()
    box.wait_run("net", r"DHCP: +bound")
    assert "Pool data built" in box.run("pool-build data sda")
    assert f"Vol fetched fetched: {len(CONTENT)} bytes" in fetch(box, server, "good.img", "fetched", f"--sha256 {SHA}")
    assert "the SHA-256 is right" in box.before
    assert "fetched: " in fetch(box, server, "chunked", "chunked", f"--sha256 {SHA.upper()}")
    assert "fetched: " in fetch(box, server, "breaks", "image", f"--sha256 {SHA} --format qcow2 --capacity 16M")
    assert "2 broken connections were taken up again" in box.before
    assert volumes(box) == {"fetched": "4.00", "chunked": "4.00", "image": "16.00"}
    ranges = [(asked, condition) for path, asked, condition in server.asked if path == "/breaks"]
    third = len(CONTENT) // 3 + 1
    assert ranges == [(None, None), (f"bytes={third}-", '"one"'), (f"bytes={2 * third}-", '"one"')]
    assert "Domain 'fetched' defined from" in box.run(f"define-from {server.url}/guest.xml")
    box.run("start fetched")
    with box.in_console("fetched"):
        box.linux_up("fetched")
        assert SHA in box.linux(f"head -c {len(CONTENT)} /dev/vda | sha256sum")
    assert "in use" in fetch(box, server, "good", "fetched", "--overwrite")
    assert "Failed to define domain" in box.run(f"define-from {server.url}/wrongxml")
    assert "the server answers 404" in box.run(f"define-from {server.url}/missing")
    assert "larger than 256 KiB" in box.run(f"define-from {server.url}/good")
    box.stop()
    with lvm.host(image) as host:
        host.lvm("vgck", "data")
        tags = {v["lv_name"]: v["lv_tags"] for v in host.report("lvs", "lv_name,lv_tags", "data")}
        assert tags == {"fetched": "", "chunked": "", "image": "sampo.format=qcow2", "sampo-state": "", "sampo-journal": ""}
        runs = {v["lv_name"]: v["seg_pe_ranges"] for v in host.report("lvs", "lv_name,seg_pe_ranges", "--segments", "data")
                if not v["lv_name"].startswith("sampo-")}
    data = image.read_bytes()
    for name, run in runs.items():
        first = MIB + int(re.search(r":(\d+)-", run).group(1)) * 4 * MIB
        assert data[first:first + len(CONTENT)] == CONTENT, name


def test_bad_servers(boot, iso, server, tmp_path):
    """Each fetch that fails says why, and leaves nothing that looks whole."""
    image = lvm.blank(tmp_path / "pv.img", 32)
    box = boot(iso=iso({"web.xml": guest("web"), **m.LINUX_FILES}), memory=512, args=[
        "-drive", f"if=none,id=d0,format=raw,file={image}", "-device", "ide-hd,drive=d0,bus=ide.1"]).boot()
    box.wait_run("net", r"DHCP: +bound")
    box.run("pool-build data sda")
    assert "the SHA-256 of the file is another one" in fetch(box, server, "good", "v", f"--sha256 {'0' * 64}")
    assert "64 hexadecimal digits" in fetch(box, server, "good", "v", "--sha256 12")
    assert "the server answers 404" in fetch(box, server, "missing", "v")
    assert "redirects in a circle" in fetch(box, server, "circle/a", "v")
    assert "redirects more than 8 times" in fetch(box, server, "spiral", "v")
    assert "longer than its length says" in fetch(box, server, "long", "v")
    assert "fewer bytes than it said" in fetch(box, server, "short", "v")
    assert "the file has changed on the server" in fetch(box, server, "changes", "v")
    assert "names no version of the file" in fetch(box, server, "nameless", "v")
    assert "neither a length nor chunks" in fetch(box, server, "old", "v")
    assert "does not speak HTTP/1" in fetch(box, server, "garbage", "v")
    assert "the file is empty" in fetch(box, server, "empty", "v")
    assert "the pool has 28 MiB left" in fetch(box, server, "huge", "v")
    assert "the pool is full" in fetch(box, server, "endless", "v")
    assert "larger than the capacity" in fetch(box, server, "good", "v", "--capacity 1M")
    assert "larger than the volume" in fetch(box, server, "endless", "v", "--capacity 4M")
    assert "a format is raw, qcow2, vmdk, vpc or vdi" in fetch(box, server, "good", "v", "--format vhdx")
    assert "refuses the connection" in box.run("vol-fetch data v http://10.0.2.2:1/x")
    assert "no name server knows" in box.run("vol-fetch data v http://no.such.name.invalid/x")
    assert "dom0 trusts no CA of https" in box.run("vol-fetch data v https://10.0.2.2/x")

    box.send(f"vol-fetch data v {server.url}/slow\r")
    box.expect(r"\d+ % of 3 MiB", 60)
    assert "another" not in box.before
    box.send("\x03")
    box.expect("error: stopped")
    box.expect(re.escape(m.PROMPT))
    assert volumes(box) == {}

    box.run("vol-create-as data web 8M")
    assert "--overwrite" in fetch(box, server, "good", "web")
    assert "is for no guest" in fetch(box, server, "nameless", "web", "--overwrite")
    assert "a part of its content only" in box.run("start web")
    assert "a part of its content only" in box.run("vol-info web --pool data")
    assert "fetched: " in fetch(box, server, "rangeless", "web", f"--sha256 {SHA}")
    assert "fetched: " in fetch(box, server, "stalls", "stalled", f"--sha256 {SHA}")
    assert "1 broken connection was taken up again" in box.before
    assert "fetched: " in fetch(box, server, "redirect", "moved", f"--sha256 {SHA}")
    assert server.asked[-1][0] == "/good?from=redirect"
    assert volumes(box) == {"web": "8.00", "stalled": "4.00", "moved": "4.00"}
    assert "started" in box.run("start web")
    box.send(f"vol-fetch data cut {server.url}/slow\r")
    box.expect(r"\d+ % of 3 MiB", 60)
    box.stop()  # as a cut of the power
    with lvm.host(image) as host:
        host.lvm("vgck", "data")
        tags = {v["lv_name"]: v["lv_tags"] for v in host.report("lvs", "lv_name,lv_tags", "data")}
        assert tags == {"web": "", "stalled": "", "moved": "", "cut": "sampo.partial=1"}


def make_ca(folder):
    """A CA with an RSA key, and the certificate and key of a server at 10.0.2.2 in one file."""
    folder.mkdir()

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:3072", "-nodes", "-days", "30", "-subj", f"/CN={folder.name}", "-keyout", "ca.key",
            "-out", "ca.pem")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=files", "-keyout", "key.pem", "-out", "request.pem")
    (folder / "names").write_text("subjectAltName=IP:10.0.2.2")
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30",
            "-extfile", "names", "-out", "cert.pem")
    (folder / "server.pem").write_bytes((folder / "cert.pem").read_bytes() + (folder / "key.pem").read_bytes())
    return folder


def test_https(boot, iso, tmp_path):
    """A server proves itself by a CA that the operator has brought, or the content by its SHA-256; TLS leads to no HTTP."""
    ours, theirs = make_ca(tmp_path / "ours"), make_ca(tmp_path / "theirs")
    plain = Server()
    right, wrong = Server(ours / "server.pem", plain.url), Server(theirs / "server.pem")
    into = Server(leads_to=right.url)
    image = lvm.blank(tmp_path / "pv.img", 64)
    ca = (ours / "ca.pem").read_text()
    disk = ["-drive", f"if=none,id=d0,format=raw,file={image}", "-device", "ide-hd,drive=d0,bus=ide.1"]
    box = boot(iso=iso({"ca.pem": ca, **m.LINUX_FILES}), memory=512, args=disk).boot()
    box.wait_run("net", r"DHCP: +bound")
    box.run("pool-build data sda")
    assert "dom0 trusts no CA of https" in fetch(box, right, "good", "v")
    assert "the SHA-256 is right" in fetch(box, wrong, "good", "unproven", f"--sha256 {SHA}")
    assert "Trusted CAs changed" in box.run("tls-trust ca.pem")
    assert "CAs of https:   CN=ours" in box.run("tls-info")
    assert "fetched: " in fetch(box, right, "good", "proven")
    assert "fetched: " in fetch(box, into, "elsewhere", "led")
    assert "leads from https to http" in fetch(box, right, "elsewhere", "v")
    assert "is of none of the CAs that dom0 trusts" in fetch(box, wrong, "good", "v")
    assert not plain.asked and [path for path, _, _ in wrong.asked] == ["/good"]
    assert "Domain 'fetched' defined from" in box.run(f"define-from {right.url}/guest.xml")
    assert "--sha256 or https is needed" in box.run(f"tls-trust {plain.url}/good")
    assert {name for name in volumes(box) if not name.startswith("sampo-")} == {"unproven", "proven", "led"}
    box.stop()
    box = boot(iso=iso({**m.LINUX_FILES}), memory=512, args=disk).boot()
    box.wait_run("tls-info", "CAs of https: +CN=ours")
    box.wait_run("net", r"DHCP: +bound")
    assert "fetched: " in fetch(box, right, "good", "again")
    assert "Trusted CAs changed" in box.run("tls-trust --none")
    assert "dom0 trusts no CA of https" in fetch(box, right, "good", "v")
    for server in (plain, right, wrong, into):
        server.close()


class TimeServer:
    """An SNTP server on the host (RFC 4330) whose clock is the test's; QEMU's user network leads 10.0.2.2 here."""

    def __init__(self, unix_time):
        self.offset = unix_time - time.time()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.bind(("127.0.0.1", 123))
        except PermissionError:
            pytest.skip("UDP port 123 needs root")
        self.socket.settimeout(0.2)
        self.ended = threading.Event()
        threading.Thread(target=self.serve, daemon=True).start()

    def now(self):
        return time.time() + self.offset

    def serve(self):
        while not self.ended.is_set():
            try:
                ask, peer = self.socket.recvfrom(1024)
            except TimeoutError:
                continue
            stamp = struct.pack(">Q", int((self.now() + 2208988800) * 2**32) % 2**64)
            self.socket.sendto(b"\x24\x01\x06\xec" + bytes(20) + ask[40:48] + stamp + stamp, peer)

        self.socket.close()


@pytest.fixture
def time_server():
    one = TimeServer(1940000000)  # 2031-06-23
    yield one
    one.ended.set()


def clock(box):
    """dom0's wall clock, as Unix time."""
    text = re.search(r"Time: +(\S+ \S+) UTC", box.run("time")).group(1)
    return calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M:%S"))


def test_time(boot, iso, time_server):
    """The time of a server becomes the machine's: dom0's, that of guests that start, and of the clock that guests have."""
    server = time_server
    box = boot(iso=iso({"linux1.xml": m.linux_xml("linux1"), **m.LINUX_FILES}, dom0_cmdline="ntp=10.0.2.2"), memory=512).boot()
    text = box.wait_run("time", r"Last answer: +\d+ s ago")
    assert "Server:         10.0.2.2" in text and re.search(r"the clock was \d+\.\d+ s slow", text)
    assert abs(clock(box) - server.now()) < 10
    line = re.search(r"\[([^\]]*)\] time: (\S+ \S+) UTC, by 10.0.2.2", box.run("dmesg --ctime"))
    stamps = [calendar.timegm(time.strptime(line.group(n), "%Y-%m-%d %H:%M:%S")) for n in (1, 2)]
    assert abs(stamps[0] - stamps[1]) <= 2
    box.run("destroy linux1")  # it started before the answer came
    box.run("start linux1")
    with box.in_console("linux1"):
        box.linux_up("linux1")
        assert abs(int(box.linux("date +%s")) - server.now()) < 30
        assert abs(int(box.linux("cat /sys/class/rtc/rtc0/since_epoch")) - server.now()) < 30
        uptime = float(box.linux("cut -d' ' -f1 /proc/uptime"))

    server.offset += 86400  # far away: not without the operator's word
    assert "being asked" in box.run("time --sync")
    box.wait_run("time", r"Refused: +1 answer, .* more than 1000 s away")
    box.run("time --sync --force")
    box.wait_run("dmesg", r"the clock was 8\d{4}\.\d+ s slow")
    assert abs(clock(box) - server.now()) < 10
    with box.in_console("linux1"):  # its own clock goes on, its RTC follows
        assert abs(int(box.linux("cat /sys/class/rtc/rtc0/since_epoch")) - server.now()) < 30
        assert abs(int(box.linux("date +%s")) - server.now() + 86400) < 30
        assert float(box.linux("cut -d' ' -f1 /proc/uptime")) - uptime < 3600
