#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rules that matter, each with a fixture that breaks it."""

import ast
import importlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "support"))

import tap
from tap import check

MAX_LINES = 600
# Who may include what of the tree, by folder.
LAYERS = {"protocol": {"protocol"}, "agent": {"agent", "protocol"}, "drivers": {"drivers"},
          "host-side": {"host-side", "protocol"}}


def tracked(tree, *endings):
    done = subprocess.run(["git", "-C", str(tree), "ls-files", "--cached", "--others",
                           "--exclude-standard"], capture_output=True, text=True, check=True)
    return [name for name in done.stdout.splitlines()
            if (tree / name).is_file() and (not endings or name.endswith(endings))]


def text(tree, name):
    return (tree / name).read_text(encoding="utf-8", errors="replace")


def layers(tree):
    """Includes that reach where their folder may not."""
    for name in tracked(tree, ".c", ".h"):
        allowed = LAYERS.get(name.split("/")[0])
        for include in re.findall(r'^#include "([^"]+)"', text(tree, name), re.M):
            target = include.split("/")[0]
            if allowed and "/" in include and target in LAYERS and target not in allowed:
                yield f"{name} includes {include}"
            if allowed and include.startswith(".."):
                yield f"{name} includes {include}"


def spdx(tree):
    """Source files that do not say their licence."""
    for name in tracked(tree, ".c", ".h", ".py", "meson.build", ".service", ".rules"):
        if "SPDX-License-Identifier: LGPL-2.1-or-later" not in text(tree, name)[:400]:
            yield f"{name} has no SPDX line"


def json_parser(tree):
    """json-glib's parser reads 0123 as octal: nobody calls it."""
    for name in tracked(tree, ".c", ".h"):
        if re.search(r"\bjson_parser_|\bjson_from_string\b", text(tree, name)):
            yield f"{name} calls json-glib's parser"


def sizes(tree):
    for name in tracked(tree, ".c", ".h", ".py"):
        lines = text(tree, name).count("\n")
        if lines > MAX_LINES:
            yield f"{name} has {lines} lines"


def machine_paths(tree):
    """Where somebody's checkout lies is nobody's business."""
    place = str(tree) + "/"
    for name in tracked(tree):
        if place in text(tree, name):
            yield f"{name} has a path of this machine"


def unfinished(tree):
    words = "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX"))
    for name in tracked(tree, ".c", ".h", ".py", ".build"):
        if re.search(rf"\b({words})\b", text(tree, name)):
            yield f"{name} has something unfinished"


def whitespace(tree):
    for name in tracked(tree, ".c", ".h", ".py", ".build", ".md", ".json"):
        if re.search(r"[ \t]$", text(tree, name), re.M):
            yield f"{name} has blanks at the end of a line"
        if name.endswith((".c", ".h", ".py")) and "\t" in text(tree, name):
            yield f"{name} has tabs"


RULES = [layers, spdx, json_parser, sizes, machine_paths, unfinished, whitespace]

# What breaks each rule.
FIXTURES = {
    "layers": ("protocol/bad.c", '#include "agent/core/log.h"\n'),
    "spdx": ("agent/bad.c", "int x;\n"),
    "json_parser": ("agent/bad.c", "json_parser_new ();\n"),
    "sizes": ("agent/bad.c", "\n" * (MAX_LINES + 1)),
    "machine_paths": ("README.md", "see {tree}/x\n"),
    "unfinished": ("agent/bad.c", "/* TO" + "DO */\n"),
    "whitespace": ("agent/bad.c", "int x; \n"),
}


def make_test(rule):
    def test():
        found = list(rule(TREE))
        check(not found, "\n".join(found))
    return test


def make_fixture_test(rule):
    def test():
        with tempfile.TemporaryDirectory() as name:
            tree = pathlib.Path(name) / "checkout"
            path, content = FIXTURES[rule.__name__]
            (tree / path).parent.mkdir(parents=True)
            (tree / path).write_text(content.replace("{tree}", str(tree.resolve())))
            subprocess.run(["git", "init", "-q", str(tree)], check=True)
            check(list(rule(tree.resolve())), f"the rule {rule.__name__} let its fixture pass")
    return test


for _rule in RULES:
    globals()[f"test_{_rule.__name__}"] = make_test(_rule)
    globals()[f"test_{_rule.__name__}_catches_its_fixture"] = make_fixture_test(_rule)


def test_quickstart_finds_what_it_imports():
    """It borrows the guests of the tests, and no other test runs it."""
    sys.path[:0] = [str(TREE / "tests/guest"), str(TREE / "tests/support")]
    tree = ast.parse(text(TREE, "packaging/quickstart"))
    borrowed = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    check(borrowed, "nothing is borrowed")
    for node in borrowed:
        module = importlib.import_module(node.module)
        for name in node.names:
            check(hasattr(module, name.name), f"{node.module} has no {name.name}")


def test_programs_compile():
    for name in tracked(TREE, ".py"):
        compile(text(TREE, name), name, "exec")
    for name in ("tests/run", "packaging/quickstart", "protocol/generator/pvt-gen"):
        compile(text(TREE, name), name, "exec")


def test_programs_can_be_run():
    """tests/run calls them as programs."""
    for path in sorted((TREE / "tests").glob("*/test_*.py")):
        check(os.access(path, os.X_OK), f"{path.relative_to(TREE)} is not executable")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
