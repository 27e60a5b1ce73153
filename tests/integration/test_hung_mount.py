#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A mount that never answers holds nothing else up."""

import json
import pathlib
import struct
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import tap
from agent import Agent as AnyAgent
from deadmount import DeadMount
from tap import check, equal


USER_PROCESS = 7


def Agent(*options):
    """The leak checker stops every thread at exit, and one of these cannot be stopped."""
    return AnyAgent(*options, env={"ASAN_OPTIONS": "detect_leaks=0"})


def entry(line, path):
    return next(fs for fs in line.ask("pvt-get-filesystems") if fs["mountpoint"] == path)


def root_entry(line):
    return entry(line, "/")


def threads(agent):
    return len(list(pathlib.Path(f"/proc/{agent.process.pid}/task").iterdir()))


def test_dead_mount_is_an_error_for_itself_alone():
    with DeadMount() as dead, Agent() as agent, agent.line() as line:
        first = entry(line, dead.path)
        check("did not answer" in first["error"] and "total-bytes" not in first, first)
        check(root_entry(line)["total-bytes"] > 0, "the root filesystem has its figures")
        again = entry(line, dead.path)
        check("earlier" in again["error"], f"asked again: {again}")
        check(isinstance(line.ask("guest-get-fsinfo"), list), "fsinfo goes on")


def test_it_is_never_asked_twice():
    with DeadMount() as dead, Agent() as agent, agent.line() as line:
        entry(line, dead.path)
        before = threads(agent)
        for _ in range(50):
            entry(line, dead.path)
        # Besides the one that is stuck, pools have threads that come and go.
        check(threads(agent) <= before + 6, f"threads grew from {before} to {threads(agent)}")
        equal(line.ask("pvt-get-status")["hung-mounts"], [dead.path], "hung-mounts")


def test_other_clients_keep_working():
    with DeadMount() as dead, Agent() as agent, agent.line() as waiting, agent.line() as other:
        waiting.send(waiting.request("pvt-get-filesystems"))
        for number in range(200):
            equal(other.ask("guest-sync", id=number), number, "the other client")
        check(isinstance(json.loads(waiting.read_line())["return"], list), "and the first gets its answer")
        check(dead.path, "the mount was there")


def test_several_dead_mounts():
    with DeadMount() as one, DeadMount() as two, DeadMount() as three, Agent() as agent:
        with agent.line() as line:
            for dead in (one, two, three):
                check("error" in entry(line, dead.path), dead.path)
            equal(set(line.ask("pvt-get-status")["hung-mounts"]), {one.path, two.path, three.path},
                  "hung-mounts")
            check(root_entry(line)["total-bytes"] > 0, "root")


def test_a_mount_that_comes_back_is_asked_again():
    with DeadMount() as dead, Agent() as agent, agent.line() as line:
        entry(line, dead.path)
        dead.revive()
        deadline = time.monotonic() + 20
        while line.ask("pvt-get-status")["hung-mounts"]:
            check(time.monotonic() < deadline, "the latch never opened")
        answer = entry(line, dead.path).get("error", "")
        check("earlier" not in answer and "in time" not in answer, f"still latched: {answer}")


def test_many_clients_at_a_dead_mount():
    with DeadMount() as dead, Agent() as agent:
        failures = []

        def ask():
            try:
                with agent.line() as line:
                    check("error" in entry(line, dead.path), "an error was expected")
            except Exception as error:
                failures.append(error)

        clients = [threading.Thread(target=ask) for _ in range(12)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(60)
        equal(failures, [], "failures")


def test_a_disk_that_does_not_answer():
    """To ask for a serial number is to ask the disk itself."""
    with tempfile.TemporaryDirectory(prefix="pvt-root-") as name, DeadMount() as dead:
        (pathlib.Path(name) / "sys").mkdir()
        (pathlib.Path(name) / "sys/block").symlink_to(dead.path)
        with Agent("--root", name) as agent, agent.line() as waiting, agent.line() as other:
            waiting.send(waiting.request("guest-get-disks"))
            for number in range(20):
                equal(other.ask("guest-sync", id=number), number, "the other client")
            check("given up" in json.loads(waiting.read_line())["error"]["desc"], "the one that waits")
            dead.revive()


def utmp(user):
    """A record of utmp(5): a session since second 1000."""
    return struct.pack("<hxxi32s4s32s256shhiii16s20s", USER_PROCESS, 1, b"tty1", b"1", user, b"", 0, 0, 0, 1000, 0,
                       b"", b"")


def test_who_is_logged_in_is_not_looked_for_on_var():
    """/var/run is a link to /run; only where there is no /run has it files of its own."""
    with tempfile.TemporaryDirectory(prefix="pvt-root-") as name, DeadMount() as dead:
        root = pathlib.Path(name)
        (root / "var").symlink_to(dead.path)
        (root / "run").mkdir()
        with Agent("--root", name) as agent, agent.line() as line:
            equal(line.ask("guest-get-users"), [], "nobody tells")
            (root / "run/utmp").write_bytes(utmp(b"alice"))
            equal(line.ask("guest-get-users"), [{"user": "alice", "login-time": 1000}], "a system of today")
            (root / "var").unlink()
            (root / "run").rename(root / "var")
            equal(line.ask("guest-get-users"), [], "no run below var")
            (root / "var/run").mkdir()
            (root / "var/utmp").rename(root / "var/run/utmp")
            equal(line.ask("guest-get-users"), [{"user": "alice", "login-time": 1000}], "one of before 2011")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
