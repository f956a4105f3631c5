# SPDX-License-Identifier: BSD-2-Clause
"""
Which lines of ring 0 the tests on the host execute: coverage.py CORPORA FLAGS... builds the unit tests, the races and
the fuzzers that have parts of ring 0 with gcov's counters, runs them, fuzzers with what is in their corpora, and prints
a line for each file. Of the files that handle calls, exits and the local APIC it names the lines that were not executed.
"""

import concurrent.futures
import glob
import json
import pathlib
import re
import subprocess
import sys

RING0 = re.compile(r"(boot|arch|kernel)/.*\.c$")
EXPLAINED = re.compile(r"kernel/(call/(calls.*|hypercall|object_info)|vcpu/vlapic|cpu/exit)\.c$|arch/(svm|vmx)/exit\.c$")
OUT = pathlib.Path("build/coverage")
SECONDS = 180


def said(path, word):
    """What the first lines of a test say after the word."""
    lines = pathlib.Path(path).read_text().splitlines()[:12]
    return " ".join(found[1] for line in lines if (found := re.search(rf"{word}: *(.*[^ ]) *\*/", line)))


def included(path):
    return re.findall(r'^#include "(.*\.c)"', pathlib.Path(path).read_text(), re.M)


def tests():
    for path in sorted(glob.glob("tests/unit/**/test_*.c", recursive=True) + glob.glob("tests/race/race_*.c") + glob.glob("tests/fuzz/fuzz_*.c")):
        if not said(path, "libs") and any(RING0.match(s) for s in said(path, "sources").split() + included(path)):
            yield path


def build(path, flags):
    directory = OUT / pathlib.Path(path).stem
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.gc*"):
        old.unlink()
    sources = [path, *said(path, "sources").split()]
    if "/fuzz/" in path:
        sources.append("tests/fuzz/replay.c")
    objects = []
    for source in sources:
        objects.append(directory / (source.replace("/", "_") + ".o"))
        subprocess.run(["gcc", *flags, "-w", "--coverage", "-fprofile-update=atomic", *said(path, "flags").split(),
                        "-c", "-o", str(objects[-1]), source], check=True)
    program = directory / "program"
    subprocess.run(["gcc", "--coverage", *said(path, "flags").split(), "-o", str(program), *map(str, objects), "-lcmocka", "-lpthread"],
                   check=True)
    return program


def run(path, program, corpora):
    name = pathlib.Path(path).stem
    inputs = []
    if "/fuzz/" in path:
        inputs = sorted(glob.glob(f"{corpora}/{name}/*") + glob.glob(f"tests/fuzz/{name}/*"))
    subprocess.run([f"./{program}", *inputs], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=SECONDS,
                   check=True)


def counts(program):
    """{file: {line: was executed}}"""
    lines = {}
    for data in program.parent.glob("*.gcda"):
        text = subprocess.run(["gcov", "--json-format", "--stdout", str(data)], capture_output=True, check=True).stdout
        for report in text.splitlines():
            for file in json.loads(report)["files"]:
                if RING0.match(file["file"]):
                    for line in file["lines"]:
                        of_file = lines.setdefault(file["file"], {})
                        of_file[line["line_number"]] = of_file.get(line["line_number"], False) or line["count"] > 0
    return lines


def one(path, flags, corpora):
    try:
        program = build(path, flags)
        run(path, program, corpora)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        print(f"{path}: {type(error).__name__}, {error.cmd[0]}")
        return None
    return counts(program)


def ranges(numbers):
    """"3-5, 9" of [3, 4, 5, 9]"""
    found = []
    for n in sorted(numbers):
        if found and n == found[-1][1] + 1:
            found[-1][1] = n
        else:
            found.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)


def main():
    corpora, *flags = sys.argv[1:]
    lines, failed = {}, False
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for of_test in pool.map(lambda path: one(path, flags, corpora), tests()):
            failed |= of_test is None
            for file, of_file in (of_test or {}).items():
                total = lines.setdefault(file, {})
                for line, executed in of_file.items():
                    total[line] = total.get(line, False) or executed
    everything = [f for pattern in ("boot", "arch", "kernel")
                  for f in glob.glob(f"{pattern}/**/*.c", recursive=True)]
    print(f"{'ring 0 on the host':<28}{'lines':>7}{'executed':>10}")
    for file in sorted(everything):
        of_file = lines.get(file)
        if not of_file:
            print(f"{file:<28}{'-':>7}{'-':>10}")
            continue
        missing = [line for line, executed in of_file.items() if not executed]
        print(f"{file:<28}{len(of_file):>7}{100 * (1 - len(missing) / len(of_file)):>8.1f} %"
              + (f"   not: {ranges(missing)}" if missing and EXPLAINED.match(file) else ""))
    executed = sum(sum(of_file.values()) for of_file in lines.values())
    print(f"{'all that is on the host':<28}{sum(map(len, lines.values())):>7}"
          f"{100 * executed / sum(map(len, lines.values())):>8.1f} %")
    sys.exit(failed)


main()
