#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A freeze of which one filesystem hangs in the kernel: the others are not held with it."""

import ctypes
import json
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import tap
from agent import Agent
from deadmount import DeadMount
from disks import Disks, run
from packets import REQUEST, Extended, Packets
from tap import Skip, check, equal


def freeze(line, *places):
    return line.ask("guest-fsfreeze-freeze-list", mountpoints=[str(place) for place in places])


def bind(source, target):
    """Without looking at either, as mount(8) does."""
    if ctypes.CDLL(None).mount(source.encode(), str(target).encode(), None, 4096, None) < 0:
        raise Skip("cannot bind a mount")


def wait_thawed(line):
    deadline = time.monotonic() + 20
    while line.ask("pvt-get-freeze")["phase"] != "thawed":
        check(time.monotonic() < deadline, "not thawed")
        time.sleep(0.02)


class StuckDisk:
    """A filesystem whose disk is a file on another that is frozen: its own freeze hangs in
    the kernel until that is thawed."""

    def __init__(self, disks):
        self.outer = disks.make("ext4", name="outer")
        image = self.outer / "inner.img"
        run("truncate", "-s", "24M", image)
        run("mkfs.ext4", "-q", "-F", image)
        self.path = disks.mount("-o", "loop", image, name="inner")

    def __enter__(self):
        run("fsfreeze", "-f", self.outer)
        return self

    def resume(self):
        run("fsfreeze", "-u", self.outer, check=False)

    def __exit__(self, *_):
        self.resume()


UNCHECKED = {"ASAN_OPTIONS": "detect_leaks=0"}  # the leak checker stops all threads, which hangs with one that does


def begin_to_freeze(disks, line, place, stuck):
    """Until the one is frozen; the other hangs in it."""
    line.send(line.request("guest-fsfreeze-freeze-list", mountpoints=[str(place), str(stuck.path)]))
    deadline = time.monotonic() + 20
    while disks.takes_writes(place):
        check(time.monotonic() < deadline, "not frozen")


def test_a_filesystem_that_hangs_in_its_freeze():
    """Whoever is told that the freeze failed, or ends it, finds the others thawed."""
    with Disks() as disks, Agent(env=UNCHECKED) as agent, StuckDisk(disks) as stuck:
        place = disks.make()
        with agent.line() as line, agent.line() as other:
            begin_to_freeze(disks, line, place, stuck)
            other.send(other.request("guest-fsfreeze-thaw"))
            disks.wait_writable(place)
            stuck.resume()
            check("given up" in json.loads(line.read_line())["error"]["desc"], "the freeze")
            equal(json.loads(other.read_line()), {"return": 0}, "the thaw")
            equal(freeze(line, place), 1, "the next freeze")
            equal(line.ask("guest-fsfreeze-thaw"), 1, "and its thaw")


def test_a_freeze_that_hangs_past_its_callers_patience():
    with Disks() as disks, StuckDisk(disks) as stuck, Extended(env=UNCHECKED) as agent, \
            Packets(agent.extended) as line:
        place = disks.make()
        line.hello()
        line.send(REQUEST, 5, {"execute": "guest-fsfreeze-freeze-list", "deadline-ms": 1500,
                               "arguments": {"mountpoints": [str(place), str(stuck.path)]}})
        check("within 1500 ms" in line.reply(5)["error"]["desc"], "the freeze")
        disks.wait_writable(place)
        stuck.resume()
        with agent.line() as other:
            wait_thawed(other)
            check(disks.takes_writes(stuck.path, 10), "the one that hung")
            line.send(REQUEST, 6, {"execute": "pvt-freeze", "deadline-ms": 2000,
                                   "arguments": {"mountpoints": [str(place)]}})
            check("return" in line.reply(6), "the next freeze")
            time.sleep(2.5)
            equal(other.ask("guest-fsfreeze-status"), "frozen", "patience ends with the answer")
            equal(other.ask("guest-fsfreeze-thaw"), 1, "thaw")


def test_the_agent_is_stopped_while_a_freeze_hangs():
    with Disks() as disks, StuckDisk(disks) as stuck:
        place = disks.make()
        with Agent(env=UNCHECKED) as agent:
            with agent.line() as line:
                begin_to_freeze(disks, line, place, stuck)
                os.kill(agent.process.pid, signal.SIGTERM)
                disks.wait_writable(place)
                time.sleep(6)
                check(disks.takes_writes(place, 10), "frozen again")
                stuck.resume()
                disks.wait_writable(stuck.path)


def test_a_path_that_leads_through_a_dead_mount():
    """Nothing can be frozen then; nothing is refused for it either."""
    with Disks() as disks, DeadMount() as dead, Agent(env=UNCHECKED) as agent:
        above, image = disks.place("above"), disks.directory / "image"
        run("truncate", "-s", "24M", image)
        run("mkfs.ext4", "-q", "-F", image)
        below = disks.mount("-o", "loop", image, name="above/below")
        bind(dead.path, above)
        try:
            with agent.line() as line, agent.line() as other:
                line.send(line.request("guest-fsfreeze-freeze-list", mountpoints=[str(below)]))
                until = time.monotonic() + 20
                while other.ask("pvt-get-freeze")["phase"] != "freezing":
                    check(time.monotonic() < until, "it does not begin")
                check("host-name" in other.ask("guest-get-host-name"), "all else")
                dead.revive()
                line.read_line()
                wait_thawed(other)
        finally:
            dead.revive()
            run("umount", "-l", above, check=False)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
