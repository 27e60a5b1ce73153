#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""pvtools quiesce, freeze, thaw, status: every way in which it can go wrong ends
with thawed guests and a true verdict."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cli
import tap
from agent import Agent, find_agent
from disks import Disks
from tap import Skip, check, equal, note

# A busy machine writes that late; a lease runs out later.
SOON = 6


def address(agent):
    return f"unix:{agent.socket}"


def report(code, *words):
    return json.loads(cli.expect(code, *words[:1], "-o", "json", *words[1:]))


def wait_for(path, timeout=30):
    deadline = time.monotonic() + timeout
    while not path.exists():
        check(time.monotonic() < deadline, f"{path} never came")
        time.sleep(0.02)


def test_freeze_thaw_status():
    with Disks() as disks, Agent() as agent:
        place = disks.make()
        check("thawed" in cli.expect(0, "status", address(agent)), "before")
        check("freeze 1" in cli.expect(0, "freeze", address(agent), place, "--deadline", "60"), "freeze")
        text = cli.expect(0, "status", address(agent))
        check("frozen" in text and "Thaws itself in" in text, text)
        cli.expect(6, "freeze", address(agent), place)
        check("1 filesystems" in cli.expect(0, "thaw", address(agent)), "thaw")
        check("ended by the host" in cli.expect(0, "status", address(agent)), "after")
        cli.expect(2, "freeze", address(agent), "--deadline", "0.1")


def test_the_command_runs_inside_the_freeze():
    with Disks() as disks, Agent() as agent:
        place = disks.make()
        seen = disks.directory / "seen"
        done = report(0, "quiesce", address(agent), "--mountpoint", place, "--", "sh", "-c",
                      f"{cli.find_cli()} raw {address(agent)} guest-fsfreeze-status > {seen}")
        equal(seen.read_text().strip(), '"frozen"', "what the command saw")
        guest = done["guests"][0]
        equal((done["verdict"], guest["verdict"], guest["filesystems"]), ("consistent", "consistent", 1),
              "verdict")
        check(guest["frozen-at"] <= guest["seen-frozen-before"] <= guest["seen-frozen-after"]
              <= guest["thaw-began"], guest)
        check(disks.takes_writes(place, within=SOON), "frozen afterwards")


def test_the_commands_end_is_told():
    with Disks() as disks, Agent() as agent:
        place = disks.make()
        words = ["quiesce", address(agent), "--mountpoint", place, "--"]
        equal(report(13, *words, "sh", "-c", "exit 7")["command-exit"], 7, "exit code")
        equal(report(13, *words, "sh", "-c", "kill -9 $$")["command-signal"], 9, "signal")
        equal(report(13, *words, "/nowhere/program")["command-exit"], 127, "no program")
        check(disks.takes_writes(place, within=SOON), "frozen")
        cli.expect(2, "quiesce", address(agent))


def test_all_guests_or_none():
    with Disks() as disks, Agent() as one:
        first = disks.make(name="first")
        text = cli.run("quiesce", address(one), "unix:/nowhere", "--mountpoint", first, "--", "touch",
                       disks.directory / "ran")
        equal(text.returncode, 12, text.stderr)
        check("unix:/nowhere" in text.stderr, text.stderr)
        check(not (disks.directory / "ran").exists(), "the command ran all the same")
        check(disks.takes_writes(first, within=SOON), "the first guest stays frozen")
        done = report(11, "quiesce", address(one), "unix:/nowhere", "--prefer", "--mountpoint", first,
                      "--", "true")
        equal([guest["verdict"] for guest in done["guests"]], ["consistent", "not frozen"], "verdicts")


def test_interrupted():
    with Disks() as disks, Agent() as agent:
        place = disks.make()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            mark = disks.directory / f"mark{number}"
            process = cli.start("quiesce", address(agent), "--mountpoint", place, "--", "sh", "-c",
                                f"touch {mark}; exec sleep 100")
            wait_for(mark)
            check(not disks.takes_writes(place), "not frozen")
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
            equal(process.returncode, 15, f"{number}: {out}{err}")
            check(disks.takes_writes(place, within=SOON), "frozen after the interrupt")


