#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guest's clock through pauses, restores and suspends, and who keeps it right."""

import json
import pathlib
import re
import struct
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import base
import cache
import chrony
import micro
import tap
from agent import find_agent
from shell import sh
from tap import Skip, check, equal, note
from test_debian import pvtools
from vm import ON_VMM, VM, needs

HOOK = """mkdir -p /etc/pvtools/{name}
printf '#!/bin/sh\\necho "$1 $PVT_EVENT $PVT_GAP_NS $PVT_CLOCK_METHOD" >> /run/events\\n' > /etc/pvtools/{name}/10-note
chmod 755 /etc/pvtools/{name}/10-note
"""
KINDS = ("suspend.d", "resume.d", "migrate.d", "generation.d", "time.d")


def machine(initrd=None, full=False, **keywords):
    kernel, plain = full_image() if full else micro.image(find_agent())
    return VM(kernel, initrd or plain, memory=256, **keywords)


def full_image():
    """The micro guest with the kernel that has every driver: that of vmgenid, too."""
    return micro.image(find_agent(), full=True)


def put_hooks(line):
    for name in KINDS:
        sh(line, HOOK.format(name=name))


def offset(line):
    """Host minus guest in s, of the quickest of some answers, and that answer."""
    best = None
    for _ in range(6):
        before = time.time_ns()
        clock = line.ask("pvt-get-clock")
        after = time.time_ns()
        if best is None or after - before < best[0]:
            best = after - before, (before + after) / 2e9 - clock["realtime"] / 1e9, clock
    return best[1], best[2]


def wait_disruption(line, kind, before=None, timeout=60):
    """Waits until the agent has dealt with a disruption that is not @before."""
    deadline = time.monotonic() + timeout
    while True:
        off, clock = offset(line)
        last = clock.get("last-disruption")
        if last and last != before:
            equal(last["kind"], kind, "disruption")
            return off, last
        check(time.monotonic() < deadline, f"nothing was noticed: {clock}, off by {off} s")
        time.sleep(0.2)


def settle(vm):
    """The agent has compared the clocks: that takes it up to a second from its start."""
    vm.wait_agent()
    with vm.line() as line:
        deadline = line.ask("pvt-get-clock")["boottime"] + 2_500_000_000
        while line.ask("pvt-get-clock")["boottime"] < deadline:
            time.sleep(0.1)
        put_hooks(line)
        return offset(line)[0]


def events(line):
    """What the hooks noted, once they have run."""
    deadline = time.monotonic() + 30
    while not (text := sh(line, "cat /run/events 2>/dev/null || true")):
        check(time.monotonic() < deadline, "no hook ran")
        time.sleep(0.2)
    return [entry.split() for entry in text.splitlines()]


def announcements(pcap):
    """(ARP requests, ARP replies, neighbour advertisements) in a capture, from 10.0.2.15's guest."""
    data, at, found = pcap.read_bytes(), 24, [0, 0, 0]
    while at + 16 <= len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        frame = data[at + 16:at + 16 + size]
        at += 16 + size
        if frame[12:14] == b"\x08\x06" and frame[28:32] == frame[38:42]:
            found[frame[21] - 1] += 1
        elif frame[12:14] == b"\x86\xdd" and frame[20] == 58 and frame[54] == 136:
            found[2] += 1
    return tuple(found)


def test_a_pause_is_made_up_for_when_the_host_comes_back():
    with machine() as vm:
        before = settle(vm)
        vm.monitor.command("stop")
        time.sleep(6)
        vm.monitor.command("cont")
        began = time.monotonic()
        with vm.line() as line:
            line.sync(77)
            if ON_VMM:  # whose guests' clocks go on: there is nothing to make up for
                off = offset(line)[0]
                note(f"off by {before:.3f} s, paused for 6 s, {off:.3f} s off")
                check(abs(off - before) < 0.25, (before, off))
                return
            off, last = wait_disruption(line, "paused")
            note(f"off by {before:.3f} s, paused for 6 s, {off:.3f} s off "
                 f"{time.monotonic() - began:.1f} s after the host was back")
            check(abs(off - before) < 0.25, (before, off))
            check(5.5e9 < last["gap-ns"] < 60e9, last)
            equal(last["method"], "stepped", "method")
            noted = events(line)
            check(["step", "step", "stepped"] in noted, noted)
            while not any(entry[:2] == ["post-pause", "post-pause"] for entry in noted):
                noted = events(line)
            # Once: it is not found again.
            line.sync(78)
            time.sleep(3)
            equal(offset(line)[1]["last-disruption"], last, "the last disruption")


