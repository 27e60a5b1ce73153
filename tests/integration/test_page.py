#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The shared page without a guest: a file stands for the device's memory."""

import contextlib
import json
import os
import pathlib
import signal
import struct
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cli
import tap
from agent import Agent
from tap import check, equal, note

TIMEOUT = 60
DEVICES = "sys/bus/pci/devices"
SEQUENCE = 24  # offset of the header's field, protocol/page/layout.h


@contextlib.contextmanager
def machine(**bars):
    """A root with the real /proc and an ivshmem device for each address; @bars: address -> labelled."""
    with tempfile.TemporaryDirectory(prefix="pvt-page-") as name:
        root = pathlib.Path(name)
        for link in ("proc", "etc"):
            (root / link).symlink_to(f"/{link}")
        (root / "sys").mkdir()
        (root / "sys/class").symlink_to("/sys/class")
        for number, labelled in enumerate(bars.values(), 1):
            device = root / DEVICES / f"0000:00:0{number}.0"
            device.mkdir(parents=True)
            for file, text in (("vendor", "0x1af4"), ("device", "0x1110"), ("enable", "0")):
                (device / file).write_text(text)
            if labelled:
                cli.expect(0, "page", f"page:{device / 'resource2'}", "--create", "--size", 65536)
            else:
                (device / "resource2").write_bytes(bytes(65536))
        yield root


def bar(root, number=1):
    return root / DEVICES / f"0000:00:0{number}.0" / "resource2"


@contextlib.contextmanager
def agent(root, *keys):
    config = root / "agent.conf"
    config.write_text("\n".join(["[general]", *keys]) + "\n")
    with Agent("-c", str(config), "--root", str(root)) as running:
        yield running


def look(path, code=0):
    return json.loads(cli.expect(code, "page", f"page:{path}", "-o", "json", "--timeout", TIMEOUT))


def wait_for(path, wanted):
    deadline = time.monotonic() + TIMEOUT
    while True:
        done = cli.run("page", f"page:{path}", "-o", "json", "--timeout", 5)
        page = json.loads(done.stdout) if done.stdout else {}
        if page and wanted(page):
            return page
        check(time.monotonic() < deadline, f"never came: {page or done.stderr}")
        time.sleep(0.1)


def test_end_and_beginning():
    """An agent that ends says so; the next one goes on with the same page."""
    with machine(one=True) as root:
        cli.expect(3, "stat", f"page:{bar(root)}")
        with agent(root):
            first = wait_for(bar(root), lambda p: "filesystems.read-at-ns" in p["figures"])
            check(not first["ended"] and first["period-ms"] == 1000, first)
            check(first["figures"]["filesystems./.type"] and first["figures"]["filesystems./.source"], first)
            equal((root / DEVICES / "0000:00:01.0/enable").read_text(), "1", "decoding")
        last = look(bar(root), code=4)
        check(last["ended"] and last["stale"] and last["updates"] >= first["updates"], last)
        with agent(root):
            wait_for(bar(root), lambda p: not p["ended"])


def test_killed_while_it_writes():
    with machine(one=True) as root:
        with agent(root) as running:
            wait_for(bar(root), lambda p: p["updates"] > 1)
            running.process.send_signal(signal.SIGSTOP)
            with bar(root).open("r+b") as file:
                file.seek(SEQUENCE)
                sequence = struct.unpack("<I", file.read(4))[0]
                file.seek(SEQUENCE)
                file.write(struct.pack("<I", sequence | 1))
            said = cli.run("stat", f"page:{bar(root)}")
            equal(said.returncode, 3, said.stderr)
            check("in the middle" in said.stderr, said.stderr)
            # As a kill, but that the fixture wants an agent that ends well.
            running.process.send_signal(signal.SIGCONT)
            wait_for(bar(root), lambda p: p["updates"] > 2)
        with bar(root).open("r+b") as file:
            file.seek(SEQUENCE)
            file.write(struct.pack("<I", 0xffffffff))
        with agent(root):
            wait_for(bar(root), lambda p: not p["ended"])


def test_only_what_is_ours():
    with machine(one=False, two=False) as root:
        with agent(root):
            time.sleep(1.5)
        check(not any(bar(root, 1).read_bytes()) and not any(bar(root, 2).read_bytes()), "it wrote")
        with agent(root, "page-device=0000:00:02.0", "page-period=2"):
            equal(wait_for(bar(root, 2), lambda p: True)["period-ms"], 2000, "period")
        check(not any(bar(root, 1).read_bytes()), "it wrote to the other")
        with agent(root, "page-device=0000:00:07.0") as running:
            deadline = time.monotonic() + TIMEOUT
            while "0000:00:07.0" not in running.log.read_text():
                check(time.monotonic() < deadline, "a device that is not there is not complained of")
                time.sleep(0.1)


def wakeups(running):
    text = pathlib.Path(f"/proc/{running.process.pid}/status").read_text()
    return int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


def test_off_is_off():
    """No wake-up without the device, nor with it when the period is 0."""
    for labelled, keys in ((False, ()), (True, ("page-period=0",))):
        with machine(one=labelled) as root, agent(root, *keys) as running:
            time.sleep(1)
            before = wakeups(running)
            time.sleep(3)
            after = wakeups(running)
            note(f"{after - before} wake-ups in three seconds")
            check(after - before <= 2, f"{after - before} wake-ups")
            check(bar(root).read_bytes()[16:20] == bytes(4), "it wrote")


def test_hostile_files():
    """What a guest may leave there is an error, not an end."""
    with tempfile.TemporaryDirectory() as name:
        path = pathlib.Path(name) / "page"
        head = struct.pack("<16sIIIIIIII", b"pvtools-page", 1, 160, 2, 0, 4096, 8192, 160, 0)
        for data, code in ((b"", 5), (b"x" * 8192, 5), (head.ljust(8192, b"\0"), 5),
                           (head.ljust(8192, b"\xff"), 5), (os.urandom(4096), 5),
                           (b"pvtools-page".ljust(8192, b"\0"), 3), (head[:16] + b"\x09" * 8000, 6)):
            path.write_bytes(data)
            for verb in ("stat", "page"):
                done = cli.run(verb, f"page:{path}")
                equal(done.returncode, code, (verb, data[:40], done.stderr))
        done = cli.run("info", f"page:{path}")
        check(done.returncode == 2 and "takes no commands" in done.stderr, done.stderr)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
