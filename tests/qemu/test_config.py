# SPDX-License-Identifier: BSD-2-Clause
"""Descriptions that are wrong: each is named, and the other guests start."""

import re

import pytest

import machine as m

GOOD = m.linux_xml("good", memory=160)
BAD = {
    "not well-formed": ("<domain type='kvm'><name>bad</name>", r"bad\.xml:\d+"),
    "unknown element": (m.linux_xml("bad", head="  <teapot/>"), r"bad\.xml:\d+.*teapot"),
    "missing kernel": (m.domain_xml("bad", "nothere"), r"nothere"),
    "too much memory": (m.linux_xml("bad", memory=64 * 1024), r"(?i)memory"),
    "name used twice": (m.linux_xml("good"), r"good"),
    "missing partition": (m.linux_xml("bad", partition="nothere"), r"nothere"),
    "not a number": (m.linux_xml("bad").replace("<vcpu>1<", "<vcpu>many<"), r"bad\.xml:\d+.*vcpu"),
}


@pytest.mark.parametrize("kind", sorted(BAD))
def test_bad_description(boot, iso, disk, kind):
    text, reason = BAD[kind]
    box = boot(iso=iso({"bad.xml": text, "good.xml": GOOD, **m.LINUX_FILES}), memory=512, nic=None,
               image=disk()).boot()
    said = box.before + box.run("dmesg")
    assert re.search(reason, said), said
    box.wait_state("good", "running")
    assert box.state("bad") in (None, "shut off")


def test_partition_in_use(boot, iso, disk):
    """A partition belongs to one guest."""
    guests = {"first.xml": m.linux_xml("first", memory=160, partition="guest1"),
              "second.xml": m.linux_xml("second", memory=160, partition="guest1"), **m.LINUX_FILES}
    box = boot(iso=iso(guests), memory=768, nic=None, image=disk()).boot()
    states = {box.state("first"), box.state("second")}
    assert states == {"running", "shut off"}
    assert "guest1" in box.before + box.run("dmesg")
