#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The README's first command, as a user runs it: a second time, as all that it makes is there.

It builds where tests/run has built; a guest boots, shows what it tells and powers off.
"""

import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import debian
import tap
from agent import find_agent
from tap import Skip, check, equal, note

VERBS = ["wait", "info", "ip", "stat", "df", "disks", "shutdown"]


def where_it_was_built():
    """The directory that has the build "release", which this agent is of."""
    release = pathlib.Path(find_agent()).resolve().parents[1]
    if release.name != "release" or not (release / "build.ninja").exists():
        raise Skip("the agent is of no build named release; tests/run has one")
    return release.parent


def test_quickstart():
    place = where_it_was_built()
    debian.image(find_agent())
    done = subprocess.run([TREE / "packaging/quickstart"], capture_output=True, text=True, check=False, timeout=900,
                          stdin=subprocess.DEVNULL, env=dict(os.environ, PVT_BUILD_DIR=str(place)))
    equal((done.returncode, done.stderr), (0, ""), done.stdout[-2000:])
    lines = done.stdout.splitlines()
    equal(re.findall(r"^\$ pvtools (\w+) unix:", done.stdout, re.M), VERBS, "what it shows")
    for word in ("10.0.2.15", "Debian GNU/Linux", "pvtools-agent", "/dev/vda"):
        check(word in done.stdout, f"{word!r} is not in {done.stdout}")
    check(not re.search(r"== .*(installing|making)", done.stdout), "nothing is made a second time")
    equal(lines[-1], "== the guest has powered itself off", "its end")
    note("\n".join(line for line in lines if line.startswith("==")))


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
