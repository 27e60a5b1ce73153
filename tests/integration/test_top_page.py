#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""pvtools top of guests that share a page with their host: read there as long as somebody
writes it, or else asked for."""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cli
import shared_page
import tap
from agent import Agent
from tap import check, equal

WAIT = 60


def figures(n):
    """A second of the guest's for each update: half of it busy, 1 MiB read, 2 MiB received."""
    return {"cpu.all.user-ms": 500 * n, "cpu.all.idle-ms": 500 * n, "memory.total": 1 << 30, "memory.available": 1 << 28,
            "load.load1m": 0.25, "disks.vda.read-bytes": n << 19, "disks.vdb.read-bytes": n << 19, "disks.vda.written-bytes": 7,
            "links.eth0.100.rx-bytes": n << 21, "links.eth0.100.tx-bytes": 0, "links.lo.rx-bytes": n << 30,
            "filesystems.read-at-ns": 1, "filesystems./.used-bytes": 1, "filesystems./.available-bytes": 3, "filesystems./.read-only": 0,
            "filesystems./a.b.used-bytes": 9, "filesystems./a.b.available-bytes": 1, "filesystems./a.b.read-only": 0,
            "filesystems./iso.used-bytes": 9, "filesystems./iso.available-bytes": 0, "filesystems./iso.read-only": 1}


def make(n, **header):
    return shared_page.page(figures(n), updates=n, monotonic=10**9 * (n + 1), **header)


def short(n):
    """Stale three seconds after its writer has ended."""
    return make(n, period=1000)


def once(*words):
    text = cli.expect(0, "top", *words, "--once", "-o", "json", "--interval", 0.2, "--timeout", 30)
    return {row["name"]: row for row in json.loads(text)}


def test_page_alone():
    with tempfile.TemporaryDirectory(prefix="pvt-top-page-") as name:
        path = pathlib.Path(name) / "db1"
        with shared_page.Writer(path, make):
            for words, guest in ((["--pages", name], "db1"), ([f"page:{path}"], f"page:{path}")):
                row = once(*words)[guest]
                equal((row["source"], row.get("error"), row["guest"]), ("page", None, f"page:{path}"), row)
                equal((row["cpu"], row["memory"], row["load"]), (0.5, 0.75, 0.25), "shares")
                equal((row["read-bytes-per-second"], row["written-bytes-per-second"]), (1 << 20, 0), "disks")
                equal((row["received-bytes-per-second"], row["sent-bytes-per-second"]), (2 << 20, 0), "network")
                equal((row["disk"], row["fullest"]), (0.9, "/a.b"), "filesystems")
        for data, why in ((short(5), "stale page"), (make(5, flags=shared_page.ENDED), "agent ended"), (make(5, period=60000), "slow page"),
                          (make(5, omitted=1), "cut page"), (make(5, sequence=3), "torn page"), (make(5, version=0), "no page"),
                          (b"\xff" * 4096, "broken page")):
            with path.open("r+b") as file:
                file.write(data)
            equal(once(f"page:{path}")[f"page:{path}"]["error"], why, "why not")


def test_page_and_channel():
    """From one to the other as the page comes and goes, in one run."""
    with tempfile.TemporaryDirectory(prefix="pvt-top-page-") as name, Agent() as agent:
        sockets, pages = pathlib.Path(name) / "s", pathlib.Path(name) / "p"
        sockets.mkdir()
        pages.mkdir()
        (sockets / "db1.sock").symlink_to(agent.socket)
        process = None

        def until(state):
            deadline = time.monotonic() + WAIT
            while True:
                words = process.stdout.readline().split()
                if words[:2] == ["db1", state]:
                    return
                check(words and time.monotonic() < deadline, f"{state} never came: {words}")
        with shared_page.Writer(pages / "db1", short) as writer:
            process = subprocess.Popen([cli.find_cli(), "top", "--sockets", sockets, "--pages", pages, "--batch", "--interval", "0.2"],
                                       stdout=subprocess.PIPE, text=True)
            until("page")
        try:
            until("polled")
            writer.over.clear()
            with shared_page.Writer(pages / "db1", lambda n: short(n + writer.updates)):
                until("page")
        finally:
            process.terminate()
            process.communicate(timeout=60)
        equal(process.returncode, 0, "exit")


def test_hostile_figures():
    """Sums that overflow, objects that are not any, counters that fall: no figure, or a share."""
    huge = 2 ** 64 - 1
    evil = lambda n: {"cpu.all.user-ms": huge - n, "cpu.all.idle-ms": huge, "memory.total": 1, "memory.available": huge,
                      "disks.a.read-bytes": huge, "disks.b.read-bytes": huge - n, "disks.read-bytes": 1, "links.rx-bytes": 1,
                      "links.x.rx-bytes": -1, "filesystems.used-bytes": huge, "filesystems./.used-bytes": huge,
                      "filesystems./.available-bytes": huge, "filesystems./.source": "x", "load.load1m": -1e308,
                      **{f"filesystems./{number}.used-bytes": number for number in range(3000)}}
    with tempfile.TemporaryDirectory(prefix="pvt-top-page-") as name:
        path = pathlib.Path(name) / "evil"
        with shared_page.Writer(path, lambda n: shared_page.page(evil(n), updates=n, monotonic=huge if n % 2 else 0)):
            row = once(f"page:{path}")[f"page:{path}"]
            equal(row["source"], "page", row)
            check(all(0 <= row.get(share, 0) <= 1 for share in ("cpu", "memory", "disk")), row)


def test_usage():
    done = cli.run("top", "--pages", "/nowhere", "--once")
    check(done.returncode == 2 and "/nowhere" in done.stderr, done.stderr)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
