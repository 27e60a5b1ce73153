#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line and the configuration file, qemu-ga's and what we added."""

import configparser
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import tap
from agent import Agent, find_agent
from tap import Skip, check, equal
from wire import Line

# What this machine has in /etc must not matter.
EMPTY = tempfile.NamedTemporaryFile(suffix=".conf")
NO_FILES = {"PVT_CONF": EMPTY.name}


def run(*words, env=None):
    return subprocess.run([find_agent(), *words], capture_output=True, text=True, timeout=20,
                          env=dict(os.environ, **(env or NO_FILES)))


def with_file(text, *words):
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(text)
        file.flush()
        return run("-c", file.name, *words)


def test_version_and_lists():
    check(run("-V").stdout.startswith("pvtools-agent "), "version")
    for option in ("--block-rpcs=help", "-b?", "--allow-rpcs=help"):
        check("guest-ping\n" in run(option).stdout, option)


def test_dump_is_a_config_file():
    done = run("-D", "-m", "unix-listen", "-p", "/tmp/x", "-v", "-b", "guest-get-time", "-F/h", "-t", "/s",
               "-l", "/log", "-f", "/pid", "-r")
    parser = configparser.ConfigParser()
    parser.read_string(done.stdout)
    general = dict(parser["general"])
    equal({key: general[key] for key in ("method", "path", "verbose", "block-rpcs", "fsfreeze-hook",
                                         "statedir", "logfile", "pidfile", "retry-path", "daemon")},
          {"method": "unix-listen", "path": "/tmp/x", "verbose": "true",
           "block-rpcs": "guest-get-time", "fsfreeze-hook": "/h", "statedir": "/s",
           "logfile": "/log", "pidfile": "/pid", "retry-path": "true", "daemon": "false"}, "dump")
    equal(with_file(done.stdout, "-D").stdout, done.stdout, "a dump read back")


def test_defaults():
    text = run("-D").stdout
    check("method=virtio-serial" in text
          and "path=/dev/virtio-ports/org.qemu.guest_agent.0" in text, text)


def test_options_win_over_the_file():
    text = with_file("[general]\nmethod=unix-listen\npath=/tmp/a\nstatedir=/x\n", "-D", "-p", "/tmp/b").stdout
    check("path=/tmp/b" in text and "method=unix-listen" in text and "statedir=/x" in text, text)


def test_old_names_still_work():
    check("block-rpcs=guest-x" in run("-D", "--blacklist", "guest-x").stdout, "--blacklist")
    check("block-rpcs=guest-y" in with_file("[general]\nblacklist=guest-y\n", "-D").stdout, "file")


def test_errors_say_what_is_wrong():
    for words, part in ((("-m", "pigeon"), "pigeon"), (("-m", "unix-listen"), "needs a path"),
                        (("--nonsense",), "nonsense"), (("word",), "unexpected argument 'word'"),
                        (("-c", "/nonexistent"), "/nonexistent"),
                        (("--profile", "odd", "-m", "unix-listen", "-p", "/tmp/pvt-odd", "-t", "/tmp"), "odd")):
        done = run(*words)
        equal(done.returncode, 1, f"{words}: {done.stderr}")
        check(part in done.stderr, f"{words}: {done.stderr}")
    for text, part in (("[general]\nspeed=1\n", "speed"), ("[odd]\nx=1\n", "[odd]"),
                       ("[general]\nverbose=perhaps\n", "perhaps"), ("nonsense", "nonsense")):
        done = with_file(text)
        equal(done.returncode, 1, text)
        check(part in done.stderr, f"{text}: {done.stderr}")


