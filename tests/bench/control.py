#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Control in a guest, ours beside qemu-ga's: freeze, exec, moving files.

  tests/bench/control.py --agent AGENT [--qemu-ga PATH] [--rounds N] [--json FILE]

Two micro guests, one with each agent, run the same things over virtio-serial in
turns, so that what else the machine does hits both. Ratios count; times are the
machine's.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "support"), str(HERE.parent / "guest")]

import cli
import micro
from vm import VM

FILE_MIB = 24
DISK = [("virtio-blk-pci,drive={drive},serial=bench", 64 << 20)]

# How clients of today wait for guest-exec: they ask again and again.
POLL_SECONDS = 0.05


class Guest:
    def __init__(self, name, binary):
        self.name = name
        self.vm = VM(*micro.image(binary), memory=384, disks=DISK, append="pvt.mount")

    def __enter__(self):
        self.vm.__enter__()
        self.vm.wait_agent()
        self.line = self.vm.line(timeout=300)
        self.line.sync()
        self.run_polling("dd", "if=/dev/urandom", "of=/tmp/file", "bs=1M", f"count={FILE_MIB}")
        return self

    def __exit__(self, *words):
        self.line.close()
        self.vm.__exit__(*words)

    def run_polling(self, *words):
        pid = self.line.ask("guest-exec", path=words[0], arg=list(words[1:]),
                            **{"capture-output": True})["pid"]
        while not self.line.ask("guest-exec-status", pid=pid)["exited"]:
            time.sleep(POLL_SECONDS)

    def freeze(self):
        began = time.monotonic()
        frozen = self.line.ask("guest-fsfreeze-freeze")
        took = time.monotonic() - began
        if frozen < 1:
            raise RuntimeError("nothing was frozen")
        self.line.ask("guest-fsfreeze-thaw")
        return took * 1e3

    def read_file(self, chunk):
        """MB/s of guest-file-read."""
        handle = self.line.ask("guest-file-open", path="/tmp/file", mode="r")
        began, moved = time.monotonic(), 0
        request = f'{{"execute":"guest-file-read","arguments":{{"handle":{handle},"count":{chunk}}}}}\n'
        while moved < FILE_MIB << 20:
            moved += self.line.ask_raw(request)["return"]["count"]
        took = time.monotonic() - began
        self.line.ask("guest-file-close", handle=handle)
        return moved / took / 1e6


def timed(function):
    began = time.monotonic()
    function()
    return (time.monotonic() - began) * 1e3


class Session:
    """One extended connection for many programs, as a program that uses them has."""

    def __init__(self, path):
        sys.path.insert(0, str(HERE.parent / "integration"))
        from test_extended import END, Packets
        self.end, self.line, self.last = END, Packets(path, timeout=60), 10
        self.line.hello()

    def exec(self):
        self.last += 1
        self.line.ask(self.last, "pvt-exec", argv=["true"])
        self.line.read_until(self.end, self.last)


def measure(ours, stock, rounds):
    rows = {}

    def add(name, unit, ours_value, stock_value):
        rows.setdefault(name, {"unit": unit, "ours": [], "stock": []})
        rows[name]["ours"].append(ours_value)
        rows[name]["stock"].append(stock_value)

    for _ in range(rounds):
        session = Session(ours.vm.extended_socket)
        for _ in range(5):
            add("freeze, request to frozen", "ms", ours.freeze(), stock.freeze())
            add("exec, to its exit code", "ms", timed(session.exec),
                timed(lambda: stock.run_polling("true")))
            add("exec through guest-exec", "ms", timed(lambda: ours.run_polling("true")),
                timed(lambda: stock.run_polling("true")))
        session.line.sock.close()  # the port serves one client
        for chunk in (64 << 10, 1 << 20):
            add(f"guest-file-read, {chunk >> 10} KiB at a time", "MB/s", ours.read_file(chunk),
                stock.read_file(chunk))
        with tempfile.TemporaryDirectory() as name:
            took = timed(lambda: cli.expect(0, "cp", "-q", f"unix:{ours.vm.extended_socket}", ":/tmp/file",
                                            f"{name}/x"))
            rate = (FILE_MIB << 20) / took / 1e3
            add("pvtools cp against 64 KiB reads", "MB/s", rate, stock.read_file(64 << 10))
    return rows


def table(rows):
    lines = ["| in a guest, over virtio-serial | pvtools | qemu-ga | ratio |", "|---|---|---|---|"]
    for name, row in rows.items():
        ours, stock = statistics.median(row["ours"]), statistics.median(row["stock"])
        row["ratio"] = ours / stock
        lines.append(f"| {name} ({row['unit']}) | {ours:.1f} | {stock:.1f} | {ours / stock:.2f} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--agent", required=True)
    parser.add_argument("--qemu-ga", default="/usr/sbin/qemu-ga")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json")
    options = parser.parse_args()
    os.environ["PVT_AGENT"] = options.agent
    with Guest("ours", options.agent) as ours, Guest("stock", options.qemu_ga) as stock:
        rows = measure(ours, stock, options.rounds)
    print(table(rows))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
