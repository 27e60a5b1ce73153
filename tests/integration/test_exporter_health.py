#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""pvtools_guest_health of the exporter: concluded from answers, and from what a
monitor says; every state once in the page."""

import pathlib
import re
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import tap
from exporter import SILENCE, Exporter, Guest, parse, run, status
from monitor import Monitor
from tap import check, equal

STATES = {"starting", "ok", "agent-lost", "guest-hung", "panicked", "dumping", "rebooted", "shut-down", "paused",
          "frozen"}
WELL = {"pvt-get-status": status(), "pvt-get-uptime": {"uptime-ms": 5, "boot-id": "one", "boot-time-ms": 1, "now-ms": 9}}


def state_of(samples):
    """The one that is 1; all others are there and 0."""
    found = {dict(labels)["state"]: value for (_, labels), value in samples.find("pvtools_guest_health").items()}
    equal(set(found), STATES, "every state is there")
    equal(sorted(found.values()), [0] * (len(STATES) - 1) + [1], "one holds")
    return next(state for state, value in found.items() if value)


def await_state(exporter, target, wanted):
    deadline = time.monotonic() + 60
    while True:
        state = state_of(exporter.guest(target))
        if state == wanted:
            return
        check(time.monotonic() < deadline, f"{target} is {state}, not {wanted}")
        time.sleep(0.1)


def test_states_by_answers():
    with tempfile.TemporaryDirectory() as name, Exporter("--sockets", name, "--max-age", 0) as exporter:
        replies = dict(WELL)
        with Guest(replies, name, "vm.sock"):
            await_state(exporter, "vm", "ok")
            replies["pvt-get-status"] = status(frozen=True)
            await_state(exporter, "vm", "frozen")
            replies["pvt-get-status"] = status()
            await_state(exporter, "vm", "ok")
        with Guest({"pvt-get-status": SILENCE}, name, "mute.sock"):
            equal(state_of(exporter.guest("mute")), "starting", "one that was never heard of")


def test_end_and_return():
    with tempfile.TemporaryDirectory() as name, \
            Exporter("--allow", f"unix:{name}/*.sock", "--max-age", 0) as exporter:
        target = f"unix:{name}/vm.sock"
        for _ in range(2):
            with Guest(dict(WELL), name, "vm.sock"):
                await_state(exporter, target, "ok")
            await_state(exporter, target, "shut-down")


def test_states_by_a_monitor():
    """Events count at once, whatever the agent does."""
    with tempfile.TemporaryDirectory() as name, Guest(dict(WELL), name, "agent.sock") as guest, Monitor(guest.path) as monitor:
        with Exporter("--qmp", monitor.path.parent, "--monitors", "--max-age", 0) as exporter:
            await_state(exporter, "qmp", "ok")
            monitor.event("STOP")
            monitor.status = "paused"
            await_state(exporter, "qmp", "paused")
            monitor.status = "running"
            monitor.event("RESUME")
            await_state(exporter, "qmp", "ok")
            monitor.event("WATCHDOG", action="none")
            guest.replies["pvt-get-status"] = SILENCE
            monitor.event("GUEST_PANICKED", action="run")
            await_state(exporter, "qmp", "panicked")
            monitor.event("RESET", guest=False, reason="host-qmp-system-reset")
            await_state(exporter, "qmp", "rebooted")
        equal(monitor.commands.count("qmp_capabilities"), 1, "one connection for all")


def test_the_unit_has_threads_for_all_monitors():
    """A thread that cannot be made is the end of a GLib program."""
    top = pathlib.Path(__file__).resolve().parents[2]
    number = lambda path, pattern: [int(found) for found in re.findall(pattern, (top / path).read_text(), re.M)]
    most = number("packaging/systemd/pvtools-exporter.service", r"^TasksMax=(\d+)$")
    monitors = number("host-side/exporter/monitors.h", r"^#define PVT_MONITORS_MAX (\d+)$")
    pools = number("host-side/exporter/guests.c", r"^#define WORKERS_\w+ (\d+)$")
    check(len(most) == len(monitors) == 1 and len(pools) == 4, (most, monitors, pools))
    check(most[0] >= monitors[0] + sum(pools) + 16, f"{most[0]} for {monitors[0]} monitors, {sum(pools)} that ask, and others")


def test_state_without_a_server():
    with Guest(dict(WELL)) as guest:
        equal(state_of(parse(run("--once", guest.address).stdout)), "ok", "--once")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
