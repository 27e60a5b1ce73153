#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The checkup of whatever this machine is: the same by every way to ask for it."""

import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))

import cli
import tap
from agent import Agent, find_agent
from tap import check, equal

WORST = {"pass": 0, "skip": 0, "warn": 1, "fail": 2}


def doctor(*words):
    return subprocess.run([find_agent(), *words], capture_output=True, text=True, check=False, timeout=300)


def names(report):
    return [entry["name"] for entry in report["checks"]]


def test_three_ways_to_ask():
    alone = doctor("--doctor=json")
    report = json.loads(alone.stdout)
    worst = max(WORST[entry["state"]] for entry in report["checks"])
    equal(alone.returncode, worst, "exit code of --doctor")
    equal(len(set(names(report))), len(report["checks"]), "names")
    for entry in report["checks"]:
        equal("remedy" in entry, entry["state"] in ("warn", "fail"), entry)
    text = doctor("--doctor").stdout
    with Agent() as agent:
        asked = cli.run("checkup", f"unix:{agent.socket}", "-o", "json")
    check(asked.returncode in (0, 30), asked)
    equal(names(json.loads(asked.stdout)), names(report), "by the host")
    for name in names(report):
        check(f"  {name} " in text, f"{name} is not in the text")


def test_an_empty_root():
    """Nothing can be told of a system without files, and nothing goes wrong."""
    with tempfile.TemporaryDirectory() as root:
        done = doctor("--doctor=json", "--root", root)
    states = {entry["name"]: entry["state"] for entry in json.loads(done.stdout)["checks"]}
    equal(states["drivers"], "skip", "no virtio device")
    equal(states["steal"], "skip", "no /proc/stat")
    equal(done.returncode, 1, "warnings")


def test_wrong_words():
    done = doctor("--doctor=xml")
    check(done.returncode == 1 and "text or json" in done.stderr, done)
    done = doctor("--grow", "/nowhere/at/all")
    check(done.returncode == 1 and "nothing is mounted" in done.stderr, done)
    done = doctor("--doctor", "--root", "/nonexistent")
    check(done.returncode == 1 and "/nonexistent" in done.stderr, done)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
