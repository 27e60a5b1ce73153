#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What users are told is all there is: options, keys, verbs, links of the pages."""

import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "support"))

import tap
from tap import check, equal

MAN = TREE / "packaging/man"


def read(name):
    return (TREE / name).read_text(encoding="utf-8")


def agent_options():
    """Long options and letters of the agent's parser."""
    table = read("agent/core/config.c").split("long_options[] = {")[1].split("};")[0]
    found = re.findall(r'\{ "([a-z-]+)", \w+, NULL, (?:\'(.)\'|\w+) \}', table)
    check(len(found) > 15, "the table of options was not found")
    return found


def config_keys():
    table = read("agent/core/config.c").split("FileKey keys[] = {")[1].split("};")[0]
    found = re.findall(r'\{ "([a-z-]+)",', table)
    check(len(found) > 10, "the table of keys was not found")
    # Those of a channel's group.
    found += re.findall(r'g_key_file_get_string \(file, groups\[i\], "([a-z-]+)"', read("agent/core/config.c"))
    return found


def verbs():
    found = set()
    for path in (TREE / "host-side/cli").glob("verb-*.c"):
        found |= set(re.findall(r'const PvtVerb pvt_verb_\w+\s*=\s*\{\s*"([a-z -]+)"', path.read_text()))
    check(len(found) > 10, "no verbs were found")
    return found


def command_options(*names):
    """{(long name, letter or None)} that those files of the command take."""
    found = set()
    for name in names:
        for path in (TREE / "host-side/cli").glob(name):
            found |= {(match[1], match[2]) for match in re.finditer(
                r'\{ "([a-z-]+)", (?:\'(.)\'|0), \w+, G_OPTION', path.read_text())}
    check(len(found) > 5, f"no options were found in {names}")
    return found


def test_options_of_the_command():
    """The page speaks of each, and of none that there is not."""
    page = read("packaging/man/pvtools.1.in").replace("\\-", "-")
    told = set(re.findall(r"\bFl (-?[A-Za-z0-9][a-z0-9-]*)", page))
    common, own = command_options("main.c"), command_options("verb-*.c")
    for name, letter in common | own:
        check(f"-{name}" in told or letter in told, f"pvtools(1) does not explain --{name}")
    known = {word for name, letter in common | own for word in (f"-{name}", letter) if word}
    # Options that are looked for by hand, and those of the library that parses.
    known |= {"-help", "h", "4", "6", "-to", "-json"}
    equal(told - known, set(), "explained, but no options")


def test_options_of_the_agent():
    page = read("packaging/man/pvtools-agent.8").replace("\\-", "-")
    # Other spellings of the same, and what the agent says to itself.
    same = {"daemon", "allow-list", "after-freeze"}
    for name, letter in agent_options():
        if name not in same:
            check(f"Fl -{name}" in page, f"pvtools-agent(8) has no --{name}")
        if letter:
            check(re.search(rf"^\.It Fl {letter}\b", page, re.M), f"pvtools-agent(8) has no -{letter}")


def test_options_of_the_machine():
    table = read("host-side/vmm/command-run.c").split("long_options[] = {")[1].split("};")[0]
    found = re.findall(r'\{ "([a-z-]+)", \w+, NULL,', table)
    check(len(found) > 10, "the table of options was not found")
    text = read("host-side/vmm/run-help.c")
    for name in found:
        check(f"--{name}" in text, f"--help has no --{name}")


def test_lessons_have_tests():
    """What the table of the machine's lessons names is a test that runs."""
    named = re.findall(r"`(unit|guest|integration)/([\w-]+):(\w+)`", read("host-side/vmm/LESSONS.md"))
    check(len(named) > 40, "the table of lessons was not found")
    for kind, file, function in named:
        if kind == "unit":
            there = re.search(rf"(?:cmocka_unit_test|TEST) \(test_{function}\)", read(f"tests/unit/test-{file}.c"))
        else:
            there = f"def test_{function}(" in read(f"tests/{kind}/test_{file}.py")
        check(there, f"there is no {kind}/{file}:{function}")


