#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every command of the README has a test that runs it, and what it shows is what is printed.

Here stands which test that is; what needs no guest is compared here. In a guest that is
done by tests/guest/test_readme.py.
"""

import ast
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "support"))

import readme
import tap
from tap import check, equal
from test_docs import verbs

README = "guest/test_readme.py"
# How the commands begin that are shown as typed, and which test types them and compares.
TYPED = {
    "pvtools wait": f"{README}:quickstart_prints_the_tour",
    "pvtools info": f"{README}:quickstart_prints_the_tour",
    "pvtools ip": f"{README}:quickstart_prints_the_tour",
    "pvtools stat ": f"{README}:quickstart_prints_the_tour",
    "pvtools df": f"{README}:quickstart_prints_the_tour",
    "pvtools disks": f"{README}:quickstart_prints_the_tour",
    "pvtools shutdown": f"{README}:quickstart_prints_the_tour",
    "pvtools exec unix:/tmp/guest/extended.sock -- runuser": "guest/test_torture.py:snapshots_under_load_and_chaos",
    "pvtools snapshot": f"{README}:a_quiesced_snapshot",
    "pvtools quiesce": f"{README}:a_quiesced_snapshot",
    "pvtools status": f"{README}:a_quiesced_snapshot",
    "pvtools exec -e": f"{README}:programs_and_files",
    "echo": f"{README}:programs_and_files",
    "pvtools cp": f"{README}:programs_and_files",
    "cat vm.conf": "guest/test_vmm_run.py:the_readmes_file",
    "pvtools-vmm run": "guest/test_vmm.py:linux_boots_to_its_agent",
    "tests/conformance/verify": "guest/test_conformance.py:linux_and_ours_on_our_devices",
    "pvtools time": f"{README}:a_clock_that_is_behind",
    "pvtools list": f"{README}:many_guests",
    "pvtools doctor": f"{README}:many_guests",
    "pvtools watch": f"{README}:what_a_guest_tells_by_itself",
    "pvtools top": f"{README}:many_guests",
    "pvtools health": f"{README}:a_crash_is_kept_and_shown",
    "pvtools crash show": f"{README}:a_crash_is_kept_and_shown",
}
# The commands that are told without what they print. Those of the section on installing have
# guest/test_packages_readme.py, which leaves none out.
TOLD = {
    "packaging/quickstart": f"{README}:quickstart_prints_the_tour",
    "tests/run   ": None,  # it runs this
    "tests/run bench": None,  # one of its suites
    "pvtools checkup": f"{README}:checkup_seal_and_raw",
    "pvtools seal": f"{README}:checkup_seal_and_raw",
    "pvtools upgrade": "guest/test_packages_upgrade.py:done",
    "apt install pvtools-agent-drivers": "guest/test_packages_readme.py:the_drivers_package_is_installed",
    "virsh domifaddr --source agent": "guest/test_libvirt.py:domifaddr",
    "virsh guestinfo": "guest/test_libvirt.py:guestinfo_of_everything",
    "virsh domfsinfo": "guest/test_libvirt.py:domfsinfo_names_the_target",
    "virsh domfsfreeze": "guest/test_libvirt_control.py:domfsfreeze_and_thaw",
    "virsh domfsthaw": "guest/test_libvirt_control.py:domfsfreeze_and_thaw",
    "virsh domfstrim": "guest/test_libvirt_control.py:domfstrim",
    "virsh domtime --sync": "guest/test_libvirt_control.py:domtime_sets_the_clock",
    "virsh snapshot-create-as": "guest/test_libvirt_control.py:quiesced_snapshot",
    "virsh dompmsuspend": "guest/test_libvirt_control.py:suspend_and_wake",
    "virsh setvcpus --guest": "guest/test_libvirt_control.py:setvcpus_in_the_guest",
    "virsh set-user-password": "guest/test_libvirt_control.py:set_user_password",
    "virsh shutdown --mode agent": "guest/test_libvirt.py:shutdown_by_agent",
}
# Blocks that are neither: a long run's lines, and C.
OTHER = {"A quiesced snapshot, and its proof": "seed ", "The library": "g_autoptr (PvtClient)"}


def source_of(place):
    """The program that has the test at program:name."""
    program, _, name = place.partition(":")
    text = (TREE / "tests" / program).read_text(encoding="utf-8")
    check(f"\ndef test_{name}():" in text, f"there is no test {name} in {program}")
    return text


def one_of(table, command):
    found = [beginning for beginning in table if command.startswith(beginning)]
    check(len(found) == 1, f"{len(found)} tests are told for: {command}")
    return found[0]


def test_what_is_shown_as_typed_is_compared():
    used = {one_of(TYPED, command) for command, _ in readme.typed()}
    equal(set(TYPED) - used, set(), "no more in the README")
    for place in TYPED.values():
        check(re.search(r"readme\.(?:compare|shown|blocks)|compare\(", source_of(place)), f"{place} compares nothing")


def told():
    """The lines of its other blocks that are for a shell; a line may have several."""
    lines = [line for section in readme.sections() if section != "Install"
             for language, block in readme.blocks(section) if language == "sh" for line in block.splitlines() if line]
    return [part.strip() for line in lines for part in re.split(r";\s(?=virsh|pvtools|tests|apt)", line)]


def test_what_is_told_is_run():
    used = {one_of(TOLD, command) for command in told()}
    equal(set(TOLD) - used, set(), "no more in the README")
    for place in filter(None, TOLD.values()):
        source_of(place)


def test_every_block_is_something():
    for section in readme.sections():
        for language, block in readme.blocks(section):
            other = OTHER.get(section, "\0")
            check(language == "sh" or block.startswith(("$ ", other)), f"{section}: nobody compares {block[:200]}")


def formats(path, function):
    """What a program's calls of that function print, as regular expressions."""
    for call in ast.walk(ast.parse((TREE / path).read_text())):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == function:
            parts = call.args[0].values if isinstance(call.args[0], ast.JoinedStr) else []
            yield "".join(re.escape(part.value) if isinstance(part, ast.Constant) else ".+" for part in parts)