def test_nothing_happens_while_frozen():
    needs("still-clock")
    disk = [("virtio-blk-pci,drive={drive}", 64 << 20)]
    with machine(disks=disk, append="pvt.mount") as vm:
        settle(vm)
        with vm.line() as line:
            equal(line.ask("guest-fsfreeze-freeze"), 1, "frozen")
            vm.monitor.command("stop")
            time.sleep(4)
            vm.monitor.command("cont")
            line.sync(79)
            time.sleep(3)
            off, clock = offset(line)
            check("last-disruption" not in clock and off > 3, (off, clock))
            line.ask("guest-fsfreeze-thaw")
            off, last = wait_disruption(line, "paused")
            equal(last["method"], "stepped", "method")


def save(vm, path):
    vm.monitor.command("migrate", uri=f"exec:cat > {path}")
    deadline = time.monotonic() + 120
    while (state := vm.monitor.command("query-migrate"))["status"] != "completed":
        check(state["status"] in ("setup", "active", "device") and time.monotonic() < deadline, state)
        time.sleep(0.2)


def vmgenid(number):
    return ["-device", f"vmgenid,guid=00000000-0000-4000-8000-{number:012}"]


def test_a_restore_with_another_generation_is_noticed_without_a_host():
    needs("migration")
    with machine(full=True, devices=vmgenid(1)) as vm:
        before = settle(vm)
        state = pathlib.Path(vm.directory).with_suffix(".state")
        save(vm, state)
    try:
        time.sleep(4)
        pcap = pathlib.Path(str(state) + ".pcap")
        dump = ["-object", f"filter-dump,id=dump,netdev=net0,file={pcap}"]
        with machine(full=True, devices=[*vmgenid(2), *dump, "-incoming", f"exec:cat {state}"]) as vm:
            deadline = time.monotonic() + 60
            # Nobody says a word to the agent meanwhile.
            while not vm.monitor.command("query-status")["running"]:
                check(time.monotonic() < deadline, "the guest did not come back")
                time.sleep(0.1)
            while not pcap.exists() or announcements(pcap)[1] < 3:
                check(time.monotonic() < deadline, "it was not announced")
                time.sleep(0.2)
            vm.wait_agent()
            with vm.line() as line:
                off, last = wait_disruption(line, "generation")
                note(f"off by {before:.3f} s, saved, 4 s later restored: {off:.3f} s off, {last}")
                check(abs(off - before) < 0.25, (before, off))
                noted = events(line)
                check(any(entry[:2] == ["new-generation"] * 2 for entry in noted), noted)
            sent = announcements(pcap)
            note(f"ARP requests, replies, neighbour advertisements: {sent}")
            check(sent[0] >= 3 and sent[1] >= 3 and sent[2] >= 3, sent)
    finally:
        state.unlink()
        pcap.unlink(missing_ok=True)


def test_the_host_tells_of_a_migration():
    with machine() as vm:
        settle(vm)
        with vm.line() as line:
            report = line.ask("pvt-notify-lifecycle", event="pre-migrate")
            equal([(hook["path"], hook["ok"]) for hook in report["hooks"]],
                  [("/etc/pvtools/migrate.d/10-note", True)], "hooks")
            check("clock" not in report and "announced-frames" not in report, report)
            report = line.ask("pvt-notify-lifecycle", event="post-migrate")
            check(report["announced-frames"] >= 6, report)
            if "clock" in report or not ON_VMM:  # the KVM of an emulated machine tells no clock
                equal(report["clock"]["method"], "ignored", "clock")
            equal(len(report["hooks"]), 1, "hooks")
            equal([entry[0] for entry in events(line)], ["pre-migrate", "post-migrate"], "events")


