#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The exporter reads what guests share with their host, and asks them only for the rest;
a page that is old, torn, broken or another's is as good as none."""

import contextlib
import json
import pathlib
import struct
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import cli
import shared_page
import tap
import test_exporter
import test_page
from exporter import SILENCE, Exporter, Guest, parse, run, status
from tap import check, equal, note

WAIT = 60
# What a page holds, of what grows: test_exporter.counters().
HELD = ("node_cpu_seconds_total", "node_disk_reads_completed_total", "node_disk_read_bytes_total",
        "node_disk_writes_completed_total", "node_disk_written_bytes_total", "node_disk_io_time_seconds_total",
        "node_context_switches_total", "node_intr_total", "node_forks_total", "node_vmstat_pgmajfault",
        "node_vmstat_oom_kill")


@contextlib.contextmanager
def place():
    """(directory of sockets, directory of pages)."""
    with tempfile.TemporaryDirectory(prefix="pvt-exporter-page-") as name:
        sockets, pages = pathlib.Path(name) / "s", pathlib.Path(name) / "p"
        sockets.mkdir()
        pages.mkdir()
        yield sockets, pages


def state(samples):
    found = [dict(labels)["state"] for (name, labels), value in samples.items()
             if name == "pvtools_guest_page" and value == 1]
    equal(len(found), 1, "states")
    return found[0]


def scrape_until(exporter, target, wanted, what):
    deadline = time.monotonic() + WAIT
    while True:
        samples = exporter.guest(target)
        if wanted(samples):
            return samples
        check(time.monotonic() < deadline, f"{what} never came: {samples.find('pvtools_guest_page')}")
        time.sleep(0.1)


def becomes(exporter, target, wanted):
    return scrape_until(exporter, target, lambda samples: state(samples) == wanted, wanted)


def figures(load, **more):
    return {"load.load1m": float(load), "memory.total": 1 << 30, "cpu.0.user-ms": 1500, "cpu.all.user-ms": 1500, **more}


def scripted(sockets, boot=shared_page.BOOT, **replies):
    """A guest whose channel says another load than its page."""
    return Guest({"pvt-get-status": status(), "guest-get-load": {"load1m": 7, "load5m": 0, "load15m": 0},
                  "pvt-get-uptime": {"uptime-ms": 1, "boot-id": boot, "boot-time-ms": 1, "now-ms": 1}, **replies},
                 sockets, "g.sock")


def options(sockets, pages, *more):
    return ("--sockets", sockets, "--pages", pages, "--max-age", 0, *more)


def wait_for_updates(path, n):
    first = test_page.look(path)["updates"]
    test_page.wait_for(path, lambda page: page["updates"] >= first + n and "filesystems.read-at-ns" in page["figures"])


def nothing_is_asked(exporter, requests, path):
    """The last of twenty scrapes, for which the agent answered no request. Where it was not
    given a processor for three seconds, its page was stale and it was asked: once more."""
    for _ in range(10):
        count = requests()
        each = requests() - count  # what asking for the number adds to it
        wait_for_updates(path, 2)
        taken = [exporter.guest("db1") for _ in range(20)]
        if all(state(samples) == "used" for samples in taken):
            equal(requests(), count + 2 * each, "requests")
            return taken[-1]
    raise AssertionError("its page was always stale")