def test_killed_or_stopped_the_lease_runs_out():
    with Disks() as disks, Agent() as agent, agent.line() as line:
        place = disks.make()
        for number in (signal.SIGKILL, signal.SIGSTOP):
            mark = disks.directory / f"mark{number}"
            process = cli.start("quiesce", address(agent), "--mountpoint", place, "--deadline", "600",
                                "--", "sh", "-c", f"touch {mark}; exec sleep 30")
            wait_for(mark)
            time.sleep(0.5)
            process.send_signal(number)
            began = time.monotonic()
            disks.wait_writable(place, timeout=60)
            note(f"signal {number}: thawed after {time.monotonic() - began:.1f} s")
            process.send_signal(signal.SIGCONT)
            out, err = process.communicate(timeout=120)
            if number == signal.SIGSTOP:
                equal(process.returncode, 10, out + err)
                check("not consistent" in err, err)
            else:
                try:
                    line.ask("guest-fsfreeze-thaw")
                except Exception as error:
                    check("deadline" in str(error), error)


def test_the_agent_dies_meanwhile():
    with Disks() as disks:
        place = disks.make()
        agent = Agent()
        try:
            text = cli.run("quiesce", address(agent), "--mountpoint", place, "--timeout", "2", "--",
                           "kill", "-9", agent.process.pid)
            agent.process.wait()
            equal(text.returncode, 14, text.stderr)
            check("not consistent" in text.stderr and "could not be thawed" in text.stderr, text.stderr)
            disks.wait_writable(place)
        finally:
            agent.process.kill()
            shutil.rmtree(agent.directory)


def test_the_agent_is_restarted_meanwhile():
    with Disks() as disks:
        place = disks.make()
        agent = Agent()
        again = (f"kill -9 {agent.process.pid}; sleep 0.3; {find_agent()} -d -m unix-listen -p "
                 f"{agent.socket} -t {agent.directory}/state -f {agent.directory}/pid")
        try:
            text = cli.run("quiesce", address(agent), "--mountpoint", place, "--timeout", "3", "--",
                           "sh", "-c", again)
            agent.process.wait()
            equal(text.returncode, 10, text.stderr)
            check("automatically" in text.stderr and "agent died" in text.stderr, text.stderr)
            check(disks.takes_writes(place, within=SOON), "frozen")
        finally:
            os.kill(int((agent.directory / "pid").read_text()), signal.SIGTERM)
            shutil.rmtree(agent.directory)


def test_the_deadline_passes():
    with Disks() as disks, Agent() as agent:
        place = disks.make()
        text = cli.run("quiesce", address(agent), "--mountpoint", place, "--deadline", "2", "--",
                       "sleep", "4")
        equal(text.returncode, 10, text.stderr)
        check("deadline" in text.stderr, text.stderr)
        done = report(0, "quiesce", address(agent), "--mountpoint", place, "--deadline", "30", "--",
                      "sleep", "12")
        equal(done["verdict"], "consistent", "a lease that is renewed for longer than it lasts")


def test_somebody_else_thaws():
    with Disks() as disks, Agent() as agent:
        place = disks.make()
        thaw = f"{cli.find_cli()} thaw {address(agent)}"
        text = cli.run("quiesce", address(agent), "--mountpoint", place, "--", "sh", "-c", thaw)
        equal(text.returncode, 10, text.stderr)
        again = f"{thaw}; {cli.find_cli()} freeze {address(agent)} {place}"
        text = cli.run("quiesce", address(agent), "--mountpoint", place, "--", "sh", "-c", again)
        equal(text.returncode, 10, "another freeze is not ours: " + text.stderr)
        cli.expect(0, "thaw", address(agent))
        text = cli.run("quiesce", address(agent), "--mountpoint", place, "--", "fsfreeze", "-u", place)
        equal(text.returncode, 10, text.stderr)


def test_stock_qemu_ga_is_not_called_proven():
    stock = shutil.which("qemu-ga") or "/usr/sbin/qemu-ga"
    if not os.path.exists(stock):
        raise Skip("qemu-guest-agent is not installed")
    with Disks() as disks, Agent(binary=stock) as agent:
        place = disks.make()
        done = report(16, "quiesce", address(agent), "--mountpoint", place, "--", "true")
        equal(done["verdict"], "frozen, unproven", "verdict")
        check(disks.takes_writes(place, within=SOON), "frozen")
        check("thawed" in cli.expect(0, "status", address(agent)), "status")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
