#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The exporter on real guests over virtio-serial: a Debian with our agent, a
small guest with a stock qemu-ga; figures against files read in the guest."""

import base64
import os
import pathlib
import re
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import debian
import micro
import tap
from agent import find_agent
from exporter import Exporter
from shell import sh
from tap import Skip, check, equal
from vm import VM
from watched import machine

STOCK = "/usr/sbin/qemu-ga"


def read(line, path):
    handle = line.ask("guest-file-open", path=path)
    text = base64.b64decode(line.ask("guest-file-read", handle=handle, count=262144)["buf-b64"]).decode()
    line.ask("guest-file-close", handle=handle)
    return text


def reading(vm):
    """Figures that only grow, by the guest's own files: {(name, labels): number}."""
    found = {}
    with vm.line() as line:
        stat, disks, links = (read(line, f"/proc/{name}") for name in ("stat", "diskstats", "net/dev"))
    for cpu, user, _, system in re.findall(r"^cpu(\d+) (\d+) (\d+) (\d+)", stat, re.M):
        found["node_cpu_seconds_total", (("cpu", cpu), ("mode", "user"))] = int(user) / 100
        found["node_cpu_seconds_total", (("cpu", cpu), ("mode", "system"))] = int(system) / 100
    found["node_context_switches_total", ()] = int(re.search(r"^ctxt (\d+)", stat, re.M).group(1))
    found["node_forks_total", ()] = int(re.search(r"^processes (\d+)", stat, re.M).group(1))
    for words in (row.split() for row in disks.splitlines()):
        if re.match(r"vd[a-z]$", words[2]):
            found["node_disk_read_bytes_total", (("device", words[2]),)] = int(words[5]) * 512
            found["node_disk_written_bytes_total", (("device", words[2]),)] = int(words[9]) * 512
    for device, words in re.findall(r"^\s*(\w+):(.*)$", links, re.M):
        found["node_network_receive_bytes_total", (("device", device),)] = int(words.split()[0])
        found["node_network_transmit_packets_total", (("device", device),)] = int(words.split()[9])
    return found


def compare(vm, take):
    before = reading(vm)
    samples = take()
    after = reading(vm)
    equal(samples.get_one("pvtools_guest_up"), 1, "up")
    check(len(before) > 5, before)
    for key, least in before.items():
        check(key in samples and least - 0.02 <= samples[key] <= after[key] + 0.02,
              f"{key}: {least} <= {samples.get(key)} <= {after[key]}")
    with vm.line() as line:
        meminfo, uptime = read(line, "/proc/meminfo"), read(line, "/proc/uptime")
    total = int(re.search(r"^MemTotal:\s+(\d+)", meminfo, re.M).group(1)) * 1024
    equal(samples.get_one("node_memory_MemTotal_bytes"), total, "MemTotal")
    up = samples.get_one("node_time_seconds") - samples.get_one("node_boot_time_seconds")
    check(0 < up < float(uptime.split()[0]) + 2, f"up for {up} s, {uptime}")
    return samples