def test_real_agent():
    """The same names as by the channel, values by /proc, and no question to the agent."""
    with place() as (sockets, pages), test_page.machine(one=True) as root, test_page.agent(root) as agent:
        (sockets / "db1.sock").symlink_to(agent.socket)
        (pages / "db1").symlink_to(test_page.bar(root))
        requests = lambda: json.loads(cli.expect(0, "raw", f"unix:{agent.socket}", "pvt-get-status"))["requests"]
        wait_for_updates(test_page.bar(root), 2)
        with Exporter(*options(sockets, pages, "--page-rest", 3600)) as exporter:
            asked = exporter.guest("db1")
            equal(state(asked), "new", "a page that was seen once")
            equal(asked.get_one("pvtools_guest_channel_rounds_total"), 1, "asked")
            used = becomes(exporter, "db1", "used")
            own = {"pvtools_guest_channel_age_seconds"}
            rounds = used.get_one("pvtools_guest_channel_rounds_total")
            equal(used.names() - own, asked.names(), "names")
            kinds = lambda samples: {(name, tuple(label for label, _ in labels)) for name, labels in samples if name not in own}
            equal(kinds(used), kinds(asked), "labels")
            sources = lambda samples: set(samples.find("node_filesystem_size_bytes"))
            equal(sources(used), sources(asked), "filesystems")
            before, used = test_exporter.counters(), nothing_is_asked(exporter, requests, test_page.bar(root))
            wait_for_updates(test_page.bar(root), 1)
            after = test_exporter.counters()
            compared = [key for key in before if key[0] in HELD]
            for key in compared:
                value = used.get((key[0], tuple(sorted(key[1:]))))
                if value is None and key[0].startswith("node_disk"):
                    continue  # one that was never used
                check(value is not None and before[key] - 0.02 <= value <= after[key] + 0.02,
                      f"{key}: {before[key]} <= {value} <= {after[key]}")
            check(len(compared) > 6, compared)
            check(used.get_one("pvtools_guest_channel_rounds_total") >= rounds, "asked")
            equal(used.get_one("pvtools_guest_up"), 1, "up")
            equal(used.get_one("pvtools_guest_health", state="ok"), 1, "health")
            equal(used.get_one("node_uname_info"), 1, "what the channel told")
            note(f"{len(used)} samples of {len(asked)}")


def test_the_rest_is_asked_by_itself():
    """What a page does not hold is asked each --page-rest, and a scrape does not wait for it."""
    with place() as (sockets, pages), scripted(sockets) as guest:
        with shared_page.Writer(pages / "g", lambda n: shared_page.page(figures(1), updates=n)):
            with Exporter(*options(sockets, pages, "--page-rest", 0.5, "--timeout", 60)) as exporter:
                samples = becomes(exporter, "g", "used")
                equal(samples.get_one("node_load1"), 1, "the page's")
                samples = scrape_until(exporter, "g", lambda s: s.get_one("pvtools_guest_channel_rounds_total") >= 3, "a round")
                equal(samples.get_one("pvtools_agent_info"), 1, "the rest")
                guest.replies["pvt-get-status"] = SILENCE
                before = guest.asked["pvt-get-status"]
                deadline = time.monotonic() + WAIT
                while guest.asked["pvt-get-status"] == before:
                    equal(exporter.guest("g").get_one("node_load1"), 1, "while the channel is asked")
                    check(time.monotonic() < deadline, "it was never asked again")
                for _ in range(20):
                    samples = exporter.guest("g")
                    equal((state(samples), samples.get_one("pvtools_guest_up")), ("used", 1), "while the channel hangs")
                guest.__exit__()  # the exporter ends without waiting for a minute


def test_never_asked():
    """With --page-rest 0 a channel that somebody else has is left alone."""
    with place() as (sockets, pages), scripted(sockets) as guest:
        with shared_page.Writer(pages / "g", lambda n: shared_page.page(figures(1), updates=n)):
            with Exporter(*options(sockets, pages, "--page-rest", 0)) as exporter:
                for _ in range(5):
                    samples = exporter.guest("g")
                    equal((state(samples), samples.get_one("node_load1")), ("used", 1), "by the page")
                check("pvtools_agent_info" not in samples.names(), "nothing else")
        equal(guest.connections, 0, "connections")


def falls_back(make, wanted, after=None):
    """A page that was good becomes one that @make makes: @wanted, and figures by the channel.
    @wanted None: as if there never was one."""
    with place() as (sockets, pages), scripted(sockets):
        bad = threading.Event()
        good = lambda n: shared_page.page(figures(1), updates=n)
        with shared_page.Writer(pages / "g", lambda n: make(n) if bad.is_set() else good(n)) as writer:
            with Exporter(*options(sockets, pages, "--page-rest", 3600)) as exporter:
                equal(becomes(exporter, "g", "used").get_one("node_load1"), 1, "by the page")
                bad.set()
                if after:
                    after(writer)
                if wanted:
                    samples = becomes(exporter, "g", wanted)
                else:
                    samples = scrape_until(exporter, "g", lambda s: "pvtools_guest_page" not in s.names(), "no page")
                equal(samples.get_one("node_load1"), 7, "by the channel")
                equal(samples.get_one("pvtools_guest_up"), 1, "up")


