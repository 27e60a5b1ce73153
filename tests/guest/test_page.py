#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Figures in memory that a guest shares with its host, read with nothing asked of the guest."""

import contextlib
import json
import os
import pathlib
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import cli
import micro
import tap
from agent import find_agent
from shell import sh
from tap import check, equal, note
from vm import ON_VMM, VM

TIMEOUT = 120
DISK = [("virtio-blk-pci,drive={drive},serial=micro1,id=blk", 64 << 20)]


@contextlib.contextmanager
def memory():
    """(labelled file, another that is somebody's), where memory of guests is."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="pvt-page-", dir=place) as name:
        ours, other = pathlib.Path(name) / "ours", pathlib.Path(name) / "other"
        cli.expect(0, "page", f"page:{ours}", "--create", "--size", 1 << 20)
        other.write_bytes(bytes(1 << 16))
        yield ours, other


def devices(ours, other):
    if ON_VMM:  # it has one, and no memory of anybody else's
        return device("m1", ours, 1 << 20)
    # The other one comes first on the bus.
    return [*device("m0", other, 1 << 16), *device("m1", ours, 1 << 20)]


def device(name, path, size):
    return ["-object", f"memory-backend-file,id={name},share=on,mem-path={path},size={size}",
            "-device", f"ivshmem-plain,memdev={name}"]


def look(path, code=0):
    return json.loads(cli.expect(code, "page", f"page:{path}", "-o", "json", "--timeout", 60))


def wait_for(path, wanted, what):
    """The first look that is as wanted."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        done = cli.run("page", f"page:{path}", "-o", "json", "--timeout", 60)
        page = json.loads(done.stdout) if done.stdout else {"none": done.stderr}
        if "figures" in page and wanted(page):
            return page
        check(time.monotonic() < deadline, f"{what} never came: {page}")
        time.sleep(0.2)


def netdev(text, name):
    """Received bytes and packets of /proc/net/dev, proc(5)."""
    words = next(line for line in text.splitlines() if line.strip().startswith(f"{name}:")).split()
    return int(words[1]), int(words[2])


def values_agree(line, ours):
    """Counters lie between what /proc had before and what it has after."""
    meminfo = dict(row.split(":") for row in sh(line, "cat /proc/meminfo").splitlines())
    boot = sh(line, "cat /proc/sys/kernel/random/boot_id").strip()
    stat = [int(word) * 10 for word in sh(line, "head -1 /proc/stat").split()[1:]]
    before = netdev(sh(line, "cat /proc/net/dev"), "lo")
    sh(line, "ping -c 3 127.0.0.1 > /dev/null")
    middle = netdev(sh(line, "cat /proc/net/dev"), "lo")
    check(middle > before, "ping left no trace")
    first = look(ours)
    page = wait_for(ours, lambda p: p["updates"] > first["updates"] + 1 and "filesystems./mnt.total-bytes"
                    in p["figures"], "a later update")
    figures = page["figures"]
    after = netdev(sh(line, "cat /proc/net/dev"), "lo")
    equal(page["boot-id"], boot, "boot")
    equal(figures["memory.total"], int(meminfo["MemTotal"].split()[0]) * 1024, "memory")
    check(middle[0] <= figures["links.lo.rx-bytes"] <= after[0], (middle, figures["links.lo.rx-bytes"], after))
    check(middle[1] <= figures["links.lo.rx-packets"] <= after[1], (middle, after))
    now = [int(word) * 10 for word in sh(line, "head -1 /proc/stat").split()[1:]]
    for field, index in (("user-ms", 0), ("system-ms", 2), ("idle-ms", 3)):
        check(stat[index] <= figures[f"cpu.all.{field}"] <= now[index], (field, stat, figures, now))
    check("cpu.1.user-ms" in figures and "cpu.2.user-ms" not in figures, "processors")
    blocks = sh(line, "df -k /mnt | tail -1").split()
    equal(figures["filesystems./mnt.total-bytes"], int(blocks[1]) * 1024, "filesystem")
    check(figures["disks.vda.writes"] > 0, "disk")
    return page


def nothing_is_asked(line, ours):
    """The agent answers no request while its page is read again and again."""
    before = line.ask("pvt-get-status")["requests"]
    for _ in range(5):
        look(ours)
    equal(line.ask("pvt-get-status")["requests"], before + 1, "requests")


def freeze_is_seen(line, ours):
    line.ask("guest-fsfreeze-freeze")
    page = wait_for(ours, lambda p: p["frozen"], "a frozen page")
    wait_for(ours, lambda p: p["updates"] > page["updates"], "an update while frozen")
    line.ask("guest-fsfreeze-thaw")
    wait_for(ours, lambda p: not p["frozen"], "a thawed page")


def death_is_told_by_the_age(line, ours):
    """SIGKILL leaves no last word."""
    agent = sh(line, "pidof agent").split()
    equal(len(agent), len(set(agent)), "processes")
    sh(line, "mv /sbin/agent /sbin/away")
    # It may be dead before it can answer.
    line.send(line.request("guest-exec", {"path": "/bin/sh", "arg": ["-c", f"kill -KILL {' '.join(agent)}"]}))
    page = wait_for(ours, lambda p: p["stale"], "a stale page")
    check(not page["ended"] and page["unchanged-ms"] > 3 * page["period-ms"], page)
    text = cli.expect(4, "stat", f"page:{ours}", "--timeout", 60)
    check("STALE" in text, text)
    note(text)


def test_shared_page():
    with memory() as (ours, other):
        cli.expect(3, "stat", f"page:{ours}")  # nobody has written to it
        with VM(*micro.image(find_agent()), memory=256, devices=devices(ours, other), disks=DISK,
                append="pvt.mount") as vm:
            vm.wait_agent()
            wait_for(ours, lambda p: True, "a page")
            with vm.line() as line:
                page = values_agree(line, ours)
                note(f"update {page['updates']}: {len(page['figures'])} figures")
                note(cli.expect(0, "stat", f"page:{ours}", "--timeout", 60))
                modes = sh(line, "for d in /sys/bus/pci/devices/*; do [ $(cat $d/device) = 0x1110 ] && "
                                 "stat -c %a:%u $d/resource2; done; true").split()
                equal(modes, ["600:0"] * (1 if ON_VMM else 2), "who may write")
                check(not any(other.read_bytes()), "somebody else's memory was written to")
                nothing_is_asked(line, ours)
                freeze_is_seen(line, ours)
                death_is_told_by_the_age(line, ours)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
