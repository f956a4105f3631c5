# SPDX-License-Identifier: BSD-2-Clause
"""
How deep ring 0's stack gets, proved: depth.py OBJECT... reads what GCC wrote down beside each object (-fcallgraph-info=su), a
node for each function with its frame and an edge for each call, and walks the graph. There is no recursion, and the deepest way with
an exception on top fits the stack; of the exceptions that have a stack of their own on Intel, that one.

What GCC does not know is in tables here: where a call by a pointer goes, and what assembly does. The tables are complete: every
function whose address the objects take is a target of some pointer in them, and every caller by pointer is named.
"""

import pathlib
import re
import subprocess
import sys

STACK = 16384       # STACK_SIZE of arch/this_cpu.h; its first word points to the CPU
EXCEPTION_PAGE = 4096
WORD = 8
# arch/traps.S: the CPU's frame, the vector and error code, 15 registers, the alignment, the call.
TRAP = (5 + 2 + 15 + 1 + 1) * WORD

# Where calls by pointers go: the caller, and regular expressions of what it may call.
POINTERS = {
    r"hypercall|kernel/call/hypercall\.c:(managed|invoke_on)(\..*)?": ["call_.*"],
    "call_object_info": [r"kernel/call/object_info\.c:.*"],
    "call_log": ["log_bytes", "console_bytes", "ring_bytes"],
    "debug_key": [r"kernel/debug\.c:show_.*", "platform_reset"],
    "console_debug": ["debug_key"],
    r"console_interrupt|kernel/console/console\.c:.*": ["debug_word", r"kernel/dom0\.c:tell"],
    "log_(print|bytes)": ["console_bytes", r"kernel/dom0\.c:tell"],
    "stop": ["smp_stop_others", r"kernel/console/console\.c:drain"],
    "loop_run": [r"kernel/cpu/exit\.c:(handle_.*|finish)", "hypercall"],
    "timer_run": [r"kernel/vcpu/vcpu\.c:timer_fired", "turn_ended", "request_held_enough", r"kernel/cpu/watchdog\.c:look"],
    "request_call_each|request_serve": ["vcpu_(review|collect|kill|reset|dump)", "move_pin", r"kernel/vcpu/vcpu\.c:leave_home",
                           r"kernel/call/calls\.c:(stop|fetch|lapic_access)", r"kernel/debug\.c:show_(vcpu|trace)"],
    "object_reap": ["(domain|vcpu|region|event|device)_take_apart"],
    r"kernel/sched/sched\.c:first": [r"kernel/sched/sched\.c:(behind|may_run|of_group)"],
    r"arch/ptab\.c:(along|walk_range)": [r"arch/ptab\.c:((unmap|split)_page|(note|take)_dirty|allow_.*)"],
    r"ptab_.*|arch/ptab\.c:(split|unmap)_page": [r"arch/paging\.c:table_(alloc|free)", "domain_page_(alloc|free)",
                                             r"arch/iommu/iommu\.c:(free_)?kernel_page", "iommu_written"],
    r"arch/tsc\.c:find_edge|tsc_measure": [r"arch/tsc\.c:look_at_.*", r"arch/apic\.c:look.*"],
    "barrier_msrs|hv_permissions": [r"arch/(vmx/vmx|svm/svm)\.c:pass_msr"],
    "options_read": [r"kernel/main\.c:is_feature"],
    "multiboot_parse": [r"kernel/main\.c:early_memory"],
    "kernel_main": ["(svm|vmx)_probe"],
    r"iommu_.*|arch/iommu/iommu\.c:.*": [r"arch/iommu/(vtd|amdvi)\.c:.*"],
}
# A caller whose callee calls, for it, only some of these by pointer: the kernel's own page tables.
ONLY = {"kernel_map_block": ("ptab_map", [r"arch/paging\.c:table_(alloc|free)"])}
# Assembly: its frame, with the return address, and what it calls. An open window lets interrupts in.
ASSEMBLY = {
    "vmx_enter": (10 * WORD, []),
    "svm_enter": (8 * WORD, []),
    "(svm|vmx)_interrupt_window": (WORD, ["trap_common"]),
    "(svm|vmx)_idle": (WORD, ["trap_common"]),
    "vmx_take_nmi": (WORD, ["trap_common"]),
    "trap_common": (TRAP, ["trap"]),
    "svm_vm(load|save)": (WORD, []),
    "cpu_(rdmsr|wrmsr)_safe": (WORD, []),
    "__(popcountdi2|u?(div|mod)ti3)": (4 * WORD, []),  # libgcc's, which call nothing
}
# What a pointer points to that nobody in C calls: entries of assembly and the boot's.
ENTRIES = "ap_main|kernel_main|trap|(svm|vmx)_.*|ap_trampoline.*|hv_op_.*"
ROOTS = ["kernel_main", "ap_main"]
# The way to the machine's end is looked at by itself: it may begin anywhere.
END = "stop"