def test_stale():
    def last(writer):
        deadline = time.monotonic() + WAIT
        while int.from_bytes(writer.path.read_bytes()[80:84], "little") != 300:
            check(time.monotonic() < deadline, "it was never written")
            time.sleep(0.01)
        writer.__exit__()
    falls_back(lambda n: shared_page.page(figures(2), updates=n, period=300), "stale", last)


def test_ended():
    falls_back(lambda n: shared_page.page(figures(2), updates=n, flags=shared_page.ENDED), "ended")


def test_slow():
    falls_back(lambda n: shared_page.page(figures(2), updates=n, period=0xffffffff), "slow")


def test_cut():
    falls_back(lambda n: shared_page.page(figures(2), updates=n, omitted=3), "cut")


def test_no_agent_yet():
    falls_back(lambda n: shared_page.page(figures(2), updates=n, version=0), "absent")


def test_torn():
    falls_back(lambda n: shared_page.page(figures(2), updates=n, sequence=2 * n + 1), "torn")


def test_broken():
    falls_back(lambda n: b"\xff" * 8192, "broken")


def test_another_version():
    falls_back(lambda n: shared_page.page(figures(2), updates=n, version=9), "broken")


def test_shorter_than_it_says():
    falls_back(lambda n: shared_page.page(figures(2), updates=n)[:32] + struct.pack("<I", 262144), "broken")


def test_file_goes():
    falls_back(lambda n: shared_page.page(figures(2), updates=n), None,
               lambda writer: (writer.__exit__(), pathlib.Path(writer.path).unlink()))


def test_reboot_and_the_page_of_another():
    """Another boot than the channel's is asked for: after a reboot once, of another guest's page always."""
    with place() as (sockets, pages), scripted(sockets) as guest:
        boots = [shared_page.BOOT]
        with shared_page.Writer(pages / "g", lambda n: shared_page.page(figures(1), updates=n, boot=boots[-1])):
            with Exporter(*options(sockets, pages, "--page-rest", 3600)) as exporter:
                becomes(exporter, "g", "used")
                boots.append("22222222-aaaa")
                for _ in range(3):
                    samples = becomes(exporter, "g", "foreign")
                    equal(samples.get_one("node_load1"), 7, "by the channel")
                guest.replies["pvt-get-uptime"] = {"uptime-ms": 1, "boot-id": boots[-1], "boot-time-ms": 1, "now-ms": 1}
                equal(becomes(exporter, "g", "used").get_one("node_load1"), 1, "by the page")


def test_frozen():
    """What must not be touched is absent, though page and channel told it before."""
    fs = {"filesystems./.source": "/dev/vda", "filesystems./.type": "ext4", "filesystems./.total-bytes": 100,
          "filesystems./.used-bytes": 40, "filesystems./.available-bytes": 50, "filesystems./.read-only": 0}
    with place() as (sockets, pages), scripted(sockets):
        flags = [0]
        make = lambda n: shared_page.page(figures(1, **fs, **{"filesystems.read-at-ns": 10**9}), updates=n, monotonic=10**9 + n,
                                          flags=flags[-1])
        with shared_page.Writer(pages / "g", make):
            with Exporter(*options(sockets, pages)) as exporter:
                samples = becomes(exporter, "g", "used")
                equal(samples.get_one("node_filesystem_free_bytes", device="/dev/vda", fstype="ext4", mountpoint="/"), 60, "free")
                flags.append(shared_page.FROZEN)
                samples = scrape_until(exporter, "g", lambda s: s.get_one("pvtools_guest_frozen") == 1, "a frozen guest")
                check(not any(name.startswith("node_filesystem") for name in samples.names()), samples.names())
                equal(samples.get_one("pvtools_guest_health", state="frozen"), 1, "health")


