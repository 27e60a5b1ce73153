#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pushed telemetry: subscriptions over a socket, with hosts that are slow, many, or gone."""

import json
import os
import pathlib
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cli
import tap
from agent import Agent
from packets import CANCEL, DATA, HELLO, REPLY, REQUEST, WINDOW, Extended, Packets
from tap import Skip, check, equal, note

GROUPS = ["cpu", "memory", "load", "pressure", "kernel", "disks", "links", "filesystems"]


def boot_id():
    return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()


class Subscriber(Packets):
    """A host that has greeted."""

    def __init__(self, path, **keywords):
        super().__init__(path, timeout=60)
        self.hello()
        self.said = None
        if keywords:
            self.subscribe(**keywords)

    def subscribe(self, number=2, **keywords):
        self.ask(number, "pvt-subscribe", **keywords)
        self.said = self.reply(number)
        return self.said

    def event(self, *names, number=2):
        """The next one, or the next of those names."""
        while True:
            kind, channel, got, data = self.read()
            if (kind, got) == (DATA, number):
                equal(channel, 1, "channel")
                event = json.loads(data)
                if not names or event["event"] in names:
                    return event

    def window(self, count, number=2):
        self.send(WINDOW, number, struct.pack("<I", count), channel=1)


def request(group, period=100, **keywords):
    return {"group": group, "period-ms": period, **keywords}


def switches(agent):
    """How often the agent's threads have gone to sleep of themselves."""
    total = 0
    for path in pathlib.Path(f"/proc/{agent.process.pid}/task").glob("*/status"):
        try:
            total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", path.read_text(), re.M)[1])
        except FileNotFoundError:
            pass
    return total


def open_files(agent):
    found = []
    for path in pathlib.Path(f"/proc/{agent.process.pid}/fd").iterdir():
        try:
            found.append(os.readlink(path))
        except FileNotFoundError:
            pass
    return found


def warm_up(agent):
    """Some things are made once and kept, such as the socket that links are read from."""
    with Subscriber(agent.extended, heartbeat_ms=100, events=["all"]) as host:
        host.event("heartbeat")
    deadline = time.monotonic() + 60
    while any(
            link.startswith(("/proc/", "/dev/kmsg")) for link in open_files(agent)):
        check(time.monotonic() < deadline, open_files(agent))
        time.sleep(0.05)


def test_heartbeats():
    with Extended() as agent, Subscriber(agent.extended, heartbeat_ms=100) as host:
        equal(host.said["return"]["boot-id"], boot_id(), "boot")
        last = 0
        for number in range(1, 6):
            event = host.event()
            beat = event["heartbeat"]
            equal((event["event"], event["number"]), ("heartbeat", number), "event")
            equal((beat["sequence"], beat["boot-id"], beat["frozen"], beat["period-ms"]),
                  (number, boot_id(), False, 100), "heartbeat")
            check(beat["monotonic-ns"] > last, "time goes on")
            last = beat["monotonic-ns"]
            check("dropped" not in event, event)
        if pathlib.Path("/proc/pressure/cpu").exists():
            check("some-avg10" in beat["pressure"]["cpu"], beat)


def test_metrics_changes_and_full():
    with Extended() as agent:
        with Subscriber(agent.extended, groups=[request(name) for name in GROUPS]) as host:
            seen = {}
            while not set(seen) >= set(GROUPS) - {"pressure"}:
                metrics = host.event("metrics")["metrics"]
                for name in metrics["groups"]:
                    if name not in seen:
                        check(name in metrics["full"], f"the first {name} is not whole")
                        seen[name] = metrics[name]
            check(seen["memory"]["total"] > 0 and seen["cpu"][0]["user-ms"] > 0, seen["cpu"][0])
            check("cpu" not in seen["cpu"][0] and seen["cpu"][1]["cpu"] == 0, "the CPUs' order")
            check(any(link["name"] == "lo" for link in seen["links"]), seen["links"])
            check(any(fs["mountpoint"] == "/" for fs in seen["filesystems"]), seen["filesystems"])
            # The kernel counts on: a later report, of what has changed alone.
            while True:
                metrics = host.event("metrics")["metrics"]
                if "kernel" in metrics:
                    break
            check("full" not in metrics or "kernel" not in metrics["full"], metrics)
        # Two that want other things each get theirs.
        with Subscriber(agent.extended, groups=[request("load", full=True)]) as one, \
                Subscriber(agent.extended, groups=[request("memory", full=True)]) as other:
            for _ in range(3):
                equal(one.event()["metrics"]["full"], ["load"], "one")
                equal(other.event()["metrics"]["full"], ["memory"], "other")


