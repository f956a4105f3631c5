# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures that all whole-system tests share."""

import pathlib
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent / folder) for folder in (".", "bochs")]

# pylint: disable=wrong-import-position
import bochs  # noqa: E402
import machine as m  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--machine", choices=["qemu", "bochs"], default="qemu", help="the emulator that the tests run in")
    parser.addoption("--smp", type=int, default=2, help="how many CPUs the machines have, where a test does not say")


def pytest_configure(config):
    config.addinivalue_line("markers", "quick: part of `make check`")
    config.addinivalue_line("markers", "long: begins first, so that no process is alone with it at the end")
    m.CPUS = config.getoption("--smp")
    if config.getoption("--machine") == "bochs":
        m.Machine = bochs.Bochs


def shares_a_machine(item):
    """Whether the tests of the item's module boot one machine together: a fixture of the whole module."""
    # pylint: disable=protected-access
    return any(of[-1].scope == "module" for of in item._fixtureinfo.name2fixturedefs.values())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    if config.getoption("--machine") == "bochs":
        items[:] = [item for item in items if item.nodeid.startswith(bochs.RUNS)]
    # One process of pytest-xdist runs all of a group, so one machine serves them.
    for item in items:
        if shares_a_machine(item):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    items.sort(key=lambda item: not item.get_closest_marker("long"))


@pytest.fixture
def boot(tmp_path):
    """boot(**options of Machine): starts a machine that ends with the test."""
    machines = []

    def start(**options):
        place = tmp_path / f"machine{len(machines)}"
        place.mkdir()
        one = m.Machine(place, **options)
        machines.append(one)
        return one.start()

    yield start
    for one in machines:
        one.stop()


@pytest.fixture
def iso(tmp_path):
    """iso(guests, **options of make_iso): makes a boot image."""
    count = 0

    def make(guests=None, **options):
        nonlocal count
        count += 1
        return m.make_iso(tmp_path / f"iso{count}", guests, **options)

    return make


@pytest.fixture
def disk(tmp_path):
    """disk(*names): makes a disk with partitions of these names."""
    count = 0

    def make(*names, size=64):
        nonlocal count
        count += 1
        return m.make_disk(tmp_path / f"disk{count}.img", *(names or ("guest1", "guest2")), size=size)

    return make


@pytest.fixture(scope="session")
def web():
    """A web server on the host, seen from the guests at web.url."""
    server = m.WebServer({"/hello": b"hello from outside\n", "/big": bytes(range(256)) * 4096})
    yield server
    server.close()
