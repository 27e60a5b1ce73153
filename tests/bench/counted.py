#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Answer times in a guest whose clock counts instructions: QEMU with -icount, one
processor, where each instruction takes a nanosecond, the kernel's among them. What
else this machine does changes nothing, and neither does how it emulates.

  counted.py --agent BUILD/agent/pvtools-agent --load BUILD/tests/bench/load
             [--peer /usr/sbin/qemu-ga] [--count N] [--json FILE]

Both agents and the echo (tests/bench/echo.c) run in the same guest and are asked in turns
over unix sockets; the client is in the guest, too, so its instructions are in the figures
of all three. Medians of the answer times; ratios below 1 are ours.
"""

import argparse
import json
import pathlib
import re
import shlex
import shutil
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / name) for name in ("guest", "support")]

import base
import bench
import micro
from qemuvm import QemuVM

LANES = ("qemu-ga", "pvtools", bench.FLOOR)
WARM_UP = 20
TIMEOUT = 900
# The kernel's stories of a processor that stands still for long are not wanted.
APPEND = f"{bench.APPEND} nowatchdog"


def measured(lane, name, count):
    """Shell words that ask @lane for it; the echo answers as much as the one before it."""
    line = shlex.quote(bench.request(name))
    if lane == bench.FLOOR:
        line = f'"$(printf %0{len(bench.request(name))}d "$size")"'
    ask = f"load /run/{lane}.sock"
    return [f"{ask} {WARM_UP} 1 {line} > /dev/null", f"set -- $({ask} {count} 1 {line})",
            f"size=$(($4 / {count}))", f'echo "took {lane} {name} $1"']


def script(count):
    lines = ["#!/bin/busybox sh", "mkdir -p /run/qemu-ga /run/pvtools"]
    for lane in LANES[:2]:
        lines.append(f"/bin/{lane} -m unix-listen -p /run/{lane}.sock -t /run/{lane} > /dev/null 2>&1 &")
    lines.append(f"/bin/{bench.FLOOR} /run/{bench.FLOOR}.sock &")
    lines += [f"while [ ! -S /run/{lane}.sock ]; do sleep 0.1; done" for lane in LANES]
    for name in bench.QUERIES:
        for lane in LANES:
            lines += measured(lane, name, count)
    return "\n".join([*lines, "echo all is measured", "poweroff -f"]) + "\n"


class Counted(QemuVM):
    """Without hardware's help, whatever there is: it does not count."""

    accelerator = ["-accel", "tcg,thread=single", "-cpu", "max", "-icount", "shift=0,sleep=on"]


def run(options, directory):
    """What the guest said on its console."""
    programs = [directory / lane for lane in LANES]
    for source, target in zip((options.peer, options.agent, options.load.with_name("echo")), programs):
        shutil.copy(source, target)
    (directory / "script").write_text(script(options.count))
    kernel, _, release = base.kernel()
    micro.build(options.agent, release, directory / "initrd", programs=[*programs, options.load],
                extra=[(directory / "script", "sbin/agent")])
    with Counted(kernel, directory / "initrd", smp="1", memory=256, disks=[bench.DISK], append=APPEND) as vm:
        vm.process.wait(TIMEOUT)
        return vm.console.read_text(errors="replace")


def parse(text):
    """{command: {lane: instructions}}"""
    if "all is measured" not in text:
        raise RuntimeError(f"the guest ended before its time: {text[-2000:]}")
    rows = {}
    for lane, name, took in re.findall(r"^took (\S+) (\S+) ([\d.]+)\r?$", text, re.M):
        rows.setdefault(name, {})[lane] = float(took) * 1000
    missing = [name for name in bench.QUERIES if set(rows.get(name, {})) != set(LANES)]
    if missing:
        raise RuntimeError(f"no figures of {', '.join(missing)}: {text[-2000:]}")
    return rows


def table(rows):
    peer, ours, floor = LANES
    lines = [f"| instructions until the answer, in a guest | floor | {peer} | {ours} | ratio | above the floor |",
             "|---|---:|---:|---:|---:|---:|"]
    for name, row in rows.items():
        above = (row[ours] - row[floor]) / (row[peer] - row[floor])
        lines.append(f"| {name} | {row[floor]:,.0f} | {row[peer]:,.0f} | {row[ours]:,.0f} | "
                     f"{row[ours] / row[peer]:.2f} | {above:.2f} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agent", required=True)
    parser.add_argument("--load", required=True, type=pathlib.Path)
    parser.add_argument("--peer", default="/usr/sbin/qemu-ga")
    parser.add_argument("--count", type=int, default=50, help="requests of a command, to each")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pvt-bench-") as name:
        rows = parse(run(options, pathlib.Path(name)))
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