def test_a_host_that_stops_reading_is_told_what_it_missed():
    with Extended() as agent, Subscriber(agent.extended) as host, Subscriber(agent.extended) as other:
        before = agent.memory()
        # Some kB ten times a second, for each of several periods, until much more is due than fits.
        equal(host.subscribe(heartbeat_ms=100, groups=[request(name, full=True) for name in GROUPS[:5]])
              .get("error"), None, "subscription")
        other.subscribe(heartbeat_ms=100)
        # It takes none of it: what the pipe holds fills, then the queue, then the oldest go.
        host.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        beats = 0
        while beats < 200:
            other.event("heartbeat")
            beats += 1
        # The agent still serves, and its memory is bounded.
        other.ask(9, "guest-ping")
        equal(other.reply(9), {"return": {}}, "ping")
        grown = agent.memory() - before
        note(f"private memory has grown by {grown} kB")
        check(agent.sanitized or grown < 2048, f"{grown} kB")
        # Read in order, numbers missing as many as are said to be dropped.
        last, missing, event = 0, 0, None
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            event = host.event()
            host.window(4096)
            missing += event["number"] - last - 1
            last = event["number"]
            if missing and event["event"] == "metrics":
                break
        note(f"{missing} dropped of {last}")


def test_no_window_no_events():
    """A window that is not opened again ends the flow; what comes later is the newest."""
    if not os.environ.get("PVT_LONG"):
        raise Skip("takes a minute: PVT_LONG=1 runs it")
    with Extended() as agent, Subscriber(agent.extended) as host, Subscriber(agent.extended) as clock:
        host.subscribe(heartbeat_ms=100, groups=[request(name, full=True) for name in GROUPS[:5]])
        clock.subscribe(heartbeat_ms=100)
        taken = 0
        quiet = threading.Event()
        # The first window is 512 KiB; read all of it, then nothing more comes.
        while not quiet.is_set():
            readable, _, _ = select.select([host.sock, clock.sock], [], [], 60)
            if host.sock in readable:
                kind, _, _, data = host.read()
                taken += len(data) if kind == DATA else 0
            if taken > 450 << 10:
                quiet.set()
            if clock.sock in readable:
                clock.read()
        check(taken <= 512 << 10, taken)
        host.sock.settimeout(5)
        try:
            while True:
                kind, _, _, data = host.read()
                taken += len(data) if kind == DATA else 0
        except TimeoutError:
            pass
        check(taken <= 512 << 10, f"{taken} bytes without a window")
        host.sock.settimeout(60)
        for _ in range(300):
            clock.event("heartbeat")
        host.window(64 << 10)
        event = host.event()
        check(event["dropped"] > 0, event["number"])
        note(f"{event['dropped']} dropped before number {event['number']}")
        while True:
            event = host.event("metrics")
            host.window(16 << 10)
            check(event["metrics"]["full"], "after a loss it is whole")
            break


