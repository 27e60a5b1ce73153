#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clock, hooks and announcements of an agent here; the machine's clock is left alone."""

import contextlib
import ctypes
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import tap
from agent import Agent, find_agent
from tap import Skip, check, equal
from wire import AgentError

BUILD = pathlib.Path(find_agent()).resolve().parents[1]
CLI = os.environ.get("PVT_CLI") or str(BUILD / "host-side/cli/pvtools")
STOCK = "/usr/sbin/qemu-ga"
CLONE_NEWNET = 0x40000000


@contextlib.contextmanager
def configured(text):
    """An agent with that in its configuration file, and a directory for events."""
    with tempfile.TemporaryDirectory(prefix="pvt-events-") as name:
        path = pathlib.Path(name) / "agent.conf"
        path.write_text(f"[general]\nevents-dir={name}/events\n{text}")
        with Agent(env={"PVT_CONF": str(path)}) as agent:
            yield agent, pathlib.Path(name) / "events"


def put_hook(directory, name, text, mode=0o755):
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(mode)
    return str(path)


def cli(*words, code=0):
    done = subprocess.run([CLI, *map(str, words)], capture_output=True, text=True, timeout=60, check=False)
    equal(done.returncode, code, f"{words}: {done.stdout}{done.stderr}")
    return done.stdout


def test_the_clocks():
    with Agent() as agent, agent.line() as line:
        clock = line.ask("pvt-get-clock")
        check(abs(clock["realtime"] / 1e9 - time.time()) < 60, clock)
        check(0 < clock["monotonic"] <= clock["boottime"], clock)
        check("last-disruption" not in clock, clock)


def test_what_does_not_touch_the_clock():
    with Agent() as agent, agent.line() as line:
        done = line.ask("pvt-sync-clock", offset_ns=1_000_000, uncertainty_ns=0)
        equal((done["method"], done["offset-before-ns"], done["rtc-written"]), ("ignored", 1_000_000, False), done)
        # Measured before the clock was set, as the base says: an hour is not believed.
        clock = line.ask("pvt-get-clock")
        base = clock["realtime"] - clock["boottime"] - 10**9
        done = line.ask("pvt-sync-clock", offset_ns=3600 * 10**9, uncertainty_ns=10**6, base_ns=base)
        equal(done["method"], "ignored", done)
        check("was set since" in done["why"], done)
        for wrong in ({"offset-ns": 0}, {"offset-ns": 0, "uncertainty-ns": -1}):
            try:
                line.ask("pvt-sync-clock", wrong)
                raise AssertionError(f"{wrong} was taken")
            except AgentError:
                pass


def test_hooks_in_their_order_by_their_rules():
    if os.geteuid() != 0:
        raise Skip("hooks are root's: this needs root")
    with configured("hook-timeout=1\n") as (agent, events), agent.line() as line:
        log = events / "log"
        note = f'echo "$0 $1 $PVT_EVENT" >> {log}\n'
        names = [put_hook(events / "migrate.d", "20-second", note),
                 put_hook(events / "migrate.d", "10-first", note),
                 put_hook(events / "migrate.d", "30-fails", note + "exit 3\n"),
                 put_hook(events / "migrate.d", "40-hangs", note + "sleep 60\n")]
        put_hook(events / "migrate.d", "50-no-program", note, mode=0o644)
        put_hook(events / "migrate.d", "60-anybody", note, mode=0o757)
        put_hook(events / "migrate.d", "70-old.dpkg-old", note)
        put_hook(events / "suspend.d", "10-other", note)
        report = line.ask("pvt-notify-lifecycle", event="pre-migrate")
        equal([(h["path"], h["ok"]) for h in report["hooks"]],
              [(names[1], True), (names[0], True), (names[2], False), (names[3], False)], "hooks")
        equal(log.read_text().splitlines(),
              [f"{path} pre-migrate pre-migrate" for path in (names[1], names[0], names[2], names[3])], "log")
        report = line.ask("pvt-notify-lifecycle", event="pre-suspend")
        equal(len(report["hooks"]), 1, "suspend.d")


def test_the_monitor_profile_has_no_say():
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write("[general]\nprofile=monitor\n")
        file.flush()
        with Agent(env={"PVT_CONF": file.name}) as agent, agent.line() as line:
            line.ask("pvt-get-clock")
            for command, words in (("pvt-sync-clock", {"offset-ns": 0, "uncertainty-ns": 0}),
                                   ("pvt-announce", {}),
                                   ("pvt-notify-lifecycle", {"event": "pre-migrate"})):
                try:
                    line.ask(command, words)
                    raise AssertionError(f"{command} ran")
                except AgentError as error:
                    equal(error.error_class, "CommandNotFound", command)