def test_the_torture_tests_lines():
    """Its outcomes differ from run to run: the form of each line is one that the program has."""
    block = next(block for _, block in readme.blocks("A quiesced snapshot, and its proof") if block.startswith("seed "))
    known = [pattern for pattern in formats("tests/guest/test_torture.py", "note") if pattern]
    check(len(known) >= 5, known)
    for line in block.splitlines():
        if not line.startswith('{"error":'):  # what the command says on standard error
            check(any(re.fullmatch(pattern, line) for pattern in known), f"the torture test has no such line: {line}")
    for pattern in known:
        check(any(re.fullmatch(pattern, line) for line in block.splitlines()), f"no line in the README is like {pattern}")


def tables(section):
    """(heading, rows) of those in a section."""
    found = re.findall(r"^(\|.*\|)\n\|[-:|]+\|\n((?:\|.*\n)+)", readme.sections()[section], re.M)
    return [([cell.strip() for cell in heading.strip("|").split("|")],
             [[cell.strip() for cell in row.strip("|").split("|")] for row in rows.splitlines()]) for heading, rows in found]


def measured(cell, sources):
    """Whether a bench prints that: what it says of an agent, and its figures, apart."""
    cell = re.sub(r"^(?:qemu-ga|pvtools) ?| \((?:ms|MB/s|KiB)\)$", "", cell)
    words = [word.strip() for word in re.split(r"\d+(?!\d*/)| kB | at rest| after heavy use", cell)]
    return any(all(word in source for word in words) for source in sources)


def test_the_benchs_tables():
    """Their columns are those that are printed, and each row is of something that is measured."""
    sources = [path.read_text() for path in sorted((TREE / "tests/bench").glob("*.py"))]
    sources += [path.read_text() for path in sorted((TREE / "protocol/schema").glob("*.json"))]
    found = tables("Compared with qemu-ga") + tables("A VMM to test with")
    check(len(found) > 1, "no tables")
    for heading, rows in found:
        check(all(len(row) == len(heading) for row in rows), f"cells of {heading}")
        for cell in [*heading, *(row[0] for row in rows)]:
            check(measured(cell, sources), f"nothing measures {cell}")


def test_the_picture_shows_the_tour():
    """Of its output some; but for the figures, which are of one run, nothing else."""
    picture = (TREE / "packaging/doc/terminal.txt").read_text()
    for command, printed in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", picture, re.M):
        readme.compare(command, printed)


def options():
    """Those that its text and its commands name, with where."""
    for section, text in readme.sections().items():
        for option in set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", text)):
            yield section, option


# Of git, dnf, virsh, QEMU and meson.
FOREIGN = {"allowerasing", "buildtype", "source", "disk-only", "quiesce", "guest", "mode", "sync"}


def test_options_that_it_names_are_there():
    programs = "".join(path.read_text(errors="replace") for folder in ("agent", "host-side", "packaging", "tests/run",
                                                                        "tests/bench", "tests/conformance")
                       for path in ([TREE / folder] if (TREE / folder).is_file() else sorted((TREE / folder).rglob("*")))
                       if path.is_file() and path.suffix in ("", ".c", ".py", ".sh"))
    for section, option in options():
        check(option in FOREIGN or re.search(rf'"{option}"|--{option}\b', programs), f"{section}: no program has --{option}")


def test_verbs_that_it_names_are_there():
    named = set(re.findall(r"\bpvtools ([a-z][a-z-]*)\b", "".join(re.findall(r"`[^`]*`", readme.text()))))
    check(len(named) > 10, named)
    equal(named - {verb.split()[0] for verb in verbs()}, set(), "no verbs")


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", readme.text()):
        check((TREE / target).exists(), f"a link leads to {target}")


def test_programs_that_it_names_are_there():
    for name in set(re.findall(r"\b((?:tests|packaging)/[\w/.-]*\w)", readme.text())):
        check((TREE / name).exists(), f"there is no {name}")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
