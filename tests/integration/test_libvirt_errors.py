#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt: addresses against a library of our own in place of libvirt's: what becomes of its
errors, and of an order that is answered by silence."""

import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cli
import tap
from agent import find_agent
from tap import check, equal

LIBRARIES = pathlib.Path(find_agent()).resolve().parents[1] / "tests/unit"


def run(agent, *words):
    with tempfile.TemporaryDirectory() as here:
        log = pathlib.Path(here) / "log"
        done = subprocess.run([cli.find_cli(), *words], capture_output=True, text=True, timeout=60, check=False,
                              env=dict(os.environ, LD_LIBRARY_PATH=str(LIBRARIES), PVT_FAKE_AGENT=agent,
                                       PVT_FAKE_LOG=str(log)))
        return done, log.read_text() if log.exists() else ""


def test_an_order_that_is_answered_by_silence():
    for verb in ("shutdown", "reboot"):
        done, asked = run("silent", verb, "libvirt:vm")
        equal(done.returncode, 0, done.stdout + done.stderr)
        check("guest-shutdown" in asked, asked)


def test_an_agent_that_is_not_there_gets_no_order():
    done, asked = run("absent", "shutdown", "libvirt:vm")
    equal(done.returncode, 4, done.stderr)
    check("not connected" in done.stderr and "guest-shutdown" not in asked, done.stderr + asked)


def test_errors_and_their_codes():
    for agent, words, code, part in (
            ("refuses", ("shutdown", "libvirt:vm"), 1, "unable to execute"),
            ("silent", ("info", "libvirt:vm"), 4, "not available"),
            ("stopped", ("ping", "libvirt:vm"), 3, "not running"),
            ("", ("ping", "libvirt:other"), 3, "'other': Domain not found")):
        done, _ = run(agent, *words)
        equal(done.returncode, code, f"{words}: {done.stdout}{done.stderr}")
        check(part in done.stderr, done.stderr)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