def test_a_file_written_for_qemu_ga():
    """What qemu-ga passes over does not keep us from starting in its place."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write("[general]\nverbose=1\nblock-rpcs=guest-exec\nof-a-later-version=1\n[other]\nx=1\n")
        file.flush()
        env = {key: value for key, value in os.environ.items() if key != "PVT_CONF"}
        done = subprocess.run([find_agent(), "-D"], capture_output=True, text=True, timeout=20,
                              env=dict(env, QGA_CONF=file.name))
        equal(done.returncode, 0, done.stderr)
        check("block-rpcs=guest-exec" in done.stdout and "verbose=true" in done.stdout, done.stdout)
        check("of-a-later-version" in done.stderr, done.stderr)


def test_several_channels():
    with tempfile.TemporaryDirectory() as name:
        conf = pathlib.Path(name) / "conf"
        conf.write_text("".join(f"[channel c{n}]\nmethod=unix-listen\npath={name}/s{n}\n" for n in range(3))
                        + f"[channel port]\nmethod=virtio-serial\npath={name}/none/port\n")
        process = subprocess.Popen([find_agent(), "-c", str(conf), "-t", name],
                                   stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 20
            while not os.path.exists(f"{name}/s2"):
                check(time.monotonic() < deadline, "no sockets")
                time.sleep(0.02)
            lines = [Line(f"{name}/s{n}") for n in range(3)]
            for number, line in enumerate(lines):
                equal(line.ask("guest-sync", id=number), number, "sync")
            status = lines[0].ask("pvt-get-status")
            equal([(c["name"], c["connected"]) for c in status["channels"]],
                  [("c0", True), ("c1", True), ("c2", True), ("port", False)], "channels")
            for line in lines:
                line.close()
        finally:
            process.terminate()
            equal(process.wait(20), 0, "exit")


def test_systemd_is_told():
    with tempfile.TemporaryDirectory() as name:
        server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        server.bind(f"{name}/notify")
        server.settimeout(20)
        with Agent(env={"NOTIFY_SOCKET": f"{name}/notify", "WATCHDOG_USEC": "200000"}):
            equal(server.recv(100), b"READY=1", "first")
            equal(server.recv(100), b"WATCHDOG=1", "then")
            equal(server.recv(100), b"WATCHDOG=1", "and again")
        messages = []
        while not messages or messages[-1] != b"STOPPING=1":
            messages.append(server.recv(100))
        server.close()


def test_pid_file_is_locked():
    with tempfile.TemporaryDirectory() as name:
        with Agent("-f", f"{name}/pid") as agent:
            equal(int(pathlib.Path(f"{name}/pid").read_text()), agent.process.pid, "pid")
            done = run("-m", "unix-listen", "-p", f"{name}/s", "-t", name, "-f", f"{name}/pid")
            check(done.returncode == 1 and "pid file" in done.stderr, done.stderr)
        check(not os.path.exists(f"{name}/pid"), "the pid file is gone with the agent")


def test_daemon():
    with tempfile.TemporaryDirectory() as name:
        done = run("-d", "-m", "unix-listen", "-p", f"{name}/s", "-t", name, "-f", f"{name}/pid",
                   "-l", f"{name}/log")
        equal(done.returncode, 0, done.stderr)
        deadline = time.monotonic() + 20
        while not os.path.exists(f"{name}/s"):
            check(time.monotonic() < deadline, "no socket")
            time.sleep(0.02)
        with Line(f"{name}/s") as line:
            equal(line.ask("guest-ping"), {}, "ping")
        os.kill(int(pathlib.Path(f"{name}/pid").read_text()), 15)
        while os.path.exists(f"{name}/pid"):
            check(time.monotonic() < deadline, "it did not end")
            time.sleep(0.02)
        check("started" in pathlib.Path(f"{name}/log").read_text(), "log")


def answer_to_ping(line):
    line.settimeout(20)
    try:
        line.sendall(b'{"execute":"guest-ping"}\n')
        return line.recv(100)
    except ConnectionError:
        return b""


def test_vsock():
    try:
        probe = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
        probe.bind((1, 0xFFFFFFFF))
        probe.close()
    except OSError as error:
        raise Skip(f"no local vsock here: {error}") from error
    with tempfile.TemporaryDirectory() as name:
        process = subprocess.Popen([find_agent(), "-m", "vsock-listen", "-p", "any:7654", "-t", name])
        try:
            deadline = time.monotonic() + 20
            stranger = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
            while stranger.connect_ex((1, 7654)):
                check(time.monotonic() < deadline, "nobody listens")
                time.sleep(0.05)
            # Any user of the guest has such a port: what it says is not heard.
            equal(answer_to_ping(stranger), b"", "a stranger")
            with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as line:
                line.bind((socket.VMADDR_CID_ANY, 1000))
                line.connect((1, 7654))
                equal(answer_to_ping(line), b'{"return": {}}\n', "root")
            stranger.close()
        finally:
            process.terminate()
            process.wait(20)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
