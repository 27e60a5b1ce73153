#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many guests behind one exporter: 100 agents, 1000 with PVT_LONG=1. The table
says what a round of all guests costs; nothing is asserted of time."""

import concurrent.futures
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import exporter as support
import tap
from agent import find_agent
from exporter import SILENCE, Exporter, Guest, parse
from tap import check, equal

COUNT = 1000 if os.environ.get("PVT_LONG") else 100
ROUNDS = 5
PERIOD, PERIODS = (10, 6) if os.environ.get("PVT_LONG") else (1, 4)  # of --refresh
TICKS = os.sysconf("SC_CLK_TCK")


def binaries():
    """Those without sanitizers, whose cost would be measured otherwise."""
    release = os.environ.get("PVT_RELEASE")
    if not release:
        return find_agent(), support.EXPORTER
    return f"{release}/agent/pvtools-agent", f"{release}/host-side/exporter/pvtools-exporter"


@contextlib.contextmanager
def agents(binary, directory, count):
    processes = []
    try:
        for number in range(count):
            state = directory / f"state{number}"
            state.mkdir()
            processes.append(subprocess.Popen(
                [binary, "-m", "unix-listen", "-p", directory / "run" / f"vm{number}.sock", "-t", state],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        deadline = time.monotonic() + 120
        while len(list((directory / "run").iterdir())) < count:
            check(time.monotonic() < deadline, "the agents do not start")
            time.sleep(0.05)
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(30)


def cpu_seconds(pid):
    words = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS


def memory(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024, int(text.split("VmHWM:")[1].split()[0]) / 1024


def measure(exporter, one_round):
    """Wall and CPU seconds of a round: the best and the middle one."""
    rows = []
    for _ in range(ROUNDS):
        before, began = cpu_seconds(exporter.process.pid), time.monotonic()
        one_round()
        rows.append((time.monotonic() - began, cpu_seconds(exporter.process.pid) - before))
        time.sleep(0.2)
    return min(row[0] for row in rows), sorted(row[0] for row in rows)[ROUNDS // 2], sum(row[1] for row in rows) / ROUNDS


def one_page_each(exporter, names):
    """As Prometheus does: a request a guest, several at a time."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda name: exporter.page(f"/guest?target={name}"), names))
    check(all("\npvtools_guest_up 1\n" in page for page in pages), "a guest is down")
    return pages


def test_many_guests():
    agent, program = binaries()
    support.EXPORTER = program
    names = [f"vm{number}" for number in range(COUNT)]
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        (directory / "run").mkdir()
        rows = []
        with agents(agent, directory, COUNT), \
                Exporter("--sockets", directory / "run", "--max-age", 0, "--all-guests") as exporter:
            one_page_each(exporter, names)  # all are known from here on
            rows.append(("each by itself", *measure(exporter, lambda: one_page_each(exporter, names))))
            pages = one_page_each(exporter, names[:1])
            rss, peak = memory(exporter.process.pid)
            equal(parse(pages[0]).get_one("pvtools_guest_up"), 1, "the text is whole")
            rows.append(("all on one page", *measure(exporter, lambda: exporter.page("/metrics"))))
            rss_page, peak_page = memory(exporter.process.pid)
            flood = b'{"return": {}}\n' * 4000
            with Guest({"pvt-get-status": SILENCE}, directory / "run", "hung.sock"), \
                    Guest({"guest-sync-delimited": lambda _: flood}, directory / "run", "flood.sock"):
                with concurrent.futures.ThreadPoolExecutor(2) as pool:
                    bad = [pool.submit(exporter.page, f"/guest?target={bad}") for bad in ("hung", "flood")]
                    rows.append(("with one hung, one flooding", *measure(
                        exporter, lambda: one_page_each(exporter, names))))
                    check(all("\npvtools_guest_up 0\n" in one.result() for one in bad), "they are down")
                    found = parse(exporter.page("/metrics"))
                    equal(found.get_one("pvtools_exporter_guests"), COUNT + 2, "guests")
    tap.note(f"{COUNT} guests, {os.cpu_count()} CPUs shared with the agents and the client")
    tap.note("| a round of all guests | best s | middle s | CPU s of the exporter | a core, every 10 s |")
    tap.note("|---|---:|---:|---:|---:|")
    for what, best, middle, cpu in rows:
        tap.note(f"| {what} | {best:.2f} | {middle:.2f} | {cpu:.2f} | {cpu * 10:.1f} % |")
    tap.note(f"memory: {rss:.1f} MB resident, {peak:.1f} MB at most; after pages of all guests "
             f"{rss_page:.1f} MB, {peak_page:.1f} MB at most")


