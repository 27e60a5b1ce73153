#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""install.sh puts the agent into a Debian with OpenRC; OpenRC itself starts, restarts and stops it."""

import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "guest"), str(HERE.parent / "support")]

import base
import cache
import tap
import tarball
from agent import find_agent
from container import Container
from tap import Skip, check, equal, note
from wire import Line

PACKAGES = "openrc,libglib2.0-0,procps"
# A container that was not booted: OpenRC is told that it was.
BEGIN = """
for d in daemons exclusive failed hotplugged inactive options scheduled started starting stopping tmp wasinactive
do mkdir -p /run/openrc/$d; done
touch /run/openrc/softlevel
"""


def make_root(target):
    _, suite = base.host_release()
    done = subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "--mode=root", f"--include={PACKAGES}",
                           suite, str(target), *base.sources()], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"mmdebstrap: {done.stderr[-2000:]}")


def test_openrc_runs_the_agent():
    if os.geteuid() != 0:
        raise Skip("a container needs root")
    base_root = cache.make("openrc", cache.key(PACKAGES, *base.host_release()), make_root)
    with tempfile.TemporaryDirectory(prefix="pvt-openrc-") as name:
        place, root = pathlib.Path(name), pathlib.Path(name) / "root"
        subprocess.run(["cp", "-a", "--reflink=auto", str(base_root), str(root)], check=True)
        archive = tarball.make(find_agent(), place / "archive")
        subprocess.run(["tar", "-xzf", archive, "-C", place / "archive", "--strip-components=1"], check=True)
        subprocess.run(["sh", place / "archive/install.sh", "--destdir", root], check=True, capture_output=True)
        (root / "etc/conf.d/pvtools-agent").write_text('PVT_ARGS="-m unix-listen -p /run/agent.sock"\n')
        with Container(root, BEGIN) as container:
            drive(container, root)


def drive(container, root):
    note(container.run("rc-service pvtools-agent start"))
    pid = container.run("cat /run/pvtools-agent.pid").strip()
    equal(container.run("pidof pvtools-agent").strip(), pid, "pid file")
    container.run("rc-service pvtools-agent status")
    with Line(root / "run/agent.sock") as line:
        line.sync()
        check(line.ask("guest-info")["version"], "version")
    container.run("rc-service pvtools-agent restart")
    check(container.run("pidof pvtools-agent").strip() != pid, "another process")
    with Line(root / "run/agent.sock") as line:
        line.sync()
    check("started" in (root / "var/log/pvtools-agent.log").read_text(), "log")
    container.run("rc-service pvtools-agent stop")
    container.run("pidof pvtools-agent", code=1)
    container.run("rc-service pvtools-agent status", code=3)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
