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
from tap import Skip, check, equal
from vm import VM

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