def lateness(found):
    """{upper bound: how many guests were asked no later than that}"""
    prefix = "pvtools_exporter_refresh_late_seconds_bucket"
    return {dict(key[1])["le"]: number for key, number in found.find(prefix).items()}


def share_within(before, after, bound):
    return (after[bound] - before[bound]) / max(after["+Inf"] - before["+Inf"], 1)


def all_answer(exporter, count):
    """Whether that many guests have been asked and have answered; the page."""
    deadline = time.monotonic() + 300
    while True:
        found = parse(exporter.page("/metrics"))
        if sum(found.find("pvtools_guest_up").values()) == count:
            return found
        check(time.monotonic() < deadline, f"not all of {count} guests answer")
        time.sleep(0.5)


def rhythm(exporter, count):
    """Some periods of --refresh with a scrape of all in each: what they cost."""
    before = lateness(all_answer(exporter, count))
    cpu, walls, ages = cpu_seconds(exporter.process.pid), [], []
    began = time.monotonic()
    for number in range(1, PERIODS + 1):
        time.sleep(max(began + number * PERIOD - time.monotonic(), 0))
        start = time.monotonic()
        text = exporter.page("/metrics")
        walls.append(time.monotonic() - start)
        now = time.time()
        found = parse(text)
        ages.append(now - min(found.find("pvtools_guest_last_success_timestamp_seconds").values()))
    seconds = time.monotonic() - began
    cpu = (cpu_seconds(exporter.process.pid) - cpu) / seconds
    after = lateness(found)
    deadline = time.monotonic() + 120
    while lateness(all_answer(exporter, count))["+Inf"] - before["+Inf"] < 2 * count:
        check(time.monotonic() < deadline, "guests are asked again and again")
        time.sleep(0.5)
    return cpu, walls, ages, [share_within(before, after, bound) for bound in ("0.1", "1")], found


def test_many_guests_in_a_rhythm():
    """--refresh: a scrape is answered from memory, whatever some guests do."""
    agent, program = binaries()
    support.EXPORTER = program
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        (directory / "run").mkdir()
        flood = b'{"return": {}}\n' * 4000
        rows = []
        with agents(agent, directory, COUNT), \
                Exporter("--sockets", directory / "run", "--refresh", PERIOD, "--all-guests") as exporter:
            rows.append(("all well", *rhythm(exporter, COUNT)[:4], *memory(exporter.process.pid)))
            with Guest({"pvt-get-status": SILENCE}, directory / "run", "hung.sock"), \
                    Guest({"guest-sync-delimited": lambda _: flood}, directory / "run", "flood.sock"):
                *figures, found = rhythm(exporter, COUNT)
                rows.append(("one hung, one flooding", *figures, *memory(exporter.process.pid)))
                equal(found.get_one("pvtools_exporter_guests"), COUNT + 2, "guests")
    tap.note(f"{COUNT} guests asked every {PERIOD} s, a scrape of all as often, {os.cpu_count()} CPUs")
    tap.note("| | of a core | scrape of all, best and worst s | oldest figures s | asked within 0.1 s, 1 s of the turn | MB, most |")
    tap.note("|---|---:|---:|---:|---:|---:|")
    for what, cpu, walls, ages, shares, now, most in rows:
        tap.note(f"| {what} | {cpu * 100:.1f} % | {min(walls):.2f}, {max(walls):.2f} | {max(ages):.1f} | "
                 f"{shares[0] * 100:.1f} %, {shares[1] * 100:.1f} % | {now:.1f}, {most:.1f} |")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
