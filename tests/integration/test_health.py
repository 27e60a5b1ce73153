#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""pvtools health with an agent that runs here, and with monitors that say what no
QEMU of this machine would."""

import json
import os
import pathlib
import signal
import socket
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cli
import tap
from agent import Agent
from monitor import BUSY, DEAD, IDLE, Monitor
from packets import Extended
from tap import check, equal
from watch import Watch


def glance(address, *options):
    done = cli.run("health", address, "-o", "json", *options)
    check("Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr)
    return done.returncode, [(row["state"], row["cause"]) for row in json.loads(done.stdout)]


def wait(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        check(time.monotonic() < deadline, what)
        time.sleep(0.05)


def test_a_glance():
    with Agent() as agent:
        equal(glance(f"unix:{agent.socket}"), (0, [("ok", "heartbeat")]), "well")
        with Monitor(agent.socket) as monitor:
            equal(glance(f"qemu:{monitor.path}"), (0, [("ok", "heartbeat")]), "by the monitor")
            for status, code, state in (("paused", 21, "paused"), ("guest-panicked", 27, "panicked"),
                                        ("internal-error", 26, "guest-hung"), ("shutdown", 23, "shut-down"),
                                        ("postmigrate", 21, "paused"), ("io-error", 21, "paused")):
                monitor.status = status
                got, states = glance(f"qemu:{monitor.path}")
                equal((got, states[0][0]), (code, state), status)
            # The worst of several.
            monitor.status = "running"
            done = cli.run("health", f"unix:{agent.socket}", f"qemu:{monitor.path}",
                           f"unix:{agent.directory}/none", "--timeout", "20")
            equal(done.returncode, 23, done.stdout + done.stderr)
            equal([line.split()[1] for line in done.stdout.splitlines()],
                  ["STATE", "ok", "ok", "shut-down"], "table")


def test_a_glance_at_the_silent():
    silent = socket.socket(socket.AF_UNIX)
    with tempfile.TemporaryDirectory() as name:
        path = pathlib.Path(name) / "agent.sock"
        silent.bind(str(path))
        silent.listen(16)
        equal(glance(f"unix:{path}", "--timeout", "2"), (24, [("agent-lost", "silence")]), "no monitor")
        with Monitor(path) as monitor:
            for registers, is_open, code, verdict in (
                    (IDLE, True, 24, ("agent-lost", "kernel-alive")),
                    (DEAD, True, 26, ("guest-hung", "kernel-dead")),
                    (BUSY, True, 26, ("guest-hung", "all-processors-busy")),
                    (BUSY, False, 24, ("agent-lost", "port-closed")),
                    ("no registers", True, 24, ("agent-lost", "silence"))):
                monitor.registers, monitor.open = registers, is_open
                equal(glance(f"qemu:{monitor.path}", "--timeout", "4"), (code, [verdict]), verdict)
    silent.close()


def test_the_list_says_why_nobody_answers():
    silent = socket.socket(socket.AF_UNIX)
    with tempfile.TemporaryDirectory() as name:
        path = pathlib.Path(name) / "agent.sock"
        silent.bind(str(path))
        silent.listen(16)
        with Monitor(path) as monitor:
            for status, wanted in (("paused", "paused"), ("guest-panicked", "panicked"), ("watchdog", "guest-hung"),
                                   ("shutdown", "shut-down"), ("running", "no answer"), ("odd", "no answer")):
                monitor.status = status
                rows = json.loads(cli.expect(0, "list", "--qmp", monitor.path.parent, "--timeout", "1", "-o", "json"))
                equal([row["state"] for row in rows], [wanted], status)
    silent.close()


def test_an_agent_that_stands_still_and_goes():
    with tempfile.TemporaryDirectory() as name, Agent() as agent:
        with Watch(f"unix:{agent.socket}") as watch:
            watch.expect("ok")
            with agent.line() as line:
                line.ask("guest-ping")
            os.kill(agent.process.pid, signal.SIGSTOP)
            equal(watch.expect("ok", "agent-lost"), "silence", "why")
            os.kill(agent.process.pid, signal.SIGCONT)
            watch.expect("ok", "agent-lost", "ok")
            moved = pathlib.Path(name) / "moved"
            agent.socket.rename(moved)
            watch.expect("ok", "agent-lost", "ok", "shut-down")
            moved.rename(agent.socket)
            watch.expect("ok", "agent-lost", "ok", "shut-down", "starting", "ok")


def test_heartbeats_that_are_pushed():
    with Extended() as agent:
        equal(glance(agent.address, "--push"), (0, [("ok", "heartbeat")]), "a glance")
        with Watch(agent.address, "--push") as watch:
            watch.expect("ok")
            os.kill(agent.process.pid, signal.SIGSTOP)
            equal(watch.expect("ok", "agent-lost"), "silence", "why")
            os.kill(agent.process.pid, signal.SIGCONT)
            watch.expect("ok", "agent-lost", "ok")
        with Watch(agent.address, "--push", "--lost-after", "1", "--hung-after", "1", "--boot", "1") as watch:
            os.kill(agent.process.pid, signal.SIGSTOP)
            watch.process.terminate()  # while it waits for the greeting's answer
            watch.process.wait(60)
            os.kill(agent.process.pid, signal.SIGCONT)
    with Agent() as agent:
        equal(glance(f"unix:{agent.socket}", "--push", "--timeout", "3")[0], 24, "none are pushed there")


def test_events():
    with Agent() as agent, Monitor(agent.socket) as monitor, Watch(f"qemu:{monitor.path}") as watch:
        seen = ["ok"]
        watch.expect(*seen)
        monitor.status = "paused"
        monitor.event("STOP")
        watch.expect(*(seen := [*seen, "paused"]))
        monitor.status = "running"
        monitor.event("RESUME")
        watch.expect(*(seen := [*seen, "ok"]))
        monitor.event("GUEST_CRASHLOADED", action="run")
        watch.expect(*(seen := [*seen, "dumping"]))
        monitor.event("RESET", guest=True, reason="guest-reset")
        watch.expect(*(seen := [*seen, "rebooted"]))
        # The same boot id: what is heard was sent before, or it is no guest at all.
        monitor.event("WATCHDOG", action="pause")
        watch.expect(*(seen := [*seen, "guest-hung", "ok"]))
        monitor.event("SUSPEND")
        monitor.event("WAKEUP")
        watch.expect(*(seen := [*seen, "paused", "ok"]))
        # Nothing that counts, and nothing that is no event.
        for name in ("RTC_CHANGE", "NIC_RX_FILTER_CHANGED", "STOPPED", "VSERPORT_CHANGE", "MIGRATION"):
            monitor.event(name, status=7)
        monitor.event("SHUTDOWN", guest=True, reason="guest-shutdown")
        watch.expect(*(seen := [*seen, "shut-down"]))
        monitor.hang_up()
        watch.expect(*(seen := [*seen, "starting", "ok"]))


def test_silence_that_means_nothing():
    """Of a guest that migrates, and of a channel that somebody else has."""
    silent = socket.socket(socket.AF_UNIX)
    with tempfile.TemporaryDirectory() as name:
        path = pathlib.Path(name) / "agent.sock"
        with Agent() as agent:
            path.symlink_to(agent.socket)
            with Monitor(path) as monitor, Watch(f"qemu:{monitor.path}", "--lost-after", "4", "--hung-after", "4") as watch:
                watch.expect("ok")
                monitor.event("MIGRATION", status="active")
                monitor.migration = "active"
                silent.bind(str(agent.directory / "silent"))
                silent.listen(100)
                path.unlink()
                path.symlink_to(agent.directory / "silent")
                began = len(monitor.commands)
                wait(lambda: monitor.commands[began:].count("query-migrate") >= 6, "it is not looked at")
                monitor.connected = True
                monitor.migration = "completed"
                began = len(monitor.commands)
                wait(lambda: monitor.commands[began:].count("query-chardev") >= 6, "it is not looked at")
                equal(watch.states, ["ok"], "states")
                monitor.connected = False
                watch.expect("ok", "guest-hung")
    silent.close()


def test_policies():
    with Agent() as agent, Monitor(agent.socket) as monitor:
        with tempfile.TemporaryDirectory() as name:
            mark = pathlib.Path(name) / "mark"
            command = f"run:printf '%s %s %s %s' $PVT_HEALTH_STATE $PVT_HEALTH_BEFORE $PVT_HEALTH_CAUSE $PVT_HEALTH_GUEST > {mark}"
            with Watch(f"qemu:{monitor.path}", "--on-panic", command) as watch:
                watch.expect("ok")
                monitor.event("GUEST_PANICKED", action="pause")
                watch.expect("ok", "panicked")
                wait(lambda: mark.exists() and len(mark.read_text().split()) == 4, "the command did not run")
                equal(mark.read_text(), f"panicked ok panic-event qemu:{monitor.path}", "what it was told")
        for action, wanted in (("reset", "system_reset"), ("poweroff", "quit")):
            with Watch(f"qemu:{monitor.path}", "--on-panic", action, "--grace", "1", "--on-hang", "none") as watch:
                watch.expect("ok")
                monitor.event("WATCHDOG", action="none")
                watch.expect("ok", "guest-hung", "ok")
                check(wanted not in monitor.commands, monitor.commands)
                monitor.event("GUEST_PANICKED", action="run")
                wait(lambda: wanted in monitor.commands, f"no {wanted}")
                equal(watch.actions, [(action, True)], "actions")
        # One that resets itself in its time of grace is left alone.
        monitor.commands.clear()
        with Watch(f"qemu:{monitor.path}", "--on-panic", "reset", "--grace", "3") as watch:
            watch.expect("ok")
            monitor.event("GUEST_PANICKED", action="run")
            monitor.event("RESET", guest=True, reason="guest-reset")
            watch.expect("ok", "panicked", "rebooted")
            monitor.event("GUEST_PANICKED", action="run")
            watch.expect("ok", "panicked", "rebooted", "panicked")
            wait(lambda: watch.actions, "no action")
            equal(monitor.commands.count("system_reset"), 1, "resets")


def test_monitors_that_are_none():
    with Agent() as agent:
        for garbage in (b"\xff\xfe{}[]\r\n", b'{"event": ["STOP"]}\r\n', b'{"event": "STOP", "data": 7}\r\n',
                        b'{"event": "MIGRATION"}\r\n', b'{"return": {}}\r\n', b'[1, 2]\r\n',
                        b'{"event": "RESET", "data": ' + b"[" * 100 + b"]" * 100 + b"}\r\n"):
            with Monitor(agent.socket) as monitor, Watch(f"qemu:{monitor.path}") as watch:
                wait(lambda: watch.states, "no state")
                monitor.send(garbage)
                # Whatever it makes of that, it takes what is right again.
                wait(lambda: watch.states[-1] == "ok", f"{garbage}: {watch.states}")
                began = len(monitor.commands)
                try:
                    monitor.event("GUEST_PANICKED", action="run")
                except OSError:
                    pass
                wait(lambda: watch.states[-1] == "panicked" or len(monitor.commands) > began + 3,
                     f"{garbage}: {watch.states}")


def test_usage():
    for words in (["--on-panic", "reset"], ["--follow", "--on-panic", "explode"], ["--follow", "--limit", "3"],
                  ["--follow", "--on-hang", "reset"], ["--interval", "0.5"], ["--console", "/x"],
                  ["--follow", "--console", "/x", "unix:/y"], ["--follow", "--grace", "nan"]):
        done = cli.run("health", "unix:/nowhere", *words)
        equal(done.returncode, 2, f"{words}: {done.stderr}")
    equal(cli.run("health").returncode, 2, "no guest")
    equal(cli.run("crash", "show").returncode, 2, "no crash")
    equal(cli.run("crash", "list", "a", "--crash-dir", "/").returncode, 2, "a word too many")


def test_crashes():
    """The console's end of a file and of a socket, and words that no terminal may see."""
    listener = socket.socket(socket.AF_UNIX)
    with tempfile.TemporaryDirectory() as name, Agent() as agent, Monitor(agent.socket) as monitor:
        place = pathlib.Path(name)
        kept, log = place / "kept", place / "console.log"
        log.write_bytes(b"x" * 100000 + b"\r\nlast \x1b]0;evil\x07 words \xff\x00 hidden\r\nend")
        with Watch(f"qemu:{monitor.path}", "--console", log, "--crash-dir", kept) as watch:
            watch.expect("ok")
            monitor.event("GUEST_PANICKED", action="run")
            watch.expect("ok", "panicked")
        listener.bind(str(place / "console.sock"))
        listener.listen(1)
        with Watch(f"qemu:{monitor.path}", "--console", place / "console.sock", "--crash-dir", kept) as watch:
            watch.expect("ok")
            peer = listener.accept()[0]
            for number in range(20000):
                peer.sendall(b"line %d\r\n" % number)
            monitor.event("GUEST_CRASHLOADED", action="run")
            monitor.event("GUEST_PANICKED", action="run")
            watch.expect("ok", "dumping", "panicked")
        listed = json.loads(cli.expect(0, "crash", "list", "--crash-dir", kept, "-o", "json"))
        equal([(crash["state"], crash["console-bytes"], crash["pstore-files"]) for crash in listed],
              [("panicked", 65536, 0), ("dumping", 65536, 0)], "crashes")
        check("panic-event" in cli.expect(0, "crash", "list", "--crash-dir", kept), "table")
        text = cli.expect(0, "crash", "show", listed[0]["id"], "--crash-dir", kept)
        check("last \\x1b]0;evil\\x07 words \\xff" in text and text.endswith("\nend\n"), text[-200:])
        check(not set(text) & set("\x1b\x07\r\x00"), "something for a terminal")
        whole = json.loads(cli.expect(0, "crash", "show", listed[1]["id"], "--crash-dir", kept, "-o", "json"))
        check(whole["texts"]["console.txt"].endswith("line 19999\r\n"), "the ring's end")
        # Nothing but ids leads anywhere, and what is no crash is none.
        (kept / "other").mkdir()
        (kept / "20260101T000000Z-x").mkdir()
        (kept / "20260101T000000Z-x" / "crash.json").write_text("{" * 1000)
        equal(len(json.loads(cli.expect(0, "crash", "list", "--crash-dir", kept, "-o", "json"))), 2, "crashes")
        for word in ("../kept", "other", "none", "20260101T000000Z-x", f"./{listed[0]['id']}"):
            equal(cli.run("crash", "show", word, "--crash-dir", kept).returncode, 1, word)
        equal(cli.run("crash", "list", "--crash-dir", place / "none").returncode, 1, "no directory")
    listener.close()


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