def test_limits():
    with Extended() as agent, Subscriber(agent.extended) as host:
        said = [host.subscribe(number=number, heartbeat_ms=3600000) for number in range(2, 20)]
        equal([("return" in one) for one in said], [True] * 16 + [False] * 2, "16 and no more")
        check("subscriptions already" in said[-1]["error"]["desc"], said[-1])
        # One less makes room.
        host.send(CANCEL, 2)
        host.reply(2)
        check("return" in host.subscribe(number=30, heartbeat_ms=100), "room again")
        equal(host.event("heartbeat", number=30)["heartbeat"]["sequence"], 1, "heartbeat")


def test_bad_requests():
    with Extended() as agent, Subscriber(agent.extended) as host:
        bad = [{}, {"heartbeat_ms": 99}, {"heartbeat_ms": 3600001}, {"groups": []}, {"events": []},
               {"groups": [request("cpu", 99)]}, {"groups": [request("cpu")] * 17},
               {"groups": [request("nothing")]}, {"events": ["x" * 65]}, {"events": ["address"] * 33},
               {"events": ["all"], "full_percent": 101}, {"events": ["all"], "full_percent": 0}]
        for number, words in enumerate(bad, 10):
            host.ask(number, "pvt-subscribe", **words)
            check("error" in host.reply(number), words)
        said = host.subscribe(events=["no-such-event"])["return"]
        equal([entry["name"] for entry in said["unavailable"]], ["no-such-event"], "an event of another time")
        # The plain channel has no streams.
        with agent.line() as line:
            line.sync()
            line.send('{"execute": "pvt-subscribe", "arguments": {"heartbeat-ms": 1000}}\n')
            check("error" in json.loads(line.read_line()), "on the plain channel")


def test_a_flood_of_subscriptions():
    with Extended() as agent:
        warm_up(agent)
        flood(agent)


def flood(agent):
    with Subscriber(agent.extended) as host:
        before, memory = agent.descriptors(), agent.memory()
        for number in range(100, 400):
            host.ask(number, "pvt-subscribe", heartbeat_ms=100, events=["all"],
                     groups=[request(name) for name in GROUPS])
            host.send(CANCEL, number)
        host.ask(9, "guest-ping")
        equal(host.reply(9), {"return": {}}, "ping")
        deadline = time.monotonic() + 60
        while agent.descriptors() > before and time.monotonic() < deadline:
            time.sleep(0.05)
        check(agent.descriptors() <= before, f"{agent.descriptors()} descriptors, {before} before")
        check(agent.sanitized or agent.memory() - memory < 2048, f"{agent.memory()} kB, {memory} before")
        check("return" in host.subscribe(number=500, heartbeat_ms=100), "after the flood")
        host.event("heartbeat", number=500)


def test_nobody_there_nothing_done():
    """Neither before a subscription nor after one is there a wake-up or an open file."""
    with Extended() as agent:
        warm_up(agent)
        with Subscriber(agent.extended) as host:
            before = agent.descriptors()
        for _ in range(3):
            host = Subscriber(agent.extended, heartbeat_ms=100, events=["all"],
                              groups=[request(name) for name in GROUPS])
            for _ in range(3):
                host.event("heartbeat")
            host.sock.close()  # in the middle of the stream
        deadline = time.monotonic() + 60
        while agent.descriptors() > before - 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        check(agent.descriptors() <= before - 1, f"{agent.descriptors()} descriptors, {before} with a client")
        # Threads of the pool may still be on their way to sleep: it comes to rest.
        while time.monotonic() < deadline:
            first = switches(agent)
            time.sleep(2)
            if switches(agent) == first:
                break
        else:
            raise AssertionError("the agent goes on waking up")


def test_another_greeting_ends_it():
    with Extended() as agent, Subscriber(agent.extended, heartbeat_ms=100) as host:
        host.event("heartbeat")
        host.hello("second")
        host.ask(3, "guest-ping")
        host.reply(3)
        host.sock.settimeout(1)
        try:
            kind, _, number, _ = host.read()
            raise AssertionError(f"packet {kind} of {number} after the greeting")
        except TimeoutError:
            pass