def test_debian_with_our_agent():
    with VM(*debian.image(find_agent())) as vm:
        vm.wait_agent()
        with Exporter("--sockets", vm.directory, "--max-age", 0, "--timeout", 30) as exporter:
            target = f"unix:{vm.agent_socket}"
            samples = compare(vm, lambda: exporter.guest(target))
            samples.get_one("pvtools_agent_info", kind="pvtools-agent")
            samples.get_one("node_uname_info", nodename="pvtools-guest", sysname="Linux")
            samples.get_one("node_os_info", id="debian")
            equal(samples.get_one("node_filesystem_readonly", mountpoint="/"), 0, "root")
            equal(samples.get_one("pvtools_guest_frozen"), 0, "frozen")
            with vm.line() as line:
                check(line.ask("guest-fsfreeze-freeze") > 0, "frozen")
            frozen = exporter.guest(target)
            with vm.line() as line:
                line.ask("guest-fsfreeze-thaw")
            equal(frozen.get_one("pvtools_guest_up"), 1, "up while frozen")
            equal(frozen.get_one("pvtools_guest_frozen"), 1, "frozen")
            check("node_memory_MemAvailable_bytes" in frozen.names(), "memory is told while frozen")
            check("node_filesystem_size_bytes" not in frozen.names(), "filesystems are not touched")
            busy = samples.find("node_cpu_seconds_total", mode="idle")
            time.sleep(1)
            later = exporter.guest(target).find("node_cpu_seconds_total", mode="idle")
            check(sum(later.values()) >= sum(busy.values()), "idle time goes on")
            rows = {name: samples.get_one(name) for name in
                    ("node_load1", "node_memory_MemAvailable_bytes", "pvtools_guest_collect_duration_seconds")}
            tap.note(f"{len(samples)} samples: {rows}")
            scrape = lambda: exporter.guest(target)
            for check_one in (under_load, readings_of_tools, clock_steps, unmounts_in_between, a_processor_goes):
                check_one(vm, scrape)


def in_guest(vm, command):
    with vm.line() as line:
        return sh(line, command, timeout=180)


def under_load(vm, scrape):
    """Everything moves: each figure lies between two readings of the guest's own."""
    in_guest(vm, "touch /run/busy; (while [ -e /run/busy ]; do :; done & while [ -e /run/busy ]; do dd if=/dev/zero of=/var/tmp/x "
                 "bs=64k count=200 conv=fsync; ping -c 5 -i 0.2 10.0.2.2; done) > /dev/null 2>&1 &")
    try:
        for _ in range(2):
            compare(vm, scrape)
    finally:
        in_guest(vm, "rm -f /run/busy; sync")


def between(low, value, high, what, slack=0):
    check(min(low, high) - slack <= value <= max(low, high) + slack, f"{what}: {low} <= {value} <= {high}")


def readings_of_tools(vm, scrape):
    """df, free and ip, before and after."""
    command = ("df -B1 --output=size,avail,itotal,iavail / | tail -1; free -b | sed -n 2p; free -b | sed -n 3p; "
               "ip -s link show lo | tail -3; uname -r")

    def take():
        lines = [line.split() for line in in_guest(vm, command).splitlines()]
        return {"df": [int(word) for word in lines[0]], "free": [int(word) for word in lines[1][1:]],
                "swap": int(lines[2][1]), "ip": int(lines[3][0]), "release": lines[6][0]}
    before, samples, after = take(), scrape(), take()
    for number, name in enumerate(("size_bytes", "avail_bytes", "files", "files_free")):
        between(before["df"][number], samples.get_one(f"node_filesystem_{name}", mountpoint="/"), after["df"][number],
                f"df {name}", 8 << 20 if name == "avail_bytes" else 64)
    equal(samples.get_one("node_memory_MemTotal_bytes"), before["free"][0], "free: total")
    between(before["free"][5], samples.get_one("node_memory_MemAvailable_bytes"), after["free"][5], "free: available", 64 << 20)
    equal(samples.get_one("node_memory_SwapTotal_bytes"), before["swap"], "free: swap")
    between(before["ip"], samples.get_one("node_network_receive_bytes_total", device="lo"), after["ip"], "ip -s link")
    samples.get_one("node_uname_info", release=before["release"])


def clock_steps(vm, scrape):
    """The clock and the time of boot are the guest's; what counts since boot does not care."""
    before = scrape()
    in_guest(vm, "systemctl stop systemd-timesyncd chrony 2>/dev/null || true; date -s '+1 hour'")
    try:
        after = scrape()
        ahead = after.get_one("node_time_seconds") - before.get_one("node_time_seconds")
        check(3600 <= ahead < 3600 + 300, f"{ahead} s ahead")
        moved = after.get_one("node_boot_time_seconds") - before.get_one("node_boot_time_seconds")
        check(abs(moved - 3600) <= 2, f"boot moved by {moved} s")
        for key, value in before.find("node_cpu_seconds_total").items():
            if dict(key[1])["mode"] not in ("idle", "iowait"):  # those may go back: proc(5)
                check(value <= after[key] < value + 300, f"{key}: {value}, {after[key]}")
    finally:
        in_guest(vm, "date -s '-1 hour'")
    check(scrape().get_one("node_time_seconds") < after.get_one("node_time_seconds"), "back again")