def test_suspend_to_ram():
    with machine(devices=["-global", "ICH9-LPC.disable_s3=0"]) as vm:
        before = settle(vm)
        with vm.line() as line:
            line.send(line.request("guest-suspend-ram"))
            vm.monitor.wait_event("SUSPEND", 60)
            time.sleep(4)
            vm.monitor.command("system_wakeup")
            vm.monitor.wait_event("WAKEUP", 60)
        vm.wait_agent()
        with vm.line() as line:
            off, last = wait_disruption(line, "resumed")
            clock = offset(line)[1]
            check(clock["boottime"] - clock["monotonic"] > 2e9, clock)
            note(f"off by {before:.3f} s, slept for 4 s: {off:.3f} s off, {last}")
            check(abs(off - before) < 1.5, (before, off))
            noted = events(line)
            while not any(entry[0] == "post-resume" for entry in noted):
                noted = events(line)
            equal(noted[0][0], "pre-suspend", "events")


def test_the_hosts_command():
    with machine(devices=["-rtc", "base=2026-01-02T03:04:05"]) as vm:
        settle(vm)
        address = f"unix:{vm.agent_socket}"
        shown = json.loads(pvtools("time", "get", address, "-o", "json"))
        check(shown["offset-ns"] > 3600e9 and shown["uncertainty-ns"] < 1e9, shown)
        note(pvtools("time", address))
        done = json.loads(pvtools("time", "sync", address, "-o", "json"))
        equal((done["method"], done["service"], done["rtc-written"]), ("stepped", "none", True), done)
        shown = json.loads(pvtools("time", address, "-o", "json"))
        note(f"left after a step: {shown['offset-ns'] / 1e6:.3f} ms, "
             f"exact to {shown['uncertainty-ns'] / 1e6:.3f} ms")
        check(abs(shown["offset-ns"]) < 50e6 + shown["uncertainty-ns"], shown)
        with vm.line() as line:
            sh(line, "date -s @$(($(date +%s) + 3600))")
        check("does not go back" in pvtools_error("time", "sync", address), "refused")
        done = json.loads(pvtools("time", "sync", address, "--allow-backward", "-o", "json"))
        equal(done["method"], "stepped", done)
        check(abs(done["offset-before-ns"] + 3600e9) < 5e9, done)
        with vm.line() as line:
            line.ask("guest-set-time", time=time.time_ns() - 200_000_000)
        done = json.loads(pvtools("time", "sync", address, "-o", "json"))
        equal(done["method"], "slewed", done)


def pvtools_error(*words):
    from test_debian import find_cli
    done = subprocess.run([find_cli(), *words], capture_output=True, text=True, timeout=100, check=False)
    equal(done.returncode, 1, f"{words}: {done.stdout}{done.stderr}")
    return done.stderr


def test_chrony_is_left_in_charge():
    needs("host-network", "still-clock")
    try:
        files = chrony.files()
    except chrony.Missing as missing:
        raise Skip(missing) from missing
    kernel, plain = micro.image(find_agent())
    with chrony.server(files) as port, machine(initrd=chrony.initrd(plain, files)) as vm:
        settle(vm)
        with vm.line(timeout=120) as line:
            sh(line, chrony.START.format(port=port))
            deadline = time.monotonic() + 90
            while not re.search(r"Normal$", sh(line, "chronyc -c -n tracking || true").strip()):
                check(time.monotonic() < deadline, sh(line, "chronyc -n sources; cat /run/chrony.log"))
                time.sleep(0.5)
            done = line.ask("pvt-sync-clock", offset_ns=300_000_000, uncertainty_ns=0)
            equal((done["service"], done["tracking"], done["method"]), ("chrony", True, "ignored"), done)
            # Once chronyd is sure the kernel writes the hardware clock, and again after
            # eleven minutes: not just while the clock is behind.
            time.sleep(6)
            before = offset(line)[0]
            vm.monitor.command("stop")
            time.sleep(8)
            vm.monitor.command("cont")
            line.sync(80)
            off, last = wait_disruption(line, "paused", timeout=90)
            note(f"chrony kept it at {before:.4f} s; paused for 8 s; {off:.4f} s off, {last}")
            equal(last["method"], "delegated", "method")
            log = sh(line, "cat /run/chrony.log")
            check(abs(off) < 0.25, (off, last, log))
            check("stepped by" in log, log)


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
