#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""exec and cp through a virtio-serial port of a real guest, and clients that die
in the middle: the port is one stream for all who ever come."""

import hashlib
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import cli
import micro
import tap
from agent import find_agent
from tap import check, equal, note
from vm import VM

guest = {}


def vm():
    if not guest:
        machine = VM(*micro.image(find_agent()), memory=384)
        guest["vm"] = machine.__enter__()
        machine.wait_agent()
    return guest["vm"]


def address():
    return f"unix:{vm().extended_socket}"


def execute(*words, stdin=None, options=(), code=0):
    done = subprocess.run([cli.find_cli(), "exec", "--timeout", "20", *options, address(), "--", *words],
                          input=stdin, capture_output=True, timeout=120, check=False)
    equal(done.returncode, code, f"{words}: {done.stderr[-300:]}")
    return done.stdout


def test_exec():
    equal(execute("hostname"), b"micro\n", "hostname")
    execute("sh", "-c", "exit 9", code=9)
    equal(execute("cat", stdin=b"through the port", options=["-i"]), b"through the port", "stdin")
    done = subprocess.run([cli.find_cli(), "exec", vm().address, "--", "uname"],
                          capture_output=True, timeout=60, check=False)
    equal(done.stdout, b"Linux\n", "found by the monitor")


def test_cp_and_its_speed():
    data = random.Random(5).randbytes(24 << 20)
    with tempfile.TemporaryDirectory() as name:
        here = pathlib.Path(name)
        (here / "source").write_bytes(data)
        began = time.monotonic()
        cli.expect(0, "cp", address(), here / "source", ":/tmp/there")
        to_guest = time.monotonic() - began
        began = time.monotonic()
        cli.expect(0, "cp", address(), ":/tmp/there", here / "back")
        from_guest = time.monotonic() - began
        check((here / "back").read_bytes() == data, "back")
        note(f"{24 / to_guest:.0f} MiB/s to the guest, {24 / from_guest:.0f} MiB/s from it")
        equal(execute("sha256sum", "/tmp/there").split()[0].decode(), hashlib.sha256(data).hexdigest(),
              "the guest's own checksum")


def test_clients_that_die():
    chance = random.Random(6)
    with tempfile.TemporaryDirectory() as name:
        here = pathlib.Path(name)
        (here / "big").write_bytes(bytes(64 << 20))
        plans = (["exec", address(), "--", "yes"], ["cp", address(), here / "big", ":/tmp/big"],
                 ["cp", address(), ":/tmp/there", here / "x"], ["exec", "-i", address(), "--", "cat"])
        for turn in range(12):
            process = cli.start(*plans[turn % len(plans)])
            time.sleep(chance.uniform(0.05, 0.7))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            equal(execute("echo", f"turn {turn}"), f"turn {turn}\n".encode(), "the next client")
    left = execute("sh", "-c", "ps | grep -c '[y]es$' || true").strip()
    equal(left, b"0", "programs of dead clients")


def test_the_plain_port_beside_it():
    process = cli.start("exec", address(), "--", "yes")
    try:
        time.sleep(0.3)
        with vm().line() as line:
            line.sync()
            for _ in range(20):
                equal(line.ask("guest-ping"), {}, "ping")
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    try:
        tap.main(globals(), sys.argv[1:])
    finally:
        if guest:
            guest["vm"].__exit__(ValueError, None, None)
