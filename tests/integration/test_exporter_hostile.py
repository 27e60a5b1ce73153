#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The exporter against guests that hang, flood and lie: the text stays one that
Prometheus reads, and no guest waits for another."""

import base64
import json
import pathlib
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import tap
from agent import Agent
from exporter import SILENCE, Exporter, Guest, parse, run, status
from tap import check, equal

MAX_SAMPLES = 8192


def wait_for(what, condition):
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError(f"it never came that {what}")


class Later(threading.Thread):
    """A guest's page in the background."""

    def __init__(self, exporter, target, **keywords):
        super().__init__(daemon=True)
        self.take = lambda: exporter.guest(target, **keywords)
        self.samples = None
        self.start()

    def run(self):
        try:
            self.samples = self.take()
        except (AssertionError, OSError) as error:
            self.samples = error

    def result(self):
        self.join(60)
        check(isinstance(self.samples, dict), self.samples)
        return self.samples


def hung_in(directory, count):
    return [Guest({"pvt-get-status": SILENCE}, directory, f"hung{number}.sock") for number in range(count)]


def test_hung_guests_delay_nobody():
    """More of them than there are threads for guests that do not answer."""
    with tempfile.TemporaryDirectory() as name, Agent() as agent:
        (pathlib.Path(name) / "good.sock").symlink_to(agent.socket)
        with Exporter("--sockets", name, "--timeout", 60, "--max-age", 0) as exporter:
            equal(exporter.guest("good").get_one("pvtools_guest_up"), 1, "once, to be known")
            hung = hung_in(name, 40)
            waiting = [Later(exporter, guest.address) for guest in hung]
            wait_for("many hang", lambda: sum(guest.asked["pvt-get-status"] for guest in hung) >= 20)
            for _ in range(50):
                equal(exporter.guest("good").get_one("pvtools_guest_up"), 1, "the good one")
            exporter.page("/metrics")
            exporter.page("/sd")
            check(all(later.samples is None for later in waiting), "all of them still hang")
            for guest in hung:
                guest.__exit__()
            for later in waiting:
                equal(later.result().get_one("pvtools_guest_up"), 0, "hung up")


def test_backing_off():
    """A guest that does not answer is asked once, not for every scrape."""
    with tempfile.TemporaryDirectory() as name, Guest({"pvt-get-status": SILENCE}, name, "h.sock") as guest:
        with Exporter("--sockets", name, "--timeout", 0.3) as exporter:
            # The first pause is longer than these few requests take together.
            for _ in range(5):
                samples = exporter.guest("h")
                equal(samples.get_one("pvtools_guest_up"), 0, "up")
                equal(samples.get_one("pvtools_guest_errors_total", reason="timeout"), 1, "errors")
            equal(guest.connections, 1, "connections")
            own = parse(exporter.page("/metrics"))
            equal(own.get_one("pvtools_exporter_guests_backed_off"), 1, "backed off")
            equal(own.get_one("pvtools_exporter_collects_total", result="failure"), 1, "failures")
            equal(own.get_one("pvtools_exporter_collect_duration_seconds_count"), 1, "histogram")


def test_figures_serve_for_a_while_and_askers_share():
    open_gate = threading.Event()

    def slow(_):
        open_gate.wait()
        return status()
    with tempfile.TemporaryDirectory() as name, Guest({"pvt-get-status": slow}, name, "g.sock") as guest:
        with Exporter("--sockets", name, "--timeout", 60, "--max-age", 3600) as exporter:
            waiting = [Later(exporter, "g") for _ in range(8)]
            wait_for("it is asked", lambda: guest.asked["pvt-get-status"])
            open_gate.set()
            for later in waiting:
                equal(later.result().get_one("pvtools_guest_up"), 1, "up")
            exporter.guest("g")
            equal(guest.connections, 1, "connections")