@contextlib.contextmanager
def network():
    """This process in a network of its own: two ends of a cable, a0 with addresses."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", "rb") as old:
        if libc.unshare(CLONE_NEWNET) != 0:
            raise Skip(f"no network namespace: {os.strerror(ctypes.get_errno())}")
        try:
            for words in ("link set lo up",
                          "link add a0 address 02:00:00:00:00:0a type veth peer name b0 address 02:00:00:00:00:0b",
                          "link set b0 addrgenmode none", "link set b0 up", "link set a0 up",
                          "link add down0 type veth peer name down1", "addr add 198.51.100.9/24 dev down0",
                          "addr add 192.0.2.1/24 dev a0",
                          "addr add 192.0.2.2/24 dev a0", "addr add 2001:db8::1/64 dev a0 nodad"):
                subprocess.run(["ip", *words.split()], check=True, capture_output=True)
            wait_link_local()
            yield
        finally:
            libc.setns(old.fileno(), CLONE_NEWNET)


def wait_link_local():
    deadline = time.monotonic() + 30
    while True:
        text = subprocess.run(["ip", "-6", "addr", "show", "dev", "a0", "scope", "link"], check=True,
                              capture_output=True, text=True).stdout
        if "inet6" in text and "tentative" not in text:
            return
        check(time.monotonic() < deadline, text)
        time.sleep(0.1)


def frames(sock):
    """What came, until nothing has for a while."""
    sock.settimeout(0.7)
    with contextlib.suppress(TimeoutError):
        while True:
            yield sock.recv(2048)


def checksum(frame):
    """0 when the ICMPv6 checksum is right."""
    data = frame[22:54] + struct.pack(">II", len(frame) - 54, 58) + frame[54:]
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def test_what_is_really_announced():
    with network(), Agent() as agent, agent.line() as line, \
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as sock:
        sock.bind(("b0", 3))
        list(frames(sock))  # what the kernel has to say of its own
        sent = line.ask("pvt-announce")
        equal(sent, {"interfaces": 1, "addresses": 4, "frames": 18, "failed": 0}, "report")
        arp, advertised = [], []
        for frame in frames(sock):
            if frame[12:14] == b"\x08\x06":
                equal(frame[:12], b"\xff" * 6 + b"\x02\0\0\0\0\x0a", "addresses of the frame")
                equal(frame[28:32], frame[38:42], "gratuitous")
                arp.append((frame[21], socket.inet_ntoa(frame[28:32])))
            elif frame[12:14] == b"\x86\xdd" and frame[20] == 58 and frame[54] == 136:
                equal((frame[21], checksum(frame)), (255, 0), "hop limit, checksum")
                equal(frame[58] & 0x60, 0x20, "override, not solicited")
                equal(frame[78:86], b"\x02\x01\x02\0\0\0\0\x0a", "option")
                advertised.append(socket.inet_ntop(socket.AF_INET6, frame[62:78]))
        round_of_arp = [(1, "192.0.2.1"), (2, "192.0.2.1"), (1, "192.0.2.2"), (2, "192.0.2.2")]
        equal(arp, round_of_arp * 3, "ARP")
        equal(sorted(advertised), ["2001:db8::1"] * 3 + ["fe80::ff:fe00:a"] * 3, "advertisements")


def test_a_neighbour_learns():
    """The kernel's own ARP table, on the other end, follows what was announced."""
    with network(), Agent() as agent, agent.line() as line:
        for words in ("netns add pvt-peer", "link set b0 netns pvt-peer",
                      "-n pvt-peer addr add 192.0.2.9/24 dev b0", "-n pvt-peer link set b0 up",
                      "-n pvt-peer neigh replace 192.0.2.1 lladdr 02:00:00:00:00:ff dev b0 nud stale"):
            done = subprocess.run(["ip", *words.split()], capture_output=True, text=True, check=False)
            if done.returncode and "netns add" in words:
                raise Skip(f"no named network namespace: {done.stderr.strip()}")
            equal(done.returncode, 0, f"{words}: {done.stderr}")
        try:
            line.ask("pvt-announce")
            shown = subprocess.run(["ip", "-n", "pvt-peer", "neigh", "show", "192.0.2.1"], check=True,
                                   capture_output=True, text=True).stdout
            check("02:00:00:00:00:0a" in shown, shown)
        finally:
            subprocess.run(["ip", "netns", "del", "pvt-peer"], check=False, capture_output=True)


def test_a_link_with_much_to_tell():
    """Its other names make the kernel's message longer than the room for most."""
    with network(), Agent() as agent, agent.line() as line:
        links = {link["name"] for link in line.ask("guest-network-get-interfaces")}
        check({"lo", "a0", "b0", "down0"} <= links, links)
        for number in range(60):
            subprocess.run(["ip", "link", "property", "add", "dev", "a0", "altname", f"a{number:0120}"],
                           check=True, capture_output=True)
        for _ in range(2):
            equal({link["name"] for link in line.ask("guest-network-get-interfaces")}, links, "links")


def test_the_hosts_command():
    with Agent() as agent:
        address = f"unix:{agent.socket}"
        shown = json.loads(cli("time", address, "-o", "json"))
        check(abs(shown["offset-ns"]) <= shown["uncertainty-ns"] + 5_000_000, shown)
        check("Time service" in cli("time", "get", address), "table")
        done = json.loads(cli("time", "sync", address, "-o", "json"))
        equal((done["method"], done["rtc-written"]), ("ignored", False), done)
        cli("time", "sync", address, "--backward", code=2)
        cli("time", "get", address, "extra", code=2)
        cli("reboot", address, "--fallback", "acpi", code=2)
        cli("shutdown", address, "--fallback", "magic", code=2)
        cli("shutdown", address, "--fallback", "acpi", code=2)


def test_the_hosts_command_with_stock_qemu_ga():
    if not os.access(STOCK, os.X_OK):
        raise Skip(f"there is no {STOCK}")
    with tempfile.TemporaryDirectory(prefix="pvt-stock-") as name:
        path = pathlib.Path(name) / "s"
        process = subprocess.Popen([STOCK, "-m", "unix-listen", "-p", str(path), "-t", name],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 20
            while not path.exists():
                check(time.monotonic() < deadline and process.poll() is None, "qemu-ga did not start")
                time.sleep(0.05)
            shown = json.loads(cli("time", f"unix:{path}", "-o", "json"))
            check(abs(shown["offset-ns"]) <= shown["uncertainty-ns"] + 5_000_000, shown)
            check("service" not in shown, shown)
            done = json.loads(cli("time", "sync", f"unix:{path}", "-o", "json"))
            equal(done["method"], "ignored", done)
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