def test_the_end_of_the_agent_is_told():
    with Extended() as agent, Subscriber(agent.extended, events=["shutdown"]) as host:
        equal(host.said["return"]["events"], ["shutdown"], "events")
        host.ask(3, "guest-ping")
        host.reply(3)
        agent.process.send_signal(signal.SIGTERM)
        equal(host.event()["shutdown"], {"reason": "agent-stop"}, "why")
        agent.process.wait(30)


def watch(*words, **keywords):
    return subprocess.run([cli.find_cli(), "watch", *words], capture_output=True, text=True, timeout=120,
                          check=False, **keywords)


def test_watch():
    with Extended() as agent, Extended() as second:
        done = watch(agent.address, second.address, "--heartbeat", "0.1", "-m", "memory", "-e", "none",
                     "--count", "12")
        equal(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        equal(len(lines), 12, done.stdout)
        for address in (agent.address, second.address):
            check(any(re.match(rf"[\d:]+ {re.escape(address)} heartbeat: \d+", line) for line in lines), lines)
        check(any(" metrics: memory " in line for line in lines), lines)
        done = watch("-o", "json", agent.address, "--heartbeat", "0.1", "--count", "3", "-e", "none")
        events = [json.loads(line) for line in done.stdout.splitlines()]
        equal([(event["guest"], event["event"], event["number"]) for event in events],
              [(agent.address, "heartbeat", number) for number in (1, 2, 3)], "json")
        # The plain channel has none of this, and that is said.
        plain = watch(f"unix:{agent.socket}", "--count", "1")
        equal(plain.returncode, 6, plain.stderr)
        equal(watch("unix:/nowhere", "--count", "1").returncode, 3, "nobody there")
        for words in (["--heartbeat", "0.01"], ["--period", "0"], ["-m", "what"], ["--count", "-1"],
                      ["--full-percent", "101"]):
            equal(watch(agent.address, *words).returncode, 2, words)


def test_watch_finds_a_guest_that_was_away():
    with tempfile.TemporaryDirectory(prefix="pvt-watch-") as scratch:
        here = pathlib.Path(scratch)
        agent = Extended()
        link = here / "guest.sock"
        link.symlink_to(agent.extended)
        process = cli.start("watch", f"unix:{link}", "--heartbeat", "0.1", "-e", "shutdown")
        try:
            beat = process.stdout.readline()
            check("heartbeat: 1" in beat and (": 1, " not in beat or "pressure: cpu " in beat), beat)
            agent.__exit__(None, None, None)
            while "closed: " not in (line := process.stdout.readline()):
                check(line, "it ended")
            with Extended() as again:
                link.unlink()
                link.symlink_to(again.extended)
                while "heartbeat: 1" not in (line := process.stdout.readline()):
                    check(line, "it ended")
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
            equal(process.returncode, 0, "interrupted")
        finally:
            process.kill()
            process.communicate()


PYTHON = """
import gi, sys
gi.require_version("Pvt", "1")
from gi.repository import GLib, Pvt
watch, loop, seen = Pvt.Watch.new(sys.argv[1]), GLib.MainLoop(), []
watch.set_heartbeat(100)
watch.add_metrics(Pvt.MetricGroup.MEMORY, 100, True)
def told(watch, event):
    seen.append(event.heartbeat.sequence if event.heartbeat else event.metrics.memory.total > 0)
    if len(seen) == 4:
        loop.quit()
watch.connect("event", told)
watch.start(60000)
loop.run()
print(seen, watch.get_subscription().queue)
"""


def test_from_python():
    library = pathlib.Path(cli.find_cli()).resolve().parents[1] / "client"
    python = "/usr/bin/python3"
    if not (library / "Pvt-1.typelib").exists():
        raise Skip("built without introspection")
    if subprocess.run([python, "-c", "import gi"], capture_output=True, check=False).returncode:
        raise Skip("python3-gi is not installed")
    with Extended() as agent:
        done = subprocess.run(
            [python, "-c", PYTHON, agent.address], capture_output=True, text=True, timeout=120, check=False,
            env=dict(os.environ, GI_TYPELIB_PATH=str(library), LD_LIBRARY_PATH=str(library)))
    equal((done.returncode, done.stdout), (0, "[1, True, 2, True] 256\n"), done.stderr)


def top(*words, code=0):
    done = cli.run("top", *words)
    equal(done.returncode, code, done.stderr)
    return done.stdout


def test_top():
    """Pushed, polled, polled from a stock qemu-ga, and nobody: all in one table."""
    stock = next((path for path in ("/usr/sbin/qemu-ga", "/usr/bin/qemu-ga") if os.path.exists(path)), None)
    if stock is None:
        raise Skip("qemu-guest-agent is not installed")
    with Extended() as agent, Extended() as other, Agent(binary=stock) as plain:
        polled, oldest = f"unix:{other.socket}", f"unix:{plain.socket}"
        words = (agent.address, polled, oldest, "unix:/nowhere")
        rows = {row["guest"]: row for row in json.loads(top(*words, "--once", "-o", "json", "--interval", "0.3",
                                                            "--timeout", "60"))}
        equal(set(rows), set(words), "guests")
        equal([rows[word]["source"] for word in words], ["pushed", "polled", "polled", "-"], "sources")
        equal(rows["unix:/nowhere"]["error"], "no channel", "why not")
        for word in words[:3]:
            check(0 <= rows[word]["cpu"] <= 1 and 0 <= rows[word]["disk"] <= 1, rows[word])
        for word in words[:2]:
            check(0 < rows[word]["memory"] < 1 and rows[word]["load"] >= 0, rows[word])
        for word in words[:3]:
            check(rows[word]["written-bytes-per-second"] >= 0 and rows[word]["received-bytes-per-second"] >= 0, rows[word])
        # Sorted, and as text.
        lines = top("--once", "--sort", "name", "--timeout", "60", agent.address, polled).splitlines()
        check(lines[0].startswith("GUEST") and len(lines) == 3, lines)
        equal([line.split()[0] for line in lines[1:]], sorted((agent.address, polled)), "by name")
        lines = top(agent.address, polled, "--once", "--sort", "name", "--reverse", "--timeout", "60").splitlines()
        equal([line.split()[0] for line in lines[1:]], sorted((agent.address, polled), reverse=True), "reversed")
        # Without a terminal it is tables, as many as one likes.
        equal(top(agent.address, "--interval", "0.2", "--count", "3").count("GUEST"), 3, "tables")
        for bad in (["--sort", "beauty"], ["--interval", "0"], ["--count", "-1"], ["--sockets", "/nowhere"]):
            top(agent.address, *bad, code=2)


def test_top_on_a_terminal():
    with Extended() as agent:
        pid, master = pty.fork()
        if pid == 0:
            os.execv(cli.find_cli(), ["pvtools", "top", agent.address, "--interval", "0.2"])
        seen = b""
        typed = [(b"pushed", b"m"), (b"by memory", b"r"), (b"by memory, reversed", b"q")]
        deadline = time.monotonic() + 60
        try:
            while True:
                check(time.monotonic() < deadline, seen[-500:])
                if not select.select([master], [], [], 1)[0]:
                    continue
                try:
                    seen += os.read(master, 65536)
                except OSError:
                    break
                if typed and typed[0][0] in seen:
                    os.write(master, typed.pop(0)[1])
            equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, "exit")
        finally:
            os.close(master)
        equal(typed, [], "keys")
        check(seen.rstrip().endswith(b"\x1b[?1049l"), "the screen is put back")


