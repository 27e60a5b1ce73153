#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What all groups of figures each second cost, on this machine's processor: the agent
that pushes them, the agent that writes them to a shared page, both as pvtools-exporter
scrapes them each second, over the channel and in the page, and Debian's
prometheus-node-exporter scraped each second with the collectors of the same things.

  PVT_AGENT=... PVT_CLI=... PVT_EXPORTER=... tests/bench/agent_cost.py [SECONDS]

Targets: at most 0.2 % of a core, constant memory, a quarter of node_exporter's CPU
and memory. Processor time is the process's clock, ended threads among it.
"""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE / "support")]

import cli
from agent import find_agent
from exporter import EXPORTER

PERIOD = 1
PAGES = 4  # that memory may differ by: the allocator and the stack of a thread settle
WARM_UP = 10
CORE_SHARE = 0.002
QUARTER = 0.25
COLLECTORS = ["cpu", "meminfo", "loadavg", "pressure", "stat", "vmstat", "diskstats", "netdev", "filesystem"]
DEVICE = "sys/bus/pci/devices/0000:00:05.0"


def cpu_seconds(pid):
    """clock_getcpuclockid(3): CPUCLOCK_SCHED of a process."""
    return time.clock_gettime(~pid << 3 | 2)


def memory(pid):
    """(resident, private) KiB."""
    fields = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split()[:2]
        fields[name.rstrip(":")] = int(value)
    return fields["Rss"], fields["Private_Clean"] + fields["Private_Dirty"]


def measure(pid, seconds):
    """(share of a core, KiB resident, KiB private, KiB that it grew by in the second half)."""
    time.sleep(WARM_UP)
    used, began = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds / 2)
    half = memory(pid)
    time.sleep(seconds / 2)
    share = (cpu_seconds(pid) - used) / (time.monotonic() - began)
    end = memory(pid)
    return share, end[0], end[1], end[0] - half[0]


@contextlib.contextmanager
def running(*command):
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def wait_for(path):
    deadline = time.monotonic() + 60
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {path}")
        time.sleep(0.1)


@contextlib.contextmanager
def agent(place, root="/", period=0, dialect="extended"):
    config, path = place / "agent.conf", place / "extended.sock"
    config.write_text(f"[general]\npage-period={period}\n[channel one]\nmethod=unix-listen\npath={path}\n"
                      f"dialect={dialect}\n")
    with running(find_agent(), "-c", config, "-t", place / "state", "--root", root) as process:
        wait_for(path)
        yield process, path
    path.unlink(missing_ok=True)


def idle(place, seconds):
    with agent(place) as (process, _):
        return measure(process.pid, seconds)


def pushed(place, seconds):
    with agent(place) as (process, path):
        watch = subprocess.Popen([cli.find_cli(), "watch", f"unix:{path}", "-m", "all", "--period", str(PERIOD), "--full",
                                  "--heartbeat", str(PERIOD), "-o", "json"], stdout=subprocess.DEVNULL)
        try:
            return measure(process.pid, seconds)
        finally:
            watch.terminate()
            watch.wait(30)


def page_root(place):
    """A file in place of the device's memory: what the agent does is the same."""
    root = place / "root"
    shutil.rmtree(root, ignore_errors=True)
    (root / DEVICE).mkdir(parents=True)
    for name, text in (("vendor", "0x1af4"), ("device", "0x1110"), ("enable", "0")):
        (root / DEVICE / name).write_text(text)
    for name in ("proc", "etc"):
        (root / name).symlink_to(f"/{name}")
    (root / "sys/class").symlink_to("/sys/class")
    cli.expect(0, "page", f"page:{root / DEVICE / 'resource2'}", "--create")
    return root


def page(place, seconds):
    root = page_root(place)
    with agent(place, root, PERIOD) as (process, _):
        result = measure(process.pid, seconds)
        cli.expect(0, "stat", f"page:{root / DEVICE / 'resource2'}", "--timeout", 60)
        return result


def scraped(place, seconds, paged):
    """pvtools-exporter asks for all each second, or reads the page and asks for the rest each minute."""
    root, words = "/", []
    if paged:
        root = page_root(place)
        (place / "pages").mkdir()
        (place / "pages/extended").symlink_to(root / DEVICE / "resource2")
        words = ["--pages", place / "pages"]
    with agent(place, root, PERIOD if paged else 0, "qemu-ga") as (process, path):
        with running(EXPORTER, "--listen", "127.0.0.1:0", "--sockets", path, "--refresh", PERIOD, "--max-age", 0, *words):
            return measure(process.pid, seconds)


def node_exporter(program, seconds):
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    flags = [f"--collector.{name}" for name in COLLECTORS]
    with running(program, "--collector.disable-defaults", "--web.disable-exporter-metrics", *flags,
                 f"--web.listen-address=127.0.0.1:{port}") as process:
        scraper = subprocess.Popen([sys.executable, __file__, "--scrape", str(port)])
        try:
            return measure(process.pid, seconds)
        finally:
            scraper.terminate()
            scraper.wait(30)


def scrape(port):
    while True:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read()
        time.sleep(PERIOD)


def row(name, result, base):
    share, rss, private, grew = result
    text = f"{name:34} {share * 100:7.3f} % {rss:8d} KiB {private:8d} KiB {grew:+6d} KiB"
    if base and name.startswith("agent,"):
        text += f"   {share / base[0]:6.1%} {rss / base[1]:6.1%}"
    print(text, flush=True)


def verdict(what, good):
    print(f"{'met   ' if good else 'MISSED'} {what}")


def main():
    if sys.argv[1:2] == ["--scrape"]:
        scrape(int(sys.argv[2]))
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    program = shutil.which("prometheus-node-exporter")
    with tempfile.TemporaryDirectory(prefix="pvt-cost-") as name:
        place = pathlib.Path(name)
        print(f"{'':34} {'of a core':>9} {'resident':>12} {'private':>12} {'grew by':>10}   CPU and memory to node_exporter's")
        base = node_exporter(program, seconds) if program else None
        if base:
            row("node_exporter, scraped each 1 s", base, None)
        else:
            print("prometheus-node-exporter is not installed here: no comparison")
        row("agent, nobody asks", idle(place, seconds), base)
        results = {"pushed": pushed(place, seconds), "page": page(place, seconds)}
        row("agent, all groups pushed each 1 s", results["pushed"], base)
        row("agent, shared page each 1 s", results["page"], base)
        row("agent, scraped each 1 s by channel", scraped(place, seconds, False), base)
        row("agent, scraped each 1 s by page", scraped(place, seconds, True), base)
        for what, (share, rss, _, grew) in results.items():
            verdict(f"{what}: at most {CORE_SHARE:.1%} of a core", share <= CORE_SHARE)
            verdict(f"{what}: constant memory", grew <= PAGES * os.sysconf("SC_PAGESIZE") // 1024)
            if base:
                verdict(f"{what}: a quarter of node_exporter's CPU", share <= base[0] * QUARTER)
                verdict(f"{what}: a quarter of node_exporter's memory", rss <= base[1] * QUARTER)


if __name__ == "__main__":
    main()
