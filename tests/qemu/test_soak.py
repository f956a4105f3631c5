# SPDX-License-Identifier: BSD-2-Clause
"""Nothing is lost over many starts of a guest."""

import re

import machine as m

CYCLES = 500


def counts(box):
    """Free memory, handles and domains, as nodeinfo counts them."""
    text = box.run("nodeinfo")
    return {name: int(re.search(rf"{name}: +(\d+)", text).group(1))
            for name in ("Memory free", "Hypervisor memory", "Handles", "Domains")}


def test_cycles(boot, iso):
    guests = {"small.xml": m.domain_xml("small", "small.elf", memory=4),
              "small.elf": m.BUILD / "guests/real16.elf"}
    box = boot(iso=iso(guests), memory=256, nic=None, disk=None).boot()
    box.run("destroy small")
    for _ in range(3):
        box.run("start small")
        box.run("destroy small")
    before = counts(box)
    for _ in range(CYCLES):
        box.run("start small")
        box.run("destroy small")
    assert counts(box) == before
