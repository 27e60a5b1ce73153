#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""CPUs and memory plugged into a running Debian guest are used, and can be taken
out of use again through the agent."""

import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import debian
import tap
from agent import find_agent
from shell import sh
from tap import check, equal
from vm import ON_VMM, VM, needs
from wire import AgentError

guest = {}


def vm():
    if not guest:
        machine = VM(*debian.image(find_agent(), full_kernel=True), smp="2" if ON_VMM else "1,maxcpus=2")
        if not ON_VMM:
            # Room for the memory that comes later.
            machine.arguments[machine.arguments.index("-m") + 1] = "1024,slots=2,maxmem=4G"
        guest["vm"] = machine.__enter__()
        machine.wait_agent(300)
    return guest["vm"]


def wait(what, condition, timeout=60):
    deadline = time.monotonic() + timeout
    while not condition():
        check(time.monotonic() < deadline, what)
        time.sleep(0.2)


def online(line):
    return [cpu["logical-id"] for cpu in line.ask("guest-get-vcpus") if cpu["online"]]


def test_a_plugged_cpu_comes_online():
    needs("hotplug")
    machine = vm()
    slot = next(entry for entry in machine.monitor.command("query-hotpluggable-cpus")
                if "qom-path" not in entry)
    machine.monitor.command("device_add", driver=slot["type"], id="cpu2", **{
        key.replace("-", "_"): value for key, value in slot["props"].items()})
    with machine.line() as line:
        wait("the new CPU is not online", lambda: online(line) == [0, 1])


def test_cpus_by_the_agent():
    with vm().line() as line:
        equal(line.ask("guest-set-vcpus", vcpus=[{"logical-id": 1, "online": False},
                                                 {"logical-id": 77, "online": True},
                                                 {"logical-id": 1, "online": True}]), 1,
              "as far as it goes")
        equal(online(line), [0], "offline")
        try:
            line.ask("guest-set-vcpus", vcpus=[{"logical-id": 77, "online": True}])
            raise AssertionError("there is no CPU 77")
        except AgentError as error:
            check("77" in error.desc, error.desc)
        equal(line.ask("guest-set-vcpus", vcpus=[{"logical-id": 1, "online": True}]), 1, "the rest")
        equal(online(line), [0, 1], "online")


def test_plugged_memory_comes_online():
    needs("hotplug")
    machine = vm()
    with machine.line() as line:
        before = line.ask("pvt-get-memory")["total"]
        machine.monitor.command("object-add", **{"qom_type": "memory-backend-ram", "id": "mem1",
                                                 "size": 512 << 20})
        machine.monitor.command("device_add", driver="pc-dimm", id="dimm1", memdev="mem1")
        wait("the new memory is not used",
             lambda: line.ask("pvt-get-memory")["total"] > before + (400 << 20))


def test_memory_blocks_by_the_agent():
    with vm().line() as line:
        blocks = line.ask("guest-get-memory-blocks")
        last = max(block["phys-index"] for block in blocks if block["online"])
        reply = line.ask("guest-set-memory-blocks", **{"mem-blks": [
            {"phys-index": last, "online": True}, {"phys-index": 10 ** 6, "online": True}]})
        equal([(entry["phys-index"], entry["response"]) for entry in reply],
              [(last, "success"), (10 ** 6, "not-found")], "responses")
        reply = line.ask("guest-set-memory-blocks", **{"mem-blks": [{"phys-index": last, "online": False}]})
        check(reply[0]["response"] in ("success", "operation-failed"), reply)
        state = sh(line, f"cat /sys/devices/system/memory/memory{last}/state").strip()
        equal(state, "offline" if reply[0]["response"] == "success" else "online", "state")


if __name__ == "__main__":
    try:
        tap.main(globals(), sys.argv[1:])
    finally:
        if guest:
            guest["vm"].__exit__(ValueError, None, None)