def unmounts_in_between(vm, scrape):
    """Filesystems come and go while they are asked: the others' figures are there."""
    in_guest(vm, "mkdir -p /mnt/a /mnt/b; (while [ ! -e /run/enough ]; do for d in a b; do mount -t tmpfs -o size=1m x /mnt/$d; "
                 "umount /mnt/$d; done; done; rm /run/enough) > /dev/null 2>&1 &")
    try:
        for _ in range(6):
            samples = scrape()
            equal(samples.get_one("pvtools_guest_up"), 1, "up")
            equal(samples.get_one("node_filesystem_device_error", mountpoint="/"), 0, "root")
            for (_, labels), size in samples.find("node_filesystem_size_bytes").items():
                if dict(labels)["mountpoint"] in ("/mnt/a", "/mnt/b"):
                    equal(size, 1 << 20, "its own size, and not that of what it is mounted on")
    finally:
        in_guest(vm, "touch /run/enough; while [ -e /run/enough ]; do sleep 0.1; done")
    check(not [1 for _, labels in scrape().find("node_filesystem_size_bytes") if "/mnt/a" in dict(labels).values()], "gone")


def a_processor_goes(vm, scrape):
    """One that is unplugged is absent, and not a row of zeros."""
    online = "/sys/devices/system/cpu/cpu1/online"
    cpus = lambda: {dict(labels)["cpu"] for _, labels in scrape().find("node_cpu_seconds_total")}
    equal(cpus(), {"0", "1"}, "at first")
    in_guest(vm, f"echo 0 > {online}")
    equal(cpus(), {"0"}, "without it")
    in_guest(vm, f"echo 1 > {online}")
    equal(cpus(), {"0", "1"}, "with it again")


def await_health(exporter, wanted):
    deadline = time.monotonic() + 120
    while True:
        samples = exporter.guest("second")
        states = [dict(labels)["state"] for (_, labels), value in samples.find("pvtools_guest_health").items() if value]
        if states == [wanted]:
            return samples
        check(time.monotonic() < deadline, f"{states}, not {wanted}")
        time.sleep(0.3)


def test_health_of_a_machine():
    """A monitor that is held all the time, and figures on the channel beside it."""
    with machine("-action", "panic=pause") as vm:
        vm.wait_agent()
        with Exporter("--qmp", vm.second, "--monitors", "--max-age", 0, "--timeout", 20) as exporter:
            equal(await_health(exporter, "ok").get_one("pvtools_guest_up"), 1, "up")
            vm.monitor.command("stop")
            await_health(exporter, "paused")
            vm.monitor.command("cont")
            await_health(exporter, "ok")
            with vm.line() as line:
                line.ask("guest-exec", path="/bin/sh", arg=["-c", "sleep 2; echo c > /proc/sysrq-trigger"])
            await_health(exporter, "panicked")


def test_small_guest_with_stock_qemu_ga():
    if not os.path.exists(STOCK):
        raise Skip("qemu-ga is not installed")
    with VM(*micro.image(STOCK), memory=256) as vm:
        vm.wait_agent()
        with Exporter("--sockets", vm.directory, "--max-age", 0, "--timeout", 30) as exporter:
            samples = compare(vm, lambda: exporter.guest(f"unix:{vm.agent_socket}"))
            samples.get_one("pvtools_agent_info", kind="qemu-ga", files="yes")
            tap.note(f"{len(samples)} samples in "
                     f"{samples.get_one('pvtools_guest_collect_duration_seconds')} s")


if __name__ == "__main__":
    tap.main(globals(), sys.argv[1:])
