#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""packaging/quickstart and tests/run where something is missing that they need: they say what.

Programs of other names stand in for apt-get and dpkg; nothing is installed here.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "support"))

import tap
from tap import Skip, check, equal

UNREACHABLE = "#!/bin/sh\necho \"E: Failed to fetch: Temporary failure resolving 'deb.example'\" >&2\nexit 100\n"
# As far as they can see.
AS_OTHER = "import os, runpy, sys; os.geteuid = lambda: 1000; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"


def run(program, programs, *words, other=False):
    """(exit code, what it said) with only those programs in the path: {name: script}."""
    with tempfile.TemporaryDirectory(prefix="pvt-first-") as place:
        for name, script in programs.items():
            path = pathlib.Path(place) / name
            path.write_text(script)
            path.chmod(0o755)
        command = [sys.executable, *(["-c", AS_OTHER] if other else []), str(TREE / program), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120,
                              stdin=subprocess.DEVNULL, env={"PATH": place, "LC_ALL": "C",
                                                             "PVT_BUILD_DIR": f"{place}/build"})
        check(not os.path.exists(f"{place}/build"), "something was built")
    text = done.stdout + done.stderr
    check("Traceback" not in text, text)
    return done.returncode, text


def both(programs, *fragments):
    if os.geteuid() != 0:
        raise Skip("for root")
    for program, words in (("packaging/quickstart", ()), ("tests/run", ("unit",))):
        code, text = run(program, programs, *words)
        equal(code, 1, text)
        for fragment in fragments:
            check(fragment in text, f"{program} does not say {fragment!r}: {text}")


def test_another_system():
    both({}, "made for Debian and Ubuntu", "meson")


def test_nothing_to_install_with():
    both({"dpkg-query": "#!/bin/sh\nexit 1\n"}, "there is no apt-get", "ninja-build")


def test_no_network():
    both({"dpkg-query": "#!/bin/sh\nexit 1\n", "apt-get": UNREACHABLE}, "apt-get update failed", "Temporary failure resolving")


def test_not_root():
    code, text = run("packaging/quickstart", {}, other=True)
    equal((code, "sudo packaging/quickstart" in text), (1, True), text)
    code, text = run("tests/run", {"dpkg-query": "#!/bin/sh\nexit 1\n", "apt-get": UNREACHABLE}, "unit", other=True)
    equal((code, "has to be root: apt-get install" in text), (1, True), text)


def test_wrong_words():
    code, text = run("packaging/quickstart", {}, "--help")
    check(code == 0 and "From a clean checkout" in text, text)
    code, text = run("packaging/quickstart", {}, "now")
    check(code == 2 and "'now'" in text, text)
    code, text = run("tests/run", {}, "no-such-suite")
    check(code == 1 and "no such suite: no-such-suite" in text, text)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
