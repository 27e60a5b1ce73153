#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The map of clauses says the truth, covers no less than before, and the matrix holds.

Two of the sixteen corners run here; PVT_LONG=1 runs them all.
"""

import importlib.machinery
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "support"))

import readme
import tap
import vhostuser
from machine import has_kvm
from tap import check, equal, note

MAP = TREE / "tests/conformance/clauses.tsv"
FLOOR = TREE / "tests/conformance/floor"
# How many rows of §1.2 to §1.9 there are, and one of event suppression.
ROWS = {"C": 20, "F": 6, "S": 15, "P": 11, "PCI": 18, "M": 11, "B": 16, "N": 18, "CO": 5, "R": 2,
        "BL": 6, "V": 4}


def rows():
    lines = [line.split("\t") for line in MAP.read_text().splitlines() if line and line[0] != "#"]
    return {fields[0]: fields for fields in lines}


def vmm(*words):
    return subprocess.run([vhostuser.find_vmm(), *words], capture_output=True, text=True, timeout=60,
                          check=True).stdout


def text(*paths):
    return "".join(path.read_text() for path in paths)


def test_the_map_is_whole():
    wanted = {f"{kind}{n}" for kind, count in ROWS.items() for n in range(1, count + 1)}
    equal(set(rows()) ^ wanted, set(), "rows that are too many or missing")
    for number, fields in rows().items():
        check(len(fields) in ((6,) if fields[4] == "-" else (5, 6)) and all(fields), f"{number}: {fields}")
        check(fields[1] in ("drv", "dev", "both"), f"{number} binds {fields[1]}")


def exists(number, evidence, sources):
    """Whether what the map names is in the tree."""
    kind, _, name = evidence.partition(":")
    if kind == "audit":
        return re.search(rf"^  X \({number}, ", sources["audit"], re.M)
    if kind == "guest":
        return re.search(rf"\[(?:\w+ )*{number}(?: \w+)*\]", sources["guest"])
    if kind == "fault":
        return f' "{name}",' in sources["fault"]
    file, _, function = name.partition(":")
    if kind == "unit":
        path = TREE / "tests/unit" / f"{file}.c"
        return path.exists() and f"cmocka_unit_test ({function})" in path.read_text()
    path = HERE / f"{file}.py"
    return kind == "py" and path.exists() and f"def test_{function}(" in path.read_text()


def test_what_it_names_is_there():
    sources = {"audit": text(TREE / "host-side/vmm/audit/private.h"),
               "fault": text(TREE / "host-side/vmm/fault/private.h"),
               "guest": text(*sorted((TREE / "drivers/testguest").glob("test-*.c")))}
    wrong = [f"{number}: {evidence}" for number, fields in rows().items()
             for evidence in fields[4].split() if evidence != "-" and not exists(number, evidence, sources)]
    equal(wrong, [], "evidence that is not in the tree")
    for number in re.findall(r"^  X \((\w+), ", sources["audit"], re.M):
        check("audit" in rows()[number][4].split(), f"the auditor's {number} is not in the map")


def test_coverage_only_grows():
    covered, total = map(int, re.search(r"^covered: (\d+) of (\d+) clauses$", vmm("verify", "--list"),
                                        re.M).groups())
    floor = int(FLOOR.read_text())
    note(f"{covered} of {total} clauses are covered; the floor is {floor}")
    equal(total, len(rows()), "clauses built in")
    check(covered >= floor, f"{covered} clauses are covered, {floor} have been: what is gone?")
    check(covered <= floor, f"{covered} clauses are covered: raise {FLOOR.relative_to(TREE)}")


def run_matrix(*words):
    """The command with Linux; its JSON, after looking at its TAP and text."""
    path = TREE / "tests/conformance/verify"
    loader = importlib.machinery.SourceFileLoader("verify", str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("verify", loader))
    loader.exec_module(module)
    with tempfile.TemporaryDirectory() as name:
        report, lines = pathlib.Path(name) / "json", pathlib.Path(name) / "tap"
        done = module.verify("--json", str(report), "--tap", str(lines), *words,
                             capture_output=True, text=True, timeout=3000)
        equal(done.returncode, 0, done.stdout[:4000] + done.stderr[-2000:])
        result = json.loads(report.read_text())
        written = lines.read_text()
    equal(written.splitlines()[0], f"1..{len(result['corners']) + len(result['clauses'])}", "the plan")
    check("not ok" not in written, written)
    for line in done.stdout.splitlines()[:17]:
        note(line)
    compare_with_the_readme(done.stdout.splitlines()[:17])
    note(done.stdout.splitlines()[-1])
    return result


def compare_with_the_readme(lines):
    """Its lines are those of a machine without hardware virtualisation; here fewer corners may have run."""
    shown = readme.shapes(readme.shown("tests/conformance/verify")[1])
    ran = readme.shapes("\n".join(line for line in lines if " not run " not in line))
    equal(len(shown), 17, "lines of the README")
    if not has_kvm():
        equal(readme.unlike(ran, shown), [], "not in the README")


def corners(result):
    return {corner["name"]: corner for corner in result["corners"]}


def test_linux_and_ours_on_our_devices():
    result = run_matrix("--only", "/ours/", "--only", "/pci/", "--only", "split")
    ran = {name for name, corner in corners(result).items() if corner["result"] == "passed"}
    equal(ran, {"ours/ours/pci/split", "linux/ours/pci/split"}, "corners that ran")
    for name in ran:
        check(corners(result)[name]["checks"] > 1000, f"{name} was hardly audited")
    held = {clause["id"] for clause in result["clauses"] if clause["verdict"] == "held"}
    equal({"C8", "C12", "S2", "S8", "B4", "PCI7", "R2"} - held, set(), f"held are {sorted(held)}")


def test_a_guest_that_fails_fails_the_matrix():
    """Linux's corner with a kernel that is none."""
    with tempfile.TemporaryDirectory() as name:
        nothing = pathlib.Path(name) / "nothing"
        nothing.write_bytes(b"no kernel")
        done = subprocess.run([vhostuser.find_vmm(), "verify", "--only", "linux/qemu/pci/split", "--kernel",
                               nothing, "--initrd", nothing, "--timeout", "60"],
                              capture_output=True, text=True, timeout=120, check=False)
    equal(done.returncode, 1, done.stdout)
    check("FAILED" in done.stdout and "did not get to its end" in done.stdout, done.stdout[:3000])


def test_all_corners():
    if not os.environ.get("PVT_LONG"):
        raise tap.Skip("PVT_LONG=1 has it")
    result = run_matrix()
    equal({corner["result"] for corner in result["corners"]}, {"passed"}, "results")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
