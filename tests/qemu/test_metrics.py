# SPDX-License-Identifier: BSD-2-Clause
"""Prometheus's page: its form, its values, and clients that send nonsense, read nothing, or come in crowds."""

import contextlib
import http.client
import re
import socket
import subprocess
import time

import pytest

import machine as m
from test_small import free_tcp_port

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\d+(?:\.\d+)?)")


def checked(page):
    """
    The samples of a page in Prometheus's text format, {name: {labels: value}}, where labels are text. HELP and TYPE come once
    for each name and in front of its samples, which stand together; no sample comes twice.
    """
    samples, described, kinds = {}, [], {}
    assert page.endswith("\n")
    for line in page.split("\n")[:-1]:
        if line.startswith("# HELP "):
            _, _, name, text = line.split(" ", 3)
            assert text and name not in described, line
            described.append(name)
            samples[name] = {}
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert kind in ("counter", "gauge") and name == described[-1] and name not in kinds, line
            assert (kind == "counter") == name.endswith("_total"), line
            kinds[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match and described, line
            name, labels = match.group(1), match.group(2) or ""
            assert name == described[-1] and name in kinds and labels not in samples[name], line
            names = [label for label, _ in re.findall(LABEL, labels)]
            assert len(names) == len(set(names)), line
            samples[name][labels] = float(match.groups()[-1])
    assert described == list(kinds)
    return samples


def test_the_checker():
    """Pages that are wrong are found to be."""
    good = '# HELP a_total x\n# TYPE a_total counter\na_total{b="\\\\\\"\\n",c=""} 1.5\na_total 2\n'
    assert checked(good) == {"a_total": {'b="\\\\\\"\\n",c=""': 1.5, "": 2}}
    for wrong in (good[:-1], good.replace(" 2", " x"), good.replace("a_total 2", 'a_total{b="\\\\\\"\\n",c=""} 1'), good + good,
                  good.replace('c=""', 'b=""'), good.replace('c=""', 'c="\\x"'), good.replace('c=""', 'c="""'),
                  good.replace("counter", "gauge"), good.replace("# TYPE a_total counter\n", ""), "a 1\n" + good):
        with pytest.raises(AssertionError):
            checked(wrong)


class Sampo:
    def __init__(self, box, port, page_port, place):
        self.box, self.port, self.page_port, self.place = box, port, page_port, place

    def ask(self, path="/metrics", method="GET", headers=None):
        """The answer's status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20 * m.PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()

    def samples(self):
        status, headers, page = self.ask()
        assert status == 200 and headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return checked(page)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=30 * m.PATIENCE)

    def raw(self, data):
        """All that comes for these bytes, until the server ends the connection."""
        with self.connect() as s:
            with contextlib.suppress(ConnectionError):
                s.sendall(data)
            return everything(s)

    def answers(self):
        """A bystander is served, within a moment."""
        start = time.monotonic()
        assert self.samples()["libvirt_up"] == {"": 1}
        assert time.monotonic() - start < 10 * m.PATIENCE


def everything(s):
    data = b""
    with contextlib.suppress(ConnectionError):
        while piece := s.recv(65536):
            data += piece
    return data


@pytest.fixture(scope="module")
def sampo(tmp_path_factory):
    place = tmp_path_factory.mktemp("metrics")
    ports = [free_tcp_port() for _ in range(3)]
    xml = place / "web.xml"
    xml.write_text(m.domain_xml("web", "webserver.elf", memory=16, macs=["52:54:00:00:01:03"], disks=["one"],
                                head="  <uuid>a1a1a1a1-0000-4000-8000-000000000001</uuid>"))
    modules = [(m.BUILD / "dom0.bin", "dom0 metrics=9177 libvirt-tcp=16509 ip=10.0.2.14/24,gw=10.0.2.2"),
               (m.BUILD / "guests/webserver.elf", "webserver.elf"), (xml, "web.xml")]
    disk = m.make_disk(place / "disk.img", "one", size=4)
    with open(place / "pool.img", "wb") as pool:
        pool.truncate(32 << 20)
    forwards = ",".join(f"hostfwd=tcp:127.0.0.1:{port}-{to}"
                        for port, to in zip(ports, ("10.0.2.14:9177", "10.0.2.15:80", "10.0.2.14:16509")))
    with m.Machine(place, kernel=m.BUILD / "sampo.elf32", modules=modules, memory=320, image=disk, cpus=1,
                   netdev=f"user,id=net,{forwards}",
                   args=["-drive", f"if=none,id=pool,format=raw,file={place / 'pool.img'}",
                         "-device", "ide-hd,drive=pool,bus=ide.1"]) as one:
        one.boot()
        one.run("pool-build data sdb")
        one.wait_run("pool-list", "data +active")
        one.wait_run("console web --log", r"webserver: http://10\.0\.2\.15/", 30)
        found = Sampo(one, ports[0], ports[1], place)
        found.uri = f"sampo+tcp://127.0.0.1:{ports[2]}/system"
        yield found


def test_values(sampo):
    """The page says what the shell says, and its counters count."""
    first = sampo.samples()
    web = 'domain="web"'
    nic = f'{web},source_bridge="br0",target_device="web/0"'
    disk = f'{web},source_file="/dev/disk/by-partlabel/one",target_device="vda"'
    assert first["libvirt_domain_info_vstate"] == {web: 1}
    assert first["libvirt_domain_info_maximum_memory_bytes"] == {web: 16 << 20}
    assert first["libvirt_domain_info_virtual_cpus"] == {web: 1}
    assert first["libvirt_domain_info_meta"] == {f'{web},uuid="a1a1a1a1-0000-4000-8000-000000000001"': 1}
    assert first["libvirt_domain_block_stats_capacity"] == {disk: 4 << 20}
    assert first["libvirt_pool_info_capacity_bytes"]['pool="data"'] == first["libvirt_pool_info_available_bytes"]['pool="data"'] > 28e6
    assert first["sampo_host_cpus"] == {"": 1}
    assert first["sampo_host_memory_bytes"][""] > first["sampo_host_memory_free_bytes"][""] > 0
    assert first["sampo_domain_exits_total"][f'{web},reason="HLT"'] > 0
    for _ in range(3):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", sampo.page_port, timeout=20)) as page:
            page.request("GET", "/")
            assert page.getresponse().status == 200
    time.sleep(1)
    second = sampo.samples()
    for name, labels in (("libvirt_domain_info_cpu_time_seconds_total", web), ("sampo_uptime_seconds", ""),
                         ("libvirt_domain_interface_stats_receive_bytes_total", nic),
                         ("libvirt_domain_interface_stats_transmit_packets_total", nic), ("sampo_domain_dom0_seconds_total", web),
                         ("libvirt_domain_vcpu_time_seconds_total", f'{web},vcpu="0"'),
                         ("sampo_host_cpu_idle_seconds_total", "")):
        assert second[name][labels] > first[name][labels], name
    shown = re.search(r"net\.0\.rx\.bytes=(\d+)", sampo.box.run("domstats web"))
    assert int(shown.group(1)) >= second["libvirt_domain_interface_stats_receive_bytes_total"][nic]
    sampo.box.run("suspend web")
    assert sampo.samples()["libvirt_domain_info_vstate"] == {web: 3}
    sampo.box.run("resume web")


def test_protocol(sampo):
    """Connections that stay, old clients, HEAD, other pages, and refusals."""
    connection = http.client.HTTPConnection("127.0.0.1", sampo.port, timeout=20)
    with contextlib.closing(connection):
        connection.connect()
        own = connection.sock
        for path, status in (("/metrics", 200), ("/", 404), ("/metrics?a=b", 200), ("/metricsx", 404), ("/metrics", 200)):
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.status == status
            answer.read()
            assert connection.sock is own
    status, headers, page = sampo.ask(method="HEAD")
    assert status == 200 and "text/plain" in headers["Content-Type"] and not page
    status, headers, _ = sampo.ask(method="POST")
    assert status == 405 and headers["Allow"] == "GET, HEAD"
    old = sampo.raw(b"GET /metrics HTTP/1.0\r\n\r\n").decode()
    head, _, page = old.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 OK\r\n") and "chunked" not in head
    checked(page)
    assert sampo.raw(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 404 ")
    # A second request that does not wait for the first answer is not read.
    two = sampo.raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert two.count(b"HTTP/1.1 404 ") == 1 and b"Connection: close\r\n" in two
    curl = subprocess.run(["curl", "-sS", "--max-time", "20", f"http://127.0.0.1:{sampo.port}/metrics"], check=True, text=True,
                          capture_output=True).stdout
    assert "libvirt_up" in checked(curl)


def test_garbage(sampo):
    """Bytes that are no request, heads without an end, and clients that are silent: each costs its own connection."""
    for garbage, status in ((b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500, b"400"), (b"\0" * 100000, b"400"),
                            (b"GET /metrics\r\n", b"400"), (b"GET / HTTP/1.1\r\n\r\n", b"400"),
                            (b"GET /" + b"a" * 2000 + b" HTTP/1.1\r\n", b"414"), (b"GET / HTTP/3.0\r\n", b"505"),
                            (b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * 5000, b"431"),
                            (b"GET /metrics HTTP/1.1\r\nX: " + b"b" * 1000000, b"431")):
        answer = sampo.raw(garbage)
        # What is too much to be thrown away ends the connection at once.
        assert not answer or answer.startswith(b"HTTP/1.1 " + status), (garbage[:40], answer)
        assert answer or len(garbage) > 65536
    with sampo.connect() as slow, sampo.connect() as silent:
        for byte in b"GET /metrics HTT":
            slow.sendall(bytes([byte]))
            time.sleep(0.1)
        sampo.answers()
        slow.sendall(b"P/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert everything(slow).startswith(b"HTTP/1.1 200 OK\r\n")
        assert everything(silent) == b""  # within its ten seconds
    sampo.answers()


def test_crowd(sampo):
    """A hundred connections, of which each asks for half a page, or for a page and reads nothing of it."""
    for say in (b"", b"GET /metrics HTTP/1.1\r\nHost:", b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"):
        with contextlib.ExitStack() as stack:
            for _ in range(100):
                s = stack.enter_context(sampo.connect())
                with contextlib.suppress(ConnectionError):
                    s.sendall(say)
                time.sleep(0.03)  # QEMU has room for one connection that begins: the host would try again after a second
            sampo.answers()
    sampo.answers()


def test_many_guests(sampo):
    """A page about sixty guests goes out to clients that read slowly or not at all, while guests come and go."""
    disks = [f"d{i}" for i in range(8)]
    for i in range(60):
        macs = [f"52:54:00:01:{i:02x}:{n:02x}" for n in range(8)]
        file = sampo.place / "many.xml"
        file.write_text(m.domain_xml(f"many{i}", "webserver.elf", memory=16, macs=macs, disks=disks))
        subprocess.run(["virsh", "-q", "-c", sampo.uri, "define", str(file)], check=True, timeout=60, capture_output=True)
    assert len(sampo.samples()["libvirt_domain_interface_meta"]) == 60 * 8 + 1
    with contextlib.ExitStack() as stack:
        lazy = []
        for _ in range(8):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.settimeout(60 * m.PATIENCE)
            stack.enter_context(s).connect(("127.0.0.1", sampo.port))
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            lazy.append(s)
        time.sleep(2)
        sampo.answers()
        for i in range(0, 60, 2):
            subprocess.run(["virsh", "-q", "-c", sampo.uri, "undefine", f"many{i}"], check=True, timeout=60, capture_output=True)
        answer = http.client.HTTPResponse(lazy[0])
        answer.begin()
        late = checked(answer.read().decode())
        # Those that stay are in each family of guests, once.
        for name, found in late.items():
            if name == "libvirt_domain_info_vstate":
                assert set(found) >= {f'domain="many{i}"' for i in range(1, 60, 2)} | {'domain="web"'}
    assert len(sampo.samples()["libvirt_domain_info_vstate"]) == 31


def test_off(boot):
    """Without its word on the command line nobody listens; a wrong word is named."""
    port = free_tcp_port()
    box = boot(kernel=m.BUILD / "sampo.elf32", memory=128,
               modules=[(m.BUILD / "dom0.bin", "dom0 metrics=70000 ip=10.0.2.14/24,gw=10.0.2.2")],
               netdev=f"user,id=net,hostfwd=tcp:127.0.0.1:{port}-10.0.2.14:9177").boot()
    assert "metrics=: a port is a number from 1 to 65535" in box.run("dmesg").replace("\r", "").replace("\n", "")
    box.wait_run("net", "Cable: +connected", 30)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as s, contextlib.suppress(ConnectionError):
        assert s.recv(1) == b""