def test_keys_of_the_configuration():
    page, example = read("packaging/man/pvtools-agent.conf.5"), read("packaging/doc/agent.conf")
    for key in config_keys():
        check(re.search(rf"^\.It Cm (?:[a-z-]+ , )*{key}\b", page, re.M), f"pvtools-agent.conf(5) has no {key}")
        check(re.search(rf"^#{key}=", example, re.M), f"the example has no {key}")
    for key in re.findall(r"^#([a-z-]+)=", example, re.M):
        check(key in config_keys(), f"the example has {key}, which the agent has not")


def test_verbs_of_the_page():
    equal(set(re.findall(r'^\.\\" VERB (.+)$', read("packaging/man/pvtools.1.in"), re.M)), verbs(),
          "verbs that the page describes")


def test_rules_of_the_channel_have_their_tests():
    """Each row of the table names some, and each that is named is one."""
    text = read("tests/integration/README.md")
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| rule")]
    check(len(rows) > 8, "the table was not found")
    for row in rows + [text[text.index("Scripted clients"):].replace("\n", " ")]:
        named = re.findall(r"((?:guest/)?test_\w+): ((?:\w+, )*\w+)", row)
        check(named, f"no test: {row}")
        for program, tests in named:
            path = TREE / "tests" / (program if "/" in program else f"integration/{program}")
            there = set(re.findall(r"^def test_(\w+)", path.with_suffix(".py").read_text(), re.M))
            equal(set(tests.split(", ")) - there, set(), f"no tests of {program}")


HELP = """Verbs:
  ping GUEST                         is it there?
  new verb GUEST [--way up|down]...  -x, .y
  long GUEST MOUNTPOINT|DEVICE [--dry-run] does a thing
  odd GUEST
  many [GUEST...] [--all]            more than one
  show one [--dir DIR] ID            of none
  none of all                        neither

Exit codes:
  0 done   1 failed
 of others:
  10 it - fell
 of runs: the program's

Examples:
"""


def test_fill_page():
    with tempfile.TemporaryDirectory() as name:
        place = pathlib.Path(name)
        (place / "help").write_text("x\n" + HELP)
        (place / "page").write_text('.Sh VERBS\n.Bl\n.\\" VERB ping\nText.\n.El\n.\\" EXIT CODES\n')
        text = subprocess.run([MAN / "fill-page", place / "page", place / "help"], capture_output=True,
                              text=True, check=True).stdout
    equal(text.splitlines(), [
        ".Sh VERBS", ".Bl", ".It Cm ping Ar GUEST", "Text.",
        ".It Cm new verb Ar GUEST No [\\-\\-way No up|down]...", "\\-x, .y.",
        ".It Cm long Ar GUEST No MOUNTPOINT|DEVICE No [\\-\\-dry\\-run]", "Does a thing.",
        ".It Cm odd Ar GUEST", "See \\-\\-help.",
        ".It Cm many No [GUEST...] No [\\-\\-all]", "More than one.",
        ".It Cm show one No [\\-\\-dir No DIR] No ID", "Of none.",
        ".It Cm none of all", "Neither.", ".El",
        ".It 0", "done", ".It 1", "failed", ".It of others:", ".It 10", "it \\- fell",
        ".It of runs:", "the program's"], "page")


def test_the_picture_is_of_the_text_beside_it():
    """And is no larger than a picture in a README should be."""
    text, picture = TREE / "packaging/doc/terminal.txt", TREE / "packaging/doc/terminal.svg"
    title = re.search(r"<title>(.*)</title>", picture.read_text()).group(1)
    made = subprocess.run([TREE / "packaging/terminal-picture", text, title], check=True, capture_output=True).stdout
    equal(picture.read_bytes(), made, "packaging/doc/terminal.svg")
    check(len(made) < 60_000, f"{len(made)} bytes")
    root = xml.etree.ElementTree.fromstring(made)
    shown = ["".join(line.itertext()).replace("\u00a0", " ") for line in root.iter("{http://www.w3.org/2000/svg}text")]
    equal(shown[1:], [line for line in text.read_text().splitlines() if line], "its lines")
    typed = re.findall(r"^\$ pvtools (\S+)", text.read_text(), re.M)
    check(typed and set(typed) <= verbs(), typed)


def test_links_between_documents():
    for path in (TREE / "packaging").rglob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
            check((path.parent / target).exists(), f"{path.name} links to {target}")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
