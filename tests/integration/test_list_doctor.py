#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""pvtools list and pvtools doctor: several guests at once, and every link that
can be broken between us and an agent."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import tap
from agent import Agent, find_agent
from exporter import SILENCE, Exporter, Guest, status
from tap import Skip, check, equal

CLI = os.environ.get("PVT_CLI") or str(pathlib.Path(find_agent()).resolve().parents[1] / "host-side/cli/pvtools")
STOCK = "/usr/sbin/qemu-ga"


def run(*words):
    env = {key: value for key, value in os.environ.items() if key != "PVT_CONNECT"}
    return subprocess.run([CLI, *map(str, words)], capture_output=True, text=True, timeout=60, env=env)


def doctor(address, code, *words):
    """{link: finding} of JSON; the text form must agree."""
    done = run("doctor", address, "-o", "json", *words)
    equal(done.returncode, code, done.stdout + done.stderr)
    check("Sanitizer" not in done.stderr, done.stderr)
    found = {entry["link"]: entry for entry in json.loads(done.stdout)}
    text = run("doctor", address, *words)
    equal(text.returncode, code, text.stderr)
    equal([line.split()[:2] for line in text.stdout.splitlines() if not line.startswith(" ")],
          [[entry["verdict"], entry["link"]] for entry in found.values()], "both forms")
    for entry in found.values():
        check(entry["verdict"] != "broken" or entry.get("advice") or "not a socket" in entry["finding"]
              or "start it with" in entry["finding"], entry)
    return found


def test_list():
    with Agent() as agent, Guest({"pvt-get-status": SILENCE, "guest-info": SILENCE}, agent.directory, "hung.sock"):
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(str(agent.directory / "dead.sock"))
        dead.close()
        done = run("list", "--sockets", agent.directory, "--timeout", "1", "-o", "json")
        equal(done.returncode, 0, done.stderr)
        rows = {row["name"]: row for row in json.loads(done.stdout)}
        equal({name: row["state"] for name, row in rows.items()},
              {"agent": "up", "hung": "no answer", "dead": "no channel"}, "states")
        up = rows["agent"]
        equal(up["guest"], f"unix:{agent.socket}", "address")
        for key in ("cpu", "memory", "disk"):
            check(0 <= up[key] <= 1, f"{key}: {up[key]}")
        check(up["agent"].startswith("pvtools-agent ") and up["uptime-seconds"] > 0 and up["system"], up)
        equal(set(rows["hung"]), {"name", "guest", "state"}, "what is not known is absent")
        table = run("list", "--sockets", f"{agent.directory}/*.sock", "--timeout", "1").stdout
        equal(len(table.splitlines()), 4, table)
        check(table.startswith("GUEST"), table)


def test_list_usage():
    for words in (("word",), ("--sockets", "/nonexistent"), ("--nope",)):
        done = run("list", *words)
        equal(done.returncode, 2, f"{words}: {done.stderr}")


def test_healthy():
    with Agent() as agent:
        found = doctor(f"unix:{agent.socket}", 0)
    equal({entry["verdict"] for entry in found.values()}, {"ok"}, found)
    check({"channel", "agent", "policy", "freeze", "mounts", "clock"} <= set(found), found)


def test_policy():
    with Agent("--profile", "monitor") as agent:
        found = doctor(f"unix:{agent.socket}", 0)
    equal(found["policy"]["verdict"], "note", found)
    check("more refused" in found["policy"]["finding"], found)


def test_stock_qemu_ga():
    if not os.path.exists(STOCK):
        raise Skip("qemu-ga is not installed")
    with Agent(binary=STOCK) as agent:
        found = doctor(f"unix:{agent.socket}", 0)
    equal(found["agent"]["verdict"], "note", found)


def test_broken_channels():
    equal(doctor("unix:/nonexistent", 3)["channel"]["verdict"], "broken", "absent")
    equal(doctor("unix:/etc/passwd", 3)["channel"]["verdict"], "broken", "a file")
    with tempfile.TemporaryDirectory() as name:
        path = f"{name}/s"
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(path)
        dead.close()
        check("left-over" in doctor(f"unix:{path}", 3)["channel"]["advice"], "nobody listens")


def test_nobody_answers():
    with Guest({"guest-sync-delimited": SILENCE}) as guest:
        found = doctor(guest.address, 4, "--timeout", "0.5")
    equal((found["channel"]["verdict"], found["agent"]["verdict"]), ("ok", "broken"), found)
    check("systemctl" in found["agent"]["advice"], found)


def test_what_an_agent_says_of_itself():
    info = {"version": "\x1b[2Jv", "supported_commands": [
        {"name": "pvt-get-status", "enabled": True, "success-response": True}]}
    with Guest({"guest-info": info, "pvt-get-status": status(**{"hung-mounts": ["/nfs", "/\x1b]0;x"]}),
                "guest-fsfreeze-status": "frozen", "guest-get-time": 5 * 10**9}) as guest:
        found = doctor(guest.address, 0)
        check("\x1b" not in run("doctor", guest.address).stdout, "escapes are shown, not obeyed")
    equal([found[link]["verdict"] for link in ("freeze", "mounts", "clock")], ["note"] * 3, found)


@contextlib.contextmanager
def machine(*options):
    """A QEMU without a disk: a guest that will never open its port."""
    program = shutil.which("qemu-system-x86_64")
    if not program:
        raise Skip("QEMU is not installed")
    with tempfile.TemporaryDirectory() as name:
        words = [program, "-nodefaults", "-display", "none", "-m", "32", "-qmp", f"unix:{name}/qmp,server=on,wait=off",
                 *[option.replace("DIR", name) for option in options]]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            deadline = time.monotonic() + 30
            while not os.path.exists(f"{name}/qmp"):
                check(process.poll() is None and time.monotonic() < deadline, "QEMU does not start")
                time.sleep(0.05)
            yield f"qemu:{name}/qmp"
        finally:
            process.terminate()
            process.communicate(timeout=30)


PORT = ("-device", "virtio-serial-pci", "-chardev", "socket,id=c,path=DIR/agent,server=on,wait=off",
        "-device", "virtserialport,chardev=c,name=org.qemu.guest_agent.0")


def test_qemu_without_a_port():
    with machine() as address:
        found = doctor(address, 3)
    equal((found["monitor"]["verdict"], found["device"]["verdict"]), ("ok", "broken"), found)
    check("virtserialport" in found["device"]["finding"], found)


def test_qemu_paused():
    with machine("-S", *PORT) as address:
        found = doctor(address, 3)
    equal((found["guest"]["verdict"], found["device"]["verdict"]), ("broken", "ok"), found)


def test_guest_that_never_opened_its_port():
    with machine(*PORT) as address:
        found = doctor(address, 4, "--timeout", "1")
        equal([found[link]["verdict"] for link in ("guest", "device", "port", "channel", "agent")],
              ["ok", "ok", "broken", "ok", "broken"], found)
        monitor = address.removeprefix("qemu:")
        rows = json.loads(run("list", "--qmp", monitor, "--timeout", "1", "-o", "json").stdout)
        equal([(row["guest"], row["state"]) for row in rows], [(address, "no answer")], "list")
        with Exporter("--qmp", monitor, "--timeout", "1") as exporter:
            samples = exporter.guest("qmp")
            equal(samples.get_one("pvtools_guest_errors_total", reason="timeout"), 1, "exporter")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
