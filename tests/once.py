#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Words of ring 0 that another CPU, or a domain, writes meanwhile are read and written through READ_ONCE, WRITE_ONCE and
__atomic_*: the compiler may read such a word twice, or write it in two halves, where the C source names it once. This
finds what does without, by the names of the fields, and says where. A page that is shared with a domain may be written
plainly, since the domain is the judge of what it reads; but no function reads a word of it twice, since the second value
may be another one than the first, which has been checked. Whether a vCPU is this CPU's to touch, one function says.
"""

import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent

# What other CPUs read or write: fields, by a name that no other field of ring 0 has, and others with what is before them.
FIELDS = ("in_guest entries polling inbox asked resched requests posted posted_level extint slat_changes last_mapping "
          "version nmis").split()
OTHERS = (r"domain->present\b", r"domain->vcpu\[", r"entry->word\b", r"(?<!bool )smp_stopping\b", r"(?<!cpu \*)smp_stuck\b")
# Pointers to pages that are shared with a domain: what is read of them.
PAGES = r"(?:\bpage|\bexit|\bevent_page)->\w+"
# Pages of ring 0's own that have such a name, and copies that nobody else sees.
OWN = {"kernel/base/frame.c": "page->next"}
COPIES = ("arch/svm/state.c", "arch/vmx/state.c", "arch/hv.c")

ATOMIC = re.compile(r"\b(?:READ_ONCE|WRITE_ONCE|__atomic_\w+|COUNT_OF|sizeof)\(")
NOISE = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+'", re.S)
WORD = re.compile(r"(?:->|\.)(?:%s)\b|%s" % ("|".join(FIELDS), "|".join(OTHERS)))
PAGE = re.compile(PAGES)
READ = re.compile(r"READ_ONCE\([^()]*%s[^()]*\)" % PAGES)
HOME = re.compile(r"->cpu\s*[!=]=\s*this_cpu\(\)")
ADDRESS = re.compile(r"&\s*(?:\w+(?:->|\.))*\w*$")
# A plain store to a page, or a count in it.
STORE = re.compile(r"^[^=]*?(?:\bpage|\bexit|\bevent_page)->[^=]*?(?:=(?!=)|\+\+\s*$)")


def blank(text):
    """As long, with the same ends of lines."""
    return re.sub(r"[^\n]", " ", text)


def closing(text, start):
    """Where the parenthesis that is open at `start` is closed."""
    depth = 1
    while depth:
        depth += {"(": 1, ")": -1}.get(text[start], 0)
        start += 1
    return start


def without_atomics(text):
    """The first argument of each READ_ONCE and the like is done right."""
    start = 0
    while match := ATOMIC.search(text, start):
        start = match.end()
        end = closing(text, start) - 1
        text = text[:start] + blank(text[start:end]) + text[end:]
    return text


def statements(text):
    """Each with its offset; a declaration and its value count as one."""
    start = 0
    for match in re.finditer(r"[;{}]", text):
        yield start, text[start:match.start()]
        start = match.end()


def twice(text):
    """Words of shared pages that a function reads more than once."""
    start = 0
    for function in text.split("\n}\n"):
        seen = set()
        for match in READ.finditer(function):
            if match.group() in seen:
                yield start + match.start(), match.group()
            seen.add(match.group())
        start += len(function) + len("\n}\n")


def faults(name, source):
    """(line, what) of each access that is not right."""
    plain = NOISE.sub(lambda m: blank(m.group()), source)
    text = without_atomics(plain)
    found = [(m.start(), m.group()) for m in WORD.finditer(text) if not ADDRESS.search(text, 0, m.start())]
    if name != "kernel/vcpu/vcpu.h":
        found += [(m.start(), m.group()) for m in HOME.finditer(text)]
    found += twice(plain)
    if name not in COPIES:
        for start, statement in statements(text):
            stored = STORE.match(statement)
            found += [(start + m.start(), m.group()) for m in PAGE.finditer(statement, stored.end() if stored else 0)
                      if m.group() != OWN.get(name) and not ADDRESS.search(statement, 0, m.start())]
    return sorted((source.count("\n", 0, at) + 1, what.strip()) for at, what in found)


def reason(what):
    if HOME.match(what):
        return "vcpu_is_here says it"
    if READ.match(what):
        return "is read twice"
    return "others write it: READ_ONCE or WRITE_ONCE"


def main():
    bad = 0
    for path in sorted([*TOP.glob("kernel/*.[ch]"), *TOP.glob("kernel/*/*.[ch]"),
                        *TOP.glob("arch/*.[ch]"), *TOP.glob("arch/*/*.[ch]")]):
        name = str(path.relative_to(TOP))
        for line, what in faults(name, path.read_text()):
            print(f"{name}:{line}: {what}: {reason(what)}")
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
