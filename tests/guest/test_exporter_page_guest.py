#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The exporter and top on a real guest that shares a page with its host: figures against
the guest's own, and what a scrape costs the guest's agent with and without the page."""

import contextlib
import json
import os
import pathlib
import re
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import cli
import micro
import tap
from agent import find_agent
from exporter import Exporter
from shell import sh
from tap import check, equal, note
from test_exporter_guest import read
from test_page import DISK, devices, look, memory, netdev, wait_for
from vm import VM

LONG = os.environ.get("PVT_LONG") == "1"
SCRAPES = 20
TRIES = 10  # a guest that has no processor for three seconds has a stale page, and is asked
WAIT = 120


def state(samples):
    return next(dict(labels)["state"] for (name, labels), value in samples.items()
                if name == "pvtools_guest_page" and value == 1)


def becomes(exporter, target, wanted):
    deadline = time.monotonic() + WAIT
    while True:
        samples = exporter.guest(target)
        if state(samples) == wanted:
            return samples
        check(time.monotonic() < deadline, f"{wanted} never came, but {state(samples)}")
        time.sleep(0.2)


@contextlib.contextmanager
def exporter_of(vm, ours, rest, timeout=60):
    """The page has the name that the guest's channel has."""
    pages = pathlib.Path(vm.directory) / "pages"
    pages.mkdir(exist_ok=True)
    link = pages / pathlib.Path(vm.agent_socket).stem
    if not link.is_symlink():
        link.symlink_to(ours)
    with Exporter("--sockets", vm.agent_socket, "--pages", pages, "--max-age", 0, "--timeout", timeout, "--page-rest", rest) as exporter:
        yield exporter, link.name


def values_agree(line, exporter, target, ours):
    """While we hold the channel, which nobody else needs."""
    before = netdev(sh(line, "cat /proc/net/dev"), "lo")
    sh(line, "ping -c 3 127.0.0.1 > /dev/null")
    middle = netdev(sh(line, "cat /proc/net/dev"), "lo")
    check(middle > before, "ping left no trace")
    first = look(ours)["updates"]
    wait_for(ours, lambda page: page["updates"] > first + 1 and "filesystems./mnt.type" in page["figures"], "a later update")
    samples = becomes(exporter, target, "used")
    after = netdev(sh(line, "cat /proc/net/dev"), "lo")
    received = samples.get_one("node_network_receive_bytes_total", device="lo")
    check(middle[0] <= received <= after[0], (middle, received, after))
    kib = int(re.search(r"MemTotal:\s+(\d+)", sh(line, "cat /proc/meminfo")).group(1))
    equal(samples.get_one("node_memory_MemTotal_bytes"), kib * 1024, "memory")
    blocks = sh(line, "df -k /mnt | tail -1").split()
    kind = sh(line, "grep ' /mnt ' /proc/mounts").split()
    equal(samples.get_one("node_filesystem_size_bytes", mountpoint="/mnt", device=kind[0], fstype=kind[2]), int(blocks[1]) * 1024, "df")
    check(samples.get_one("node_disk_writes_completed_total", device="vda") > 0, "disk")
    equal(samples.get_one("pvtools_guest_up"), 1, "up")
    return samples


def nothing_is_asked(line, exporter, target):
    for _ in range(TRIES):
        before = line.ask("pvt-get-status")["requests"]
        states = {state(exporter.guest(target)) for _ in range(SCRAPES)}
        if states == {"used"}:
            equal(line.ask("pvt-get-status")["requests"], before + 1, "requests")
            return
        becomes(exporter, target, "used")
    raise AssertionError("its page was always stale")


def a_stopped_guest(vm, ours):
    """Its page stays as it is, and its channel does not answer."""
    with exporter_of(vm, ours, 3600, timeout=2) as (exporter, target):
        becomes(exporter, target, "used")
        vm.monitor.command("stop")
        equal(becomes(exporter, target, "stale").get_one("pvtools_guest_up"), 0, "up")
        vm.monitor.command("cont")
        equal(becomes(exporter, target, "used").get_one("pvtools_guest_up"), 1, "up")


def agent_process(line):
    return sh(line, "pidof agent | tr ' ' '\\n' | sort -n | head -1").strip()


def spent(line, pid):
    """(wake-ups, ms of processor): proc(5), and sched-stats.rst of the kernel."""
    status, schedstat = read(line, f"/proc/{pid}/status"), read(line, f"/proc/{pid}/schedstat")
    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.M).group(1)), int(schedstat.split()[0]) / 1e6


def cost(vm, take, scrapes, pause):
    """(requests, wake-ups, ms of processor) of the agent for so many calls of @take. Of our
    own looking two requests count, and are taken off."""
    with vm.line() as line:
        line.sync()  # an answer to who was there before may be on its way
        pid = agent_process(line)
        before = spent(line, pid)
        requests = line.ask("pvt-get-status")["requests"]
    for _ in range(scrapes):
        take()
        time.sleep(pause)
    with vm.line() as line:
        line.sync()
        requests = line.ask("pvt-get-status")["requests"] - requests - 2
        after = spent(line, pid)
    return requests, after[0] - before[0], after[1] - before[1]


def what_it_costs(vm, ours):
    """By the page the agent is asked nothing. PVT_LONG=1: each second, so that time can be compared."""
    scrapes, pause = (60, 1) if LONG else (5, 0)
    with Exporter("--sockets", vm.agent_socket, "--max-age", 0, "--timeout", 60) as plain:
        target = f"unix:{vm.agent_socket}"
        nothing = cost(vm, lambda: None, scrapes, pause)
        asked = cost(vm, lambda: plain.guest(target), scrapes, pause)
        check("pvtools_guest_page" not in plain.guest(target).names(), "a page without --pages")
    with exporter_of(vm, ours, 3600) as (exporter, target):
        for _ in range(TRIES):
            states = {state(becomes(exporter, target, "used"))}
            paged = cost(vm, lambda: states.add(state(exporter.guest(target))), scrapes, pause)
            if states == {"used"}:
                break
    for name, row in (("no scrape", nothing), ("by the channel", asked), ("by the page", paged)):
        note(f"{name}, {scrapes} times: {row[0]} requests, {row[1]} wake-ups, {row[2]:.1f} ms of processor")
    equal(paged[0], nothing[0], "requests by the page")
    check(asked[0] >= nothing[0] + 8 * scrapes, "requests by the channel")


def test_exporter_and_top():
    with memory() as (ours, other):
        with VM(*micro.image(find_agent()), memory=256, devices=devices(ours, other), disks=DISK, append="pvt.mount") as vm:
            vm.wait_agent()
            wait_for(ours, lambda page: True, "a page")
            with exporter_of(vm, ours, 0, timeout=5) as (exporter, target), vm.line() as line:
                samples = values_agree(line, exporter, target, ours)
                note(f"{len(samples)} samples without a question")
                nothing_is_asked(line, exporter, target)
                rows = json.loads(cli.expect(0, "top", f"page:{ours}", "--once", "-o", "json", "--timeout", 60))
                equal(rows[0]["source"], "page", rows)
                check(0 <= rows[0]["cpu"] <= 1 and 0 < rows[0]["memory"] < 1 and rows[0]["disk"] >= 0, rows)
            with exporter_of(vm, ours, 3600) as (exporter, target):
                samples = becomes(exporter, target, "used")
                samples.get_one("node_uname_info", sysname="Linux")
                note(f"{len(samples)} samples with the rest")
            a_stopped_guest(vm, ours)
            what_it_costs(vm, ours)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