def test_page_alone():
    """A guest that is nothing but its page: found by its label, and kept when that goes."""
    with place() as (sockets, pages):
        (pages / "other").write_bytes(bytes(65536))
        broken = threading.Event()
        make = lambda n: b"x" * 64 if broken.is_set() else shared_page.page(figures(1), updates=n)
        with shared_page.Writer(pages / "lone.page", make):
            with Exporter("--pages", pages, "--max-age", 0) as exporter:
                found = json.loads(exporter.page("/sd"))
                equal([one["labels"]["instance"] for one in found], ["lone"], found)
                target = found[0]["labels"]["__param_target"]
                equal(target, f"page:{pages / 'lone.page'}", "address")
                samples = exporter.guest(target)
                equal((state(samples), samples.get_one("node_load1"), samples.get_one("pvtools_guest_up")), ("used", 1, 1), "page")
                equal(samples.get_one("node_cpu_seconds_total", cpu="0", mode="user"), 1.5, "CPU")
                equal(len(samples.find("node_cpu_seconds_total")), 1, "processors")
                broken.set()
                samples = becomes(exporter, target, "broken")
                equal(samples.get_one("pvtools_guest_up"), 0, "up")
                time.sleep(1.5)  # directories are read again
                equal(len(json.loads(exporter.page("/sd"))), 1, "without its label")
        done = run("--once", f"page:{pages / 'other'}", "--timeout", 1)
        equal(done.returncode, 1, done.stderr)
        equal(parse(done.stdout).get_one("pvtools_guest_up"), 0, "what is no page")


def test_many_pages_in_turns():
    """With --refresh nobody waits for a page's next update: it is used from its second turn on."""
    with place() as (_, pages), contextlib.ExitStack() as stack:
        for number in range(30):
            stack.enter_context(shared_page.Writer(pages / f"vm{number}", lambda n: shared_page.page(figures(1), updates=n), pause=0.3))
        exporter = Exporter("--pages", pages, "--refresh", 1, "--all-guests")
        deadline = time.monotonic() + WAIT
        while True:
            samples = parse(exporter.page("/metrics"))
            used = samples.find("pvtools_guest_page", state="used")
            if len(used) == 30 and all(used.values()):
                break
            check(time.monotonic() < deadline, used)
            time.sleep(0.2)
        equal(len(samples.find("node_load1")), 30, "figures")
        code, text = exporter.stop()
        equal((code, text), (0, ""), "a page's first turn is no news")


def test_hostile_figures():
    """Everything that fits a page's layout gives text that Prometheus reads: parse() is strict."""
    evil = {"cpu.99999999999999999999.user-ms": 1, "cpu.-1.user-ms": 1, "cpu.0.user-ms": 2 ** 64 - 1, "cpu.0\".idle-ms": 1,
            "links.a\"\\{}.rx-bytes": 5, "links.b.rx-bytes": -5, "load.load1m": 1e308, "memory.x.total": 5, "disks.vda1.reads": 1,
            "disks..x.reads": 1, "filesystems.read-at-ns": 2 ** 63, "filesystems./\".source": "\"", "filesystems./\".type": "\\",
            "filesystems./\".used-bytes": 2 ** 64 - 1, "filesystems./\".total-bytes": 1, "pvtools.guest.up": 0,
            "memory.available-estimated": 1, "memory.available": 77, "pressure.io.some-total-us": -1, "load.load5m": "text"}
    many = {f"links.{number:0200}.rx-bytes": number for number in range(1000)}
    spaces = {f"filesystems./{number}.{field}": value for number in range(900)
              for field, value in (("source", "s" * 100), ("type", "t"), ("total-bytes", 2))}
    with place() as (_, pages):
        for figures_of in (evil, many, {**spaces, "filesystems.read-at-ns": 5}):
            make = lambda n: shared_page.page(figures_of, updates=n, monotonic=5 + n, realtime=2 ** 64 - 1)
            with shared_page.Writer(pages / "evil", make) as writer:
                done = run("--once", f"page:{pages / 'evil'}", "--timeout", 30)
                samples = parse(done.stdout)
                equal(done.returncode, 0, (done.stderr, state(samples)))
                equal(samples.get_one("pvtools_guest_up"), 1, "up")
                check(len(samples) < 8192, len(samples))
            pathlib.Path(writer.path).unlink()


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