class Hostile(threading.Thread):
    """A guest that answers the greeting and the subscription, and then what it likes."""

    def __init__(self, *packets):
        super().__init__(daemon=True)
        self.scratch = tempfile.TemporaryDirectory(prefix="pvt-hostile-")
        self.path = pathlib.Path(self.scratch.name) / "guest.sock"
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(self.path))
        self.server.listen(1)
        self.packets = packets
        self.start()

    def run(self):
        line = Packets.__new__(Packets)
        line.sock, _ = self.server.accept()
        line.sock.settimeout(60)
        line.buffer = b""
        try:
            number, hello = (got := line.read_until(HELLO))[2], json.loads(got[3])
            line.sock.sendall(b"\xff" * 8)
            line.send(HELLO, number, {"return": {
                "protocol": 1, "nonce": hello["arguments"]["nonce"], "version": "\x1b[2Jx", "window": 524288,
                "features": []}})
            number = line.read_until(REQUEST)[2]
            line.send(REPLY, number, {"return": {"boot-id": "b", "queue": 1, "events": [], "unavailable": []}})
            for packet in self.packets:
                line.send(DATA, number, packet, channel=1)
            line.read_until(CANCEL)
        except (OSError, EOFError):
            pass
        line.sock.close()

    @property
    def address(self):
        return f"unix:{self.path}"


