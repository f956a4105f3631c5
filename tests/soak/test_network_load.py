# SPDX-License-Identifier: BSD-2-Clause
"""
Interrupts under load: a Linux guest of two vCPUs on one CPU reads files from the network, again and again. An interrupt
that is lost, or delivered while interrupts are off, hangs one of the transfers, or the guest's watchdogs tell of it.
"""

import os
import re

import machine as m

RUNS = int(os.environ.get("SOAK_RUNS", "200"))
RUNS_OF_A_BOOT = 20
MIB = 2
TRANSFERS = 3  # at once
COMPLAINTS = re.compile(r"soft lockup|hard LOCKUP|self-detected stall|NETDEV WATCHDOG|blocked for more than", re.I)


def load(box, url):
    """One run; its answer counts the bytes of each transfer."""
    text = box.linux(f"for i in {' '.join(map(str, range(TRANSFERS)))}; do wget -q -O - {url} | wc -c & done; wait", 300)
    assert re.findall(r"\d{5,}", text) == [str(MIB << 20)] * TRANSFERS, text


def test_network_load(boot, tmp_path):
    web = m.WebServer({"/load": bytes(range(256)) * (MIB << 12)})
    xml = tmp_path / "linux1.xml"
    xml.write_text(m.linux_xml("linux1", mac="52:54:00:00:01:01").replace("<vcpu>1", "<vcpu>2"))
    modules = [(m.BUILD / "dom0.bin", "dom0"), (xml, xml.name), *((file, name) for name, file in m.LINUX_FILES.items())]
    for start in range(0, RUNS, RUNS_OF_A_BOOT):
        box = boot(kernel=m.BUILD / "sampo.elf32", cpu="EPYC,+svm", memory=768, disk=None, cpus=1, icount=True, modules=modules)
        box.boot(120)
        with box.in_console("linux1"):
            box.linux_up("linux1", 300)
            for run in range(start, min(start + RUNS_OF_A_BOOT, RUNS)):
                load(box, f"{web.url}/load")
                print(f"run {run + 1} of {RUNS}", flush=True)
            said = box.linux("dmesg")
        assert not COMPLAINTS.search(said), said
        box.stop()
    web.close()