def test_prometheus_deadline_is_kept():
    """It gets an answer before it gives up, whatever --timeout says."""
    with tempfile.TemporaryDirectory() as name, Guest({"pvt-get-status": SILENCE}, name, "h.sock") as guest:
        with Exporter("--sockets", name, "--timeout", 600) as exporter:
            samples = exporter.guest("h", headers={"X-Prometheus-Scrape-Timeout-Seconds": "1"})
            equal(dict(samples), {("pvtools_guest_up", ()): 0.0}, "down")
            check(guest.connections == 1, "it is still being asked")
            guest.__exit__()


def test_ends_while_a_guest_hangs():
    with tempfile.TemporaryDirectory() as name, Guest({"pvt-get-status": SILENCE}, name, "h.sock") as guest:
        with Exporter("--sockets", name, "--timeout", 1) as exporter:
            later = Later(exporter, "h")
            wait_for("it is asked", lambda: guest.connections)
            equal(exporter.stop()[0], 0, "exit code")
            # Who waited is told, unless the end came between.
            try:
                equal(later.result().get_one("pvtools_guest_up"), 0, "who waited was told")
            except AssertionError as error:
                check("closed connection" in str(error), error)


def lie(replies, up=1, timeout=5):
    """What becomes of a guest that says that; checked to be clean text."""
    with Guest(dict({"pvt-get-status": status()}, **replies)) as guest:
        done = run("--once", guest.address, "--timeout", timeout)
    check("Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr)
    check(done.returncode in (0, 1), f"{done.returncode} {done.stderr}")
    samples = parse(done.stdout)
    equal(samples.get_one("pvtools_guest_up"), up, "up")
    check(len(samples) <= MAX_SAMPLES, f"{len(samples)} samples")
    check(len(done.stdout) < 4 << 20, f"{len(done.stdout)} bytes")
    return samples


def cpu(number, **figures):
    return dict({"type": "linux", "cpu": number, "user": 1000, "nice": 0, "system": 0, "idle": 0}, **figures)


def test_doubles_and_too_many():
    samples = lie({"guest-get-cpustats": [cpu(0), cpu(0, user=2000), cpu(-1), cpu(2**63 - 1)]})
    equal(samples.get_one("node_cpu_seconds_total", cpu="0", mode="user"), 1, "the first counts")
    equal(samples.get_one("pvtools_guest_dropped_samples"), 4, "dropped")
    samples = lie({"guest-get-cpustats": [cpu(number) for number in range(20000)]}, timeout=60)
    check(samples.get_one("pvtools_guest_dropped_samples") > 10000, "too many are counted")
    samples.get_one("pvtools_guest_last_success_timestamp_seconds")


def filesystem(mountpoint, **more):
    return dict({"mountpoint": mountpoint, "source": "/dev/x", "type": "ext4", "read-only": False, "remote": False,
                 "total-bytes": 10, "used-bytes": 5, "available-bytes": 5}, **more)


def test_labels():
    names = ['a"b', "a\\", "a\nb", "\x1b[2J", "x" * 100000, "a{b=\"c\"} 1\nnode_load1 7", "", "ä" * 200, "\u2028", "\x85"]
    samples = lie({"pvt-get-filesystems": [filesystem(name) for name in names]})
    equal(len(samples.find("node_filesystem_size_bytes")), len(names), "each is there")
    check("node_load1" not in samples.names(), "none got out of its label")
    longest = max(len(dict(labels)["mountpoint"].encode())
                  for _, labels in samples.find("node_filesystem_size_bytes"))
    check(longest <= 256 * 2, f"{longest} bytes")
    check(not any(ord(c) < 32 for key in samples for _, value in key[1] for c in value), "control characters")
    many = [filesystem(f"{number}" + "x" * 250) for number in range(20000)]
    lie({"pvt-get-filesystems": many}, timeout=60)
    lie({"pvt-get-status": status(version="x" * 100000, **{"hung-mounts": ["m" * 1000] * 50000})}, timeout=60)


def test_impossible_figures():
    samples = lie({"guest-get-load": {"load1m": -1.5, "load5m": 1e308, "load15m": 0.1},
                   "pvt-get-filesystems": [filesystem("/", **{"used-bytes": 2**63 - 1})]})
    equal(samples.get_one("node_load1"), -1.5, "a gauge may be negative")
    check("node_filesystem_free_bytes" not in samples.names(), "no free space below 0")
    for bad in (b'{"return": {"load1m": 1e999, "load5m": 0, "load15m": 0}}\n', b'{"return": {"load1m": NaN}}\n',
                b'{"return": []}\n', b'garbage\n', b'{"return": {"load1m": "1"}}\n'):
        samples = lie({"guest-get-load": bad}, up=0)
        equal(samples.get_one("pvtools_guest_errors_total", reason="protocol"), 1, bad)
        check("node_load1" not in samples.names(), "nothing made of it")


def file_guest(files):
    """A qemu-ga whose files say anything."""
    names = ["guest-file-open", "guest-file-read", "guest-file-close", "guest-fsfreeze-status"]
    opened = []

    def open_file(arguments):
        opened.append(arguments["path"])
        return len(opened) - 1

    def read_file(arguments):
        text = files.get(opened[arguments["handle"]], b"")
        return {"count": len(text), "buf-b64": base64.b64encode(text).decode(), "eof": True}
    commands = [{"name": name, "enabled": True, "success-response": True} for name in names]
    return {"pvt-get-status": lambda _: json.dumps({"error": {"class": "CommandNotFound", "desc":
                                                    "The command pvt-get-status has not been found"}}).encode() + b"\n",
            "guest-info": {"version": 'v"\n', "supported_commands": commands}, "guest-fsfreeze-status": "thawed",
            "guest-file-open": open_file, "guest-file-read": read_file, "guest-file-close": {}}


def test_files_that_lie():
    samples = lie(file_guest({
        "/proc/stat": b"cpu0 18446744073709551615 99999999999999999999 -1\nctxt nan\nbtime inf\n" + b"cpu1 1\n" * 10000
                      + b"intr 5" + b" 1" * 50000 + b"\n",
        "/proc/meminfo": b"MemTotal: 1e5 kB\nMemFree: 0x10 kB\nCached: 18446744073709551615 kB\n\0\0: 5 kB\nBuffers:5\n",
        "/proc/loadavg": b"inf nan -inf\n",
        "/proc/net/dev": b"a\nb\n" + b'"}x: ' + b"1 " * 16 + b"\n:" + b"\xff: " + b"2 " * 16 + b"\n",
        "/proc/diskstats": b"1 1 \x00x 1 2 3\n1 1 " + b"d" * 5000 + b" 1 2 3\n1 1 vda 1 2 3\n",
        "/proc/vmstat": b"pgfault\n", "/proc/pressure/cpu": b"some total=-5\nsome total=7 total=8\n"}))
    equal(samples.get_one("node_intr_total"), 5, "interrupts")
    equal(samples.get_one("node_pressure_cpu_waiting_seconds_total"), 7e-6, "the first counts")
    check("node_memory_MemTotal_bytes" not in samples.names() and "node_load1" not in samples.names(), "no guess")
    samples.get_one("node_network_receive_bytes_total", device='\\"}x')
    samples.get_one("pvtools_agent_info", version='v\\"\\n', kind="qemu-ga")


def test_endless_and_dead():
    for reply in (b"", b'{"return": ' + b"[" * 1000, b"\xff" * 100000, b'{"return": {}}\n' * 20000):
        lie({"guest-get-host-name": reply, "guest-get-osinfo": {}}, up=0, timeout=1)
    with Guest({"guest-sync-delimited": SILENCE}) as guest:
        equal(run("--once", guest.address, "--timeout", 0.2).returncode, 1, "no sync")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