def event(**members):
    return {"event": "kernel", "number": 1, "realtime-ns": 0, **members}


def test_a_guest_cannot_speak_to_the_terminal():
    evil = "a\x1b]0;owned\x07\x9b2J\u202e\r\nb"
    kernel = {"level": "error", "from-kernel": True, "sequence": 1, "monotonic-us": 1, "text": evil}
    for form in ("table", "json"):
        done = watch("-o", form, Hostile(event(kernel=kernel)).address, "--count", "1")
        equal(done.returncode, 0, done.stderr)
        check(not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", done.stdout), repr(done.stdout))
        equal(done.stdout.count("\n"), 1, "one line")
        check("owned" in done.stdout, "it is shown")
    # An event of another time has a name, and that is all that is known.
    done = watch(Hostile({"event": "later\x1b[1m", "number": 1, "realtime-ns": -(1 << 62), "later": {}}).address,
                 "--count", "1")
    check(done.stdout.endswith("later\\x1b[1m\n"), repr(done.stdout))


def test_top_of_a_hostile_guest():
    fs = {"mountpoint": "/\x1b[2J\x9b", "source": "x", "type": "y", "read-only": False, "remote": False,
          "used-bytes": (1 << 63) - 1, "available-bytes": (1 << 63) - 1}
    cpu = dict.fromkeys(("user-ms", "nice-ms", "system-ms", "idle-ms", "iowait-ms", "irq-ms", "softirq-ms",
                         "steal-ms"), (1 << 63) - 1)
    disk = dict.fromkeys(("reads", "read-bytes", "writes", "written-bytes", "busy-ms", "waiting-ms"), (1 << 63) - 1)
    packets = [{"event": "metrics", "number": 1, "realtime-ns": 0, "metrics": {
        "monotonic-ns": ns, "groups": ["cpu"], "cpu": [cpu], "disks": [{"name": "a", **disk}] * count,
        "filesystems": [fs]}} for ns, count in ((5, 1), (5, 3), (1, 2), ((1 << 63) - 1, 9))]
    for form in ("table", "json"):
        out = top(Hostile(*packets).address, "--once", "-o", form)
        check(not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", out), repr(out))
        check("50.0%" in out or "0.5" in out, out)


def test_a_guest_that_sends_rubbish_is_hung_up_on():
    for packet in (b"", b"{", b"[]", b"null", b'{"event": 1}', b"x" * 1000, b'{"event": "x", "number": -1}',
                   json.dumps(event(heartbeat={})).encode(), json.dumps(event(text="x" * (129 << 10))).encode(),
                   b'{"a":' * 100, json.dumps(event(kernel={"level": "nonsense"})).encode()):
        done = watch(Hostile(packet).address, "--count", "1", "--no-retry", "-e", "none")
        equal(done.returncode, 5, f"{packet[:40]}: {done.stderr}")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