class Graph:
    def __init__(self):
        self.frame = {}   # function: bytes
        self.calls = {}   # function: those that it calls
        self.known = {}   # function: depth, once it is

    def read(self, text):
        unit = re.search(r'graph: \{ title: "([^"]+)"', text)[1]
        for title, frame, kind in re.findall(r'node: \{ title: "([^"]+)" label: "[^"]*?(\d+) bytes \(([^)]*)\)', text):
            assert kind == "static" or kind == "dynamic,bounded", f"{title}: a frame that may have any size ({kind})"
            self.frame[title] = int(frame)
        for source, target in re.findall(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', text):
            self.calls.setdefault(source, set()).add(target)
        return unit

    def matching(self, expressions):
        return {f for f in self.frame if any(re.fullmatch(e, f) for e in expressions)}

    def resolve(self):
        """Tables in the place of pointers and assembly."""
        for name in {t for targets in self.calls.values() for t in targets} | {t for _, targets in ASSEMBLY.values() for t in targets}:
            if name in self.frame or name == "__indirect_call":
                continue
            if name.startswith("hv_op_"):
                self.frame[name] = 0  # a jump
                self.calls[name] = {f"svm_{name[6:]}", f"vmx_{name[6:]}"}
                continue
            found = [entry for pattern, entry in ASSEMBLY.items() if re.fullmatch(pattern, name)]
            assert found, f"{name}: not in the objects, nor in the table of assembly"
            self.frame[name], self.calls[name] = found[0][0], set(found[0][1])
        for name in [n for n in self.calls if n.startswith("hv_op_")]:
            for target in self.calls[name] - set(self.frame):
                found = [entry for pattern, entry in ASSEMBLY.items() if re.fullmatch(pattern, target)]
                assert found, f"{target}: not in the objects, nor in the table of assembly"
                self.frame[target], self.calls[target] = found[0][0], set(found[0][1])
        copies = {}
        for name, targets in self.calls.items():
            if "__indirect_call" not in targets:
                continue
            found = [patterns for caller, patterns in POINTERS.items() if re.fullmatch(caller, name)]
            assert found, f"{name}: calls by a pointer, and no table says whom"
            targets.remove("__indirect_call")
            for caller, (callee, only) in ONLY.items():
                if callee == name:
                    own = f"{callee} for {caller}"
                    self.frame[own] = self.frame[name] + WORD
                    copies[own] = targets | self.matching(only)
                    self.calls[caller] = (self.calls[caller] - {callee}) | {own}
            targets |= self.matching(found[0])
            self.frame[name] += WORD  # the retpoline's call
        self.calls.update(copies)

    def deepest(self, name, without=(), way=()):
        """Bytes, and the way there; the end of the machine counts for nothing."""
        assert name not in way, "recursion: " + " -> ".join(way[way.index(name):] + (name,))
        if (name, without) not in self.known:
            best = (0, ())
            for target in self.calls.get(name, ()):
                if target != END and target not in without:
                    best = max(best, self.deepest(target, without, way + (name,)))
            self.known[name, without] = (self.frame[name] + best[0], (name,) + best[1])
        return self.known[name, without]


def addresses_taken(objects):
    """Functions that some data or code has the address of, as the objects' relocations say."""
    taken = set()
    for file in objects:
        text = subprocess.run(["readelf", "-rW", file], capture_output=True, text=True, check=True).stdout
        section = ""
        for line in text.splitlines():
            head = re.match(r"Relocation section '\.rela([^']+)'", line)
            section = head[1] if head else section
            absolute = re.search(r"R_X86_64_(?:64|32S?) +\S+ +(\S+)", line)
            if not absolute or not section.startswith((".text", ".rodata", ".data")):
                continue
            name = absolute[1]
            if name.startswith(".text."):
                name = name[6:]
                unit = str(pathlib.Path(file)).split("build/kernel/")[-1].removesuffix(".o")
                taken.add((unit, name))
            else:
                taken.add((None, name))
    return taken


def check_tables(graph, taken):
    targets = graph.matching(sum(POINTERS.values(), []))
    for unit, name in sorted(taken, key=str):
        titles = {name, f"{unit}:{name}"} & set(graph.frame)
        # A jump table of a switch has addresses inside of its own function.
        if not titles or titles & targets or re.fullmatch(ENTRIES, name):
            continue
        yield f"{unit or 'objects'}: {name}: its address is taken, and no table says for whom"


def main(objects):
    graph = Graph()
    files = [pathlib.Path(o).with_suffix(".ci") for o in objects if o.endswith(".c.o")]
    if not all(f.exists() for f in files):
        sys.exit("depth: GCC's call graph is not there; only GCC writes one")
    for file in files:
        graph.read(file.read_text())
    graph.resolve()
    wrong = list(check_tables(graph, addresses_taken([o for o in objects if o.endswith(".c.o")])))
    assert not wrong, "\n".join(wrong)

    end, end_way = graph.deepest(END)
    total = 0
    for root in ROOTS:
        depth, way = graph.deepest(root)
        total = max(total, depth)
        print(f"{root}: {depth} bytes: " + " ".join(f"{f.split(':')[-1]}({graph.frame[f]})" for f in way))
    # An exception on top of the deepest way, which ends the machine; interrupts are in the way already.
    exception, _ = graph.deepest("trap", ("interrupt_handle",))
    on_top = TRAP + graph.frame["trap"] + end
    print(f"an exception: {TRAP + exception} bytes; the end of the machine: {end} bytes: " + " ".join(end_way))
    total += max(on_top, TRAP + exception)
    print(f"ring 0's stack: at most {total} of {STACK - WORD} bytes")
    own = max(on_top, TRAP + exception)
    print(f"the stacks of NMI, #DF and #MC: at most {own} of {EXCEPTION_PAGE} bytes")
    assert total <= STACK - WORD and own <= EXCEPTION_PAGE


try:
    main(sys.argv[1:])
except AssertionError as error:
    sys.exit(f"depth: {error}" if str(error) else "depth: the stack is too small")
